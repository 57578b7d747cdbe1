//! Pure decisions, one rule a file.
