//! Private Docker Engines for tests: one `dockerd` a node, several side by side on one machine.
//!
//! Guarantee: an engine that is dropped leaves no process, no mount and no file behind. Only what
//! was started here is ended, by its id.
//! Absent: a network, unless an engine is started in surroundings that somebody made for it: the others
//! run with `--bridge=none`, their pods with network `none`.

mod engine;
mod http;
mod network;
mod processes;
mod surroundings;

pub use engine::{
    EngineError, PrivateEngine, TEST_IMAGE, TEST_IMAGE_CHECKED, TEST_IMAGE_OF_NOBODY, require,
    require_networks,
};
pub use network::Network;
pub use surroundings::Surroundings;
