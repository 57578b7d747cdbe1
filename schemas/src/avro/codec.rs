//! Encoding and decoding of records: the hot path.

use std::borrow::Cow;
use std::cell::RefCell;

use serde_avro_fast::de::{DeserializerConfig, DeserializerState, read::SliceRead};
use serde_avro_fast::ser::SerializerConfig;

use super::error::{DecodeError, EncodeError};
use super::table::{self, Writer};
use super::{Record, RecordKind, SchemaIds, frame};

/// How records are written and read. Cheap to clone; shared freely.
#[derive(Debug, Clone, Default)]
pub struct Codec {
    ids: Option<SchemaIds>,
}

impl Codec {
    /// Writes Avro single-object encoding. The default, without a schema registry.
    #[must_use]
    pub fn single_object() -> Self {
        Codec::default()
    }

    /// Writes Confluent's format with these ids, and reads both formats.
    #[must_use]
    pub fn confluent(ids: SchemaIds) -> Self {
        Codec { ids: Some(ids) }
    }

    /// The record's bytes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when the registry's id is not known or the value does not fit its schema.
    pub fn encode<R: Record>(&self, record: &R) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        self.encode_into(record, &mut out)?;
        Ok(out)
    }

    /// Appends the record's bytes to a buffer, which a hot caller clears and uses again. After an
    /// error the buffer is as it was.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn encode_into<R: Record>(&self, record: &R, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        match &self.ids {
            None => frame::write_single_object(R::KIND, out),
            Some(ids) => {
                let id = ids.id_of(R::KIND);
                frame::write_confluent(id.ok_or(EncodeError::NoSchemaId { record: R::NAME })?, out);
            }
        }
        write_datum(record, out).inspect_err(|_| out.truncate(start))
    }

    /// The ids that it writes and reads with; `None` without a schema registry.
    #[must_use]
    pub fn ids(&self) -> Option<&SchemaIds> {
        self.ids.as_ref()
    }

    /// Which record these bytes are, by their header alone.
    ///
    /// # Errors
    /// [`DecodeError`] when the header is short, foreign or unknown.
    pub fn kind_of(&self, bytes: &[u8]) -> Result<RecordKind, DecodeError> {
        frame::split(self.ids.as_ref(), bytes).map(|(writer, _)| writer.kind())
    }

    /// The record that these bytes are, whichever of the two formats and of our schema versions
    /// they were written with.
    ///
    /// # Errors
    /// [`DecodeError`], which names why.
    pub fn decode<R: Record>(&self, bytes: &[u8]) -> Result<R, DecodeError> {
        read_datum(&self.datum_of::<R>(bytes)?)
    }

    /// The datum behind the header, in the current schema.
    pub(crate) fn datum_of<'a, R: Record>(
        &self,
        bytes: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, DecodeError> {
        let (writer, datum) = frame::split(self.ids.as_ref(), bytes)?;
        if writer.kind() != R::KIND {
            return Err(DecodeError::OtherRecord {
                found: writer.kind().name(),
                expected: R::NAME,
            });
        }
        match writer {
            Writer::Current(_) => Ok(Cow::Borrowed(datum)),
            Writer::Earlier(kind, row) => {
                table::resolve(kind, row, datum).map(Cow::Owned).map_err(malformed::<R>)
            }
        }
    }
}

thread_local! {
    /// One encoder a record, whose buffers are used again.
    static ENCODERS: RefCell<Vec<SerializerConfig<'static>>> = RefCell::new(
        RecordKind::ALL.iter().map(|kind| SerializerConfig::new(table::current(*kind))).collect(),
    );
}

fn write_datum<R: Record>(record: &R, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    ENCODERS.with_borrow_mut(|encoders| {
        serde_avro_fast::to_datum(record, out, &mut encoders[R::KIND as usize])
            .map(|_| ())
            .map_err(|error| EncodeError::Value { record: R::NAME, why: error.to_string() })
    })
}

pub(crate) fn read_datum<R: Record>(datum: &[u8]) -> Result<R, DecodeError> {
    let mut config = DeserializerConfig::new(table::current(R::KIND));
    // Every item of our lists and maps takes a byte at least: a longer list is a lie.
    config.max_seq_size = datum.len();
    let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
    let record = R::deserialize(state.deserializer()).map_err(malformed::<R>)?;
    match std::io::copy(&mut state.into_reader(), &mut std::io::sink()) {
        Ok(0) => Ok(record),
        Ok(bytes) => Err(DecodeError::Trailing { record: R::NAME, bytes: bytes as usize }),
        Err(error) => Err(malformed::<R>(error)),
    }
}

fn malformed<R: Record>(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Malformed { record: R::NAME, why: error.to_string() }
}
