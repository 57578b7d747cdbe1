//! The API from the outside: calls, watches, and which path a kind has.
//!
//! Guarantee: every answer that is not a success becomes an [`ApiError`] that says which server
//! said what.
//! Absent: what the answers mean.

mod call;
mod error;
mod kinds;
mod spelling;
mod line;
mod log;
mod path;
mod watch;

pub(crate) use call::{Client, Patch};
pub(crate) use error::ApiError;
pub(crate) use kinds::{all, find, nearest, of_object, plurals};
pub(crate) use line::Line;
pub(crate) use log::ApiLog;
pub(crate) use path::{KindPath, escape};
pub(crate) use watch::{Watch, WatchEvent};
