//! The golden samples: each record's bytes on the wire do not change by accident.
//! `UPDATE_GOLDEN=1 cargo test -p setpoint-schemas` writes them anew; review what changed.
#![expect(clippy::disallowed_methods, reason = "a test reads files and its environment")]

use std::fmt::Debug;
use std::path::PathBuf;

use apache_avro::reader::datum::GenericDatumReader;
use setpoint_schemas::avro::{Codec, Record, RecordKind};
use setpoint_schemas::samples;

fn golden(name: &str) -> PathBuf {
    setpoint_test_support::crate_folder().join("golden").join(format!("{name}.bin"))
}

fn check<R: Record + PartialEq + Debug>(sample: &R) {
    let codec = Codec::single_object();
    let encoded = codec.encode(sample).expect("encodes");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden(R::NAME), &encoded).expect("golden file is written");
    }
    let stored = std::fs::read(golden(R::NAME)).expect("golden file");
    assert_eq!(encoded, stored, "{} is written as before", R::NAME);
    assert_eq!(&codec.decode::<R>(&stored).expect("decodes"), sample, "{}", R::NAME);
    assert_eq!(codec.kind_of(&stored), Ok(R::KIND));
}

#[test]
fn every_record_is_written_and_read_as_its_golden_sample() {
    check(&samples::request());
    check(&samples::node());
    check(&samples::lease());
    check(&samples::pod_observed());
    check(&samples::node_snapshot());
    check(&samples::desired());
    check(&samples::placement());
    check(&samples::epoch());
    check(&samples::decision());
    check(&samples::usage_sample());
    check(&samples::alert());
    check(&samples::dead_letter());
}

#[test]
fn there_is_a_golden_sample_of_every_record_and_no_other() {
    let folder = golden("any").parent().expect("folder").to_owned();
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .expect("golden folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    let mut expected: Vec<String> =
        RecordKind::ALL.iter().map(|kind| format!("{}.bin", kind.name())).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn another_avro_library_reads_every_golden_sample_to_its_end() {
    for kind in RecordKind::ALL {
        let schema = apache_avro::Schema::parse_str(kind.schema_json()).expect("schema");
        let bytes = std::fs::read(golden(kind.name())).expect("golden file");
        let mut datum = &bytes[10..];
        let value = GenericDatumReader::builder(&schema)
            .build()
            .and_then(|reader| reader.read_value(&mut datum))
            .expect("datum");
        assert!(datum.is_empty() && value.validate(&schema), "{}", kind.name());
    }
}
