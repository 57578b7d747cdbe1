//! The log contract, decoding at the door, and dead letters.
