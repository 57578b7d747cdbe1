//! The HTTP API, shaped as Kubernetes' is: what was committed, served; what is asked, handed on.
//!
//! Guarantee: every answer comes from one committed epoch, a reader sees its own write, and a
//! Secret's value is in clear only in an answer to someone who may read that Secret.
//! Absent: decisions and the log. Both are behind [`ports`], which the binary implements.

pub mod ports;
pub mod elsewhere;

mod model;
mod render;
mod health;

mod kinds;
mod target;
mod percent;
mod select;
mod status;
mod json;

mod seal;
mod secrets;
mod auth;
mod room;
mod connections;
mod door;
mod calls;
mod line;

mod state;
mod routes;
mod serve;

pub use auth::{Actor, Role, TokenFileError, Tokens};
pub use health::{Health, HealthState, health};
pub use kinds::KindInfo;
pub use model::{
    About, Change, DECISIONS_KEPT_MAX, DeviceServed, EVENTS_KEPT_MAX, Kept, NodeServed, Progress,
    ReadModel, Summary, WaitingPod,
};
pub use render::PodRow;
pub use seal::{KEY_BYTES, OpenError, SEALED_PREFIX, Sealer};
pub use serve::{ServeError, ServeOptions, TlsFiles, serve};
pub use state::{ApiState, Parts};
