//! Private Docker Engines for tests: one `dockerd` a node, several side by side on one machine.
//!
//! Guarantee: an engine that is dropped leaves no process, no mount and no file behind. Only what
//! was started here is ended, by its id.
//! Absent: a network; the engines run with `--bridge=none`, their pods with network `none`.

mod engine;
mod http;
mod processes;

pub use engine::{
    EngineError, PrivateEngine, TEST_IMAGE, TEST_IMAGE_CHECKED, TEST_IMAGE_OF_NOBODY, require,
};
