//! Thousands of simulated nodes with seeded faults.
