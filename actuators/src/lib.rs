//! The actuator contract, the node's dispatcher, the conformance suite.
