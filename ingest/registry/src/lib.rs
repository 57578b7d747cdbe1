//! The client of a schema registry that speaks Confluent's REST API, version 1 (Confluent, Karapace,
//! Apicurio's `ccompat`).
//!
//! Guarantee: nothing is registered unless the registry finds every schema of ours compatible with
//! what it has; every call is bounded in time; the time for ids met while reading is bounded too,
//! so that garbage on the log cannot hold its readers up.
//! Absent: deleting, and changing a subject's compatibility: that is its owner's.
//!
//! Source: Confluent's "Schema Registry API Reference".

mod settings;
mod subject;
mod http;
mod error;
mod budget;
mod registry;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::RegistryError;
pub use registry::Registry;
pub use settings::Settings;
pub use subject::subject_of;
