//! The schemas of this version and of the earlier ones, parsed once.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;

use super::RecordKind;

/// A schema that does not parse, with the parser's words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("failed to parse an avro schema: {why}")]
pub struct InvalidSchema {
    /// What the parser says.
    pub why: String,
}

/// The CRC-64-AVRO fingerprint of a schema's canonical form, little endian as on the wire.
///
/// # Errors
/// [`InvalidSchema`] when the text is not an Avro schema.
pub fn fingerprint_of(schema_json: &str) -> Result<[u8; 8], InvalidSchema> {
    parse(schema_json).map(|schema| *schema.rabin_fingerprint())
}

/// Schemas that records on the log may still have been written with. Newest last; a row is added
/// when a current schema changes, with the text that it had before.
const EARLIER: &[(RecordKind, &str)] = &[
    (RecordKind::Request, include_str!("../../avro/earlier/request/v1.avsc")),
    (RecordKind::Node, include_str!("../../avro/earlier/node/v1.avsc")),
    (RecordKind::Node, include_str!("../../avro/earlier/node/v2.avsc")),
    (RecordKind::Lease, include_str!("../../avro/earlier/lease/v1.avsc")),
    (RecordKind::PodObserved, include_str!("../../avro/earlier/pod_observed/v1.avsc")),
    (RecordKind::PodObserved, include_str!("../../avro/earlier/pod_observed/v2.avsc")),
    (RecordKind::NodeSnapshot, include_str!("../../avro/earlier/node_snapshot/v1.avsc")),
    (RecordKind::Desired, include_str!("../../avro/earlier/desired/v1.avsc")),
    (RecordKind::Desired, include_str!("../../avro/earlier/desired/v2.avsc")),
    (RecordKind::Placement, include_str!("../../avro/earlier/placement/v1.avsc")),
    (RecordKind::Placement, include_str!("../../avro/earlier/placement/v2.avsc")),
    (RecordKind::Epoch, include_str!("../../avro/earlier/epoch/v1.avsc")),
    (RecordKind::Epoch, include_str!("../../avro/earlier/epoch/v2.avsc")),
    (RecordKind::Decision, include_str!("../../avro/earlier/decision/v1.avsc")),
    (RecordKind::UsageSample, include_str!("../../avro/earlier/usage_sample/v1.avsc")),
    (RecordKind::Alert, include_str!("../../avro/earlier/alert/v1.avsc")),
    (RecordKind::DeadLetter, include_str!("../../avro/earlier/dead_letter/v1.avsc")),
];

/// The earlier schemas that records on the log may have been written with, as JSON, each with its
/// record.
pub fn earlier_schemas() -> impl Iterator<Item = (RecordKind, &'static str)> {
    EARLIER.iter().copied()
}

/// A schema that a record was written with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Writer {
    /// The current one.
    Current(RecordKind),
    /// An earlier one: its row in [`EARLIER`].
    Earlier(RecordKind, usize),
}

impl Writer {
    pub(super) fn kind(self) -> RecordKind {
        match self {
            Writer::Current(kind) | Writer::Earlier(kind, _) => kind,
        }
    }
}

/// The current schema of a record.
pub(super) fn current(kind: RecordKind) -> &'static serde_avro_fast::Schema {
    &TABLE.current[kind as usize]
}

/// Who wrote with this fingerprint, if anyone that we know.
pub(super) fn writer(fingerprint: [u8; 8]) -> Option<Writer> {
    TABLE.writers.get(&fingerprint).copied()
}

/// Brings a datum of an earlier schema into the current one. Slow, and only met for as long as
/// records of an earlier version are on the log.
pub(super) fn resolve(
    kind: RecordKind,
    earlier: usize,
    datum: &[u8],
) -> Result<Vec<u8>, apache_avro::Error> {
    let writer = apache_avro::Schema::parse_str(EARLIER[earlier].1)?;
    let reader = apache_avro::Schema::parse_str(kind.schema_json())?;
    resolve_between(&writer, &reader, datum)
}

fn resolve_between(
    writer: &apache_avro::Schema,
    reader: &apache_avro::Schema,
    mut datum: &[u8],
) -> Result<Vec<u8>, apache_avro::Error> {
    let value = GenericDatumReader::builder(writer)
        .reader_schema(reader)
        .build()?
        .read_value(&mut datum)?;
    GenericDatumWriter::builder(reader).build()?.write_value_to_vec(value)
}

