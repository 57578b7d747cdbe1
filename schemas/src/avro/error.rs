//! Why bytes are not a record, and why a record gives none.

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the header of the format needs.
    #[error("it has {bytes} bytes, fewer than an avro header")]
    Short {
        /// How many there are.
        bytes: usize,
    },
    /// Neither of the two formats.
    #[error(
        "it begins with byte {first:#04x}, which is neither avro single-object encoding nor confluent's format"
    )]
    NotAvro {
        /// The first byte.
        first: u8,
    },
    /// A schema that we never wrote with.
    #[error("its schema fingerprint {fingerprint:016x} is unknown")]
    UnknownFingerprint {
        /// The fingerprint.
        fingerprint: u64,
    },
    /// An id that nobody told us about; the registry may know it.
    #[error("its schema id {id} is unknown")]
    UnknownSchemaId {
        /// The id.
        id: u32,
    },
    /// An id whose schema is known and not one of ours.
    #[error("its schema id {id} stands for a schema of someone else")]
    ForeignSchemaId {
        /// The id.
        id: u32,
    },
    /// A record of ours, but not the one that was expected.
    #[error("it is a {found} where a {expected} was expected")]
    OtherRecord {
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The datum does not follow its schema, or a value in it breaks its grammar.
    #[error("its {record} does not decode: {why}")]
    Malformed {
        /// Which record.
        record: &'static str,
        /// The decoder's words.
        why: String,
    },
    /// The datum ends before the bytes do.
    #[error("{bytes} bytes follow its {record}")]
    Trailing {
        /// Which record.
        record: &'static str,
        /// How many.
        bytes: usize,
    },
}

/// Why a record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The registry's id of the schema is not known.
    #[error("failed to encode a {record}: the registry's id of its schema is not known")]
    NoSchemaId {
        /// Which record.
        record: &'static str,
    },
    /// The value does not follow its schema.
    #[error("failed to encode a {record}: {why}")]
    Value {
        /// Which record.
        record: &'static str,
        /// The encoder's words.
        why: String,
    },
}
