//! The Avro form of every record of the log: schemas, encoding, decoding, evolution.
//!
//! Guarantee: what is encoded reads back equal; bytes that are not a known record are refused
//! with the reason and never panic. Schemas are parsed once a process.
//! Absent: the schema registry's client; ids of a registry are given by the caller.

mod record;
mod error;
mod table;
mod frame;
mod codec;

pub use codec::Codec;
pub(crate) use codec::read_datum;
pub use error::{DecodeError, EncodeError};
pub use frame::SchemaIds;
pub(crate) use frame::single_object_header;
pub use record::{Record, RecordKind};
pub use table::{InvalidSchema, earlier_schemas, fingerprint_of};
