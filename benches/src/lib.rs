//! The published measurements.
