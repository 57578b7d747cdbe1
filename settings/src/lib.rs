//! The settings of the binaries: flags over environment over file over defaults.
