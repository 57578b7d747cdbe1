//! What stands before a datum on the wire: Avro single-object encoding, or Confluent's format.
//!
//! Sources: Avro specification, "Single-object encoding" (C3 01 and the schema's CRC-64-AVRO
//! fingerprint, little endian); Confluent's wire format (a zero byte and a big-endian 32-bit id).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::error::DecodeError;
use super::table::{self, InvalidSchema, Writer};
use super::{RecordKind, fingerprint_of};

/// The two bytes that begin a single-object encoding.
const SINGLE_OBJECT_MARKER: [u8; 2] = [0xC3, 0x01];
/// Marker and fingerprint.
const SINGLE_OBJECT_HEADER_BYTES: usize = 10;
/// The byte that begins Confluent's format.
const CONFLUENT_MAGIC: u8 = 0;
/// Magic byte and id.
const CONFLUENT_HEADER_BYTES: usize = 5;

/// The ids that a schema registry gave to our schemas. The caller learns them from the registry,
/// some only while it reads: clones learn together.
#[derive(Debug, Clone, Default)]
pub struct SchemaIds {
    table: Arc<RwLock<Ids>>,
}

#[derive(Debug, Default)]
struct Ids {
    writing: HashMap<RecordKind, u32>,
    reading: HashMap<u32, [u8; 8]>,
}

/// Ids learned while reading: far more than a registry gives to one log's schemas, and few enough
/// when garbage on the log happens to name foreign ones.
const LEARNED_MAX: usize = 10_000;

impl SchemaIds {
    /// The id of a record's current schema: written from now on, and read.
    pub fn insert(&self, kind: RecordKind, id: u32) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.writing.insert(kind, id);
        table.reading.insert(id, *table::current(kind).rabin_fingerprint());
    }

    /// The schema behind an id met while reading; it may be an earlier one of ours. When very many
    /// are known already it is not kept.
    ///
    /// # Errors
    /// [`InvalidSchema`] when the text is not an Avro schema.
    pub fn learn(&self, id: u32, schema_json: &str) -> Result<(), InvalidSchema> {
        let fingerprint = fingerprint_of(schema_json)?;
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.reading.len() < LEARNED_MAX {
            table.reading.insert(id, fingerprint);
        }
        Ok(())
    }

    /// Whether the schema behind this id is known.
    #[must_use]
    pub fn knows(&self, id: u32) -> bool {
        self.read().reading.contains_key(&id)
    }

    pub(super) fn id_of(&self, kind: RecordKind) -> Option<u32> {
        self.read().writing.get(&kind).copied()
    }

    fn fingerprint_of(&self, id: u32) -> Option<[u8; 8]> {
        self.read().reading.get(&id).copied()
    }

    fn read(&self) -> RwLockReadGuard<'_, Ids> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the single-object header of a record.
pub(super) fn write_single_object(kind: RecordKind, out: &mut Vec<u8>) {
    out.extend_from_slice(&SINGLE_OBJECT_MARKER);
    out.extend_from_slice(table::current(kind).rabin_fingerprint());
}

/// The single-object header of a record.
pub(crate) fn single_object_header(kind: RecordKind) -> Vec<u8> {
    let mut header = Vec::with_capacity(SINGLE_OBJECT_HEADER_BYTES);
    write_single_object(kind, &mut header);
    header
}

/// Writes Confluent's header.
pub(super) fn write_confluent(id: u32, out: &mut Vec<u8>) {
    out.push(CONFLUENT_MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Splits a value into who wrote it and its datum. Either format is read, whichever is written.
pub(super) fn split<'a>(
    ids: Option<&SchemaIds>,
    bytes: &'a [u8],
) -> Result<(Writer, &'a [u8]), DecodeError> {
    match bytes.first() {
        None => Err(DecodeError::Short { bytes: 0 }),
        Some(&CONFLUENT_MAGIC) => split_confluent(ids, bytes),
        Some(_) => split_single_object(bytes),
    }
}

fn split_single_object(bytes: &[u8]) -> Result<(Writer, &[u8]), DecodeError> {
    let marker = &bytes[..bytes.len().min(SINGLE_OBJECT_MARKER.len())];
    if !SINGLE_OBJECT_MARKER.starts_with(marker) {
        return Err(DecodeError::NotAvro { first: bytes[0] });
    }
    let Some((header, datum)) = bytes.split_at_checked(SINGLE_OBJECT_HEADER_BYTES) else {
        return Err(DecodeError::Short { bytes: bytes.len() });
    };
    let mut fingerprint = [0; 8];
    fingerprint.copy_from_slice(&header[2..]);
    let writer = table::writer(fingerprint)
        .ok_or(DecodeError::UnknownFingerprint { fingerprint: u64::from_le_bytes(fingerprint) })?;
    Ok((writer, datum))
}

fn split_confluent<'a>(
    ids: Option<&SchemaIds>,
    bytes: &'a [u8],
) -> Result<(Writer, &'a [u8]), DecodeError> {
    let Some((header, datum)) = bytes.split_at_checked(CONFLUENT_HEADER_BYTES) else {
        return Err(DecodeError::Short { bytes: bytes.len() });
    };
    let id = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let fingerprint = ids.and_then(|ids| ids.fingerprint_of(id));
    let fingerprint = fingerprint.ok_or(DecodeError::UnknownSchemaId { id })?;
    let writer = table::writer(fingerprint).ok_or(DecodeError::ForeignSchemaId { id })?;
    Ok((writer, datum))
}