struct Table {
    current: Vec<serde_avro_fast::Schema>,
    writers: HashMap<[u8; 8], Writer>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let known = |json| parse(json).expect("the schemas of the house parse: a test reads each");
    let current: Vec<_> = RecordKind::ALL.iter().map(|kind| known(kind.schema_json())).collect();
    let mut writers = HashMap::new();
    for (row, (kind, json)) in EARLIER.iter().enumerate() {
        writers.insert(*known(json).rabin_fingerprint(), Writer::Earlier(*kind, row));
    }
    for (kind, schema) in RecordKind::ALL.iter().zip(&current) {
        writers.insert(*schema.rabin_fingerprint(), Writer::Current(*kind));
    }
    Table { current, writers }
});

fn parse(json: &str) -> Result<serde_avro_fast::Schema, InvalidSchema> {
    json.parse().map_err(|error: serde_avro_fast::schema::SchemaError| InvalidSchema {
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;
    use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

    use super::*;

    /// Whether all that was written with the earlier schema can be read with the current one.
    fn is_backward_compatible(earlier: &str, current: &str) -> bool {
        let parsed = |json| Schema::parse_str(json).expect("schema parses");
        SchemaCompatibility::can_read(&parsed(earlier), &parsed(current)) == Ok(Compatibility::Full)
    }

    #[test]
    fn every_earlier_schema_can_be_read_with_the_current_one() {
        for (kind, earlier) in EARLIER {
            assert!(
                is_backward_compatible(earlier, kind.schema_json()),
                "{}.avsc can no longer read what an earlier version wrote",
                kind.name()
            );
        }
    }

    #[test]
    fn every_stored_earlier_schema_has_its_row_in_the_table() {
        let folder = setpoint_test_support::crate_folder().join("avro/earlier");
        for kind in RecordKind::ALL {
            let files = std::fs::read_dir(folder.join(kind.name())).expect("folder");
            let rows = EARLIER.iter().filter(|(row, _)| row == kind).count();
            assert!(rows >= 1, "{} has no earlier schema", kind.name());
            assert_eq!(files.count(), rows, "{}", kind.name());
        }
    }

    #[test]
    fn an_incompatible_change_is_refused() {
        let lease = RecordKind::Lease.schema_json();
        let planted = [
            lease.replace("\"sequence\", \"type\": \"long\"", "\"sequence\", \"type\": \"string\""),
            lease.replace("\"name\": \"session\"", "\"name\": \"life\""),
            lease.replace("\"name\": \"Lease\"", "\"name\": \"Rent\""),
        ];
        for changed in planted {
            assert_ne!(changed, lease, "the change was planted");
            assert!(!is_backward_compatible(lease, &changed), "{changed}");
        }
        let alert = RecordKind::Alert.schema_json();
        let narrowed = alert.replace("\"Firing\", \"Resolved\"", "\"Firing\"");
        assert_ne!(narrowed, alert);
        assert!(!is_backward_compatible(alert, &narrowed));
    }

    #[test]
    fn a_new_field_with_a_default_is_accepted_and_filled_in() {
        let old = RecordKind::Lease.schema_json();
        let new = old.replace(
            "{\"name\": \"session\"",
            "{\"name\": \"zone\", \"type\": \"string\", \"default\": \"a\"}, {\"name\": \"session\"",
        );
        assert_ne!(new, old);
        assert!(is_backward_compatible(old, &new));
        let parsed = |json| Schema::parse_str(json).expect("schema parses");
        // node "n", session "s", sequence 1, time 2.
        let datum = [2, b'n', 2, b's', 2, 4];
        let resolved = resolve_between(&parsed(old), &parsed(&new), &datum).expect("resolves");
        assert_eq!(resolved, [2, b'n', 2, b'a', 2, b's', 2, 4]);
    }

    /// The canonical form has no logical types; `apache-avro` 0.22 leaves `{"type":"long"}` where
    /// they stood, so it is given the schema without them, which has the same canonical form.
    #[test]
    fn both_libraries_agree_on_every_fingerprint() {
        let logical = r#"{"type": "long", "logicalType": "timestamp-millis"}"#;
        for kind in RecordKind::ALL {
            let plain = kind.schema_json().replace(logical, "\"long\"");
            assert!(!plain.contains("logicalType"), "{}", kind.name());
            let schema = Schema::parse_str(&plain).expect("schema parses");
            let theirs = schema.fingerprint::<apache_avro::rabin::Rabin>();
            assert_eq!(theirs.bytes, current(*kind).rabin_fingerprint(), "{}", kind.name());
        }
    }
}
