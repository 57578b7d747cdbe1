//! Docker Engine events joined with listing, as observed pods and nodes.
