//! The log on Apache Kafka.
//!
//! Guarantee: a leader's append is one transaction of a producer that fences its predecessors;
//! other appends are idempotent and acknowledged by all replicas; readers see committed records
//! only. Properties of librdkafka are passed through as given, so that TLS and SASL work.
//! Absent: consumer groups and committed offsets; positions are kept with the checkpoint.

mod log;
mod config;
mod refused;
mod brokers;
mod told;
mod topics;
mod reader;
mod producer;
mod shared;
mod leader;
#[cfg(feature = "testing")]
pub mod testing;

pub use config::Settings;
pub use log::KafkaLog;
