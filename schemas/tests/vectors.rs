//! Vectors that others wrote: fingerprints of the Avro project, wire samples of a registry client.
#![expect(clippy::disallowed_methods, reason = "a test reads files and its environment")]

use std::path::PathBuf;

use setpoint_schemas::avro::{Codec, DecodeError, SchemaIds, fingerprint_of};

fn data(path: &str) -> Option<PathBuf> {
    setpoint_test_support::data(&format!("events/avro/{path}"))
}

#[test]
fn fingerprints_are_those_of_the_avro_project() {
    let Some(path) = data("data/schema-tests.txt") else { return };
    let text = std::fs::read_to_string(path).expect("vectors");
    let (mut schema, mut checked) = (String::new(), 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "<<INPUT" {
            schema = lines.by_ref().take_while(|line| *line != "INPUT").collect();
        } else if let Some(input) = line.strip_prefix("<<INPUT ") {
            schema = input.to_owned();
        } else if let Some(expected) = line.strip_prefix("<<fingerprint ") {
            let expected: i64 = expected.trim().parse().expect("number");
            let found = fingerprint_of(&schema).expect("schema parses");
            assert_eq!(i64::from_le_bytes(found), expected, "{schema}");
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} vectors were found");
}

#[test]
fn the_single_object_header_is_that_of_the_java_implementation() {
    let (Some(message), Some(schema)) =
        (data("data/messageV1/test_message.bin"), data("data/messageV1/test_schema.avsc"))
    else {
        return;
    };
    let message = std::fs::read(message).expect("message");
    let schema = std::fs::read_to_string(schema).expect("schema");
    assert_eq!(message[2..10], fingerprint_of(&schema).expect("schema parses"));
    let found = Codec::single_object().kind_of(&message);
    assert!(matches!(found, Err(DecodeError::UnknownFingerprint { .. })), "{found:?}");
}

#[test]
fn confluent_headers_are_read_as_their_clients_write_them() {
    let Some(path) = data("confluent/wire-vectors.jsonl") else { return };
    let mut checked = 0;
    for line in std::fs::read_to_string(path).expect("vectors").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("json");
        let Some(bytes) = case["bytes"].as_array() else { continue };
        let bytes: Vec<u8> =
            bytes.iter().map(|b| b.as_u64().expect("byte").try_into().expect("byte")).collect();
        let found = codec_of(&case).kind_of(&bytes);
        match (case["schema_id"].as_u64(), bytes.first()) {
            (_, Some(first)) if *first != 0 => {
                assert_eq!(found, Err(DecodeError::NotAvro { first: *first }));
            }
            _ if bytes.len() < 5 => {
                assert_eq!(found, Err(DecodeError::Short { bytes: bytes.len() }))
            }
            (Some(id), _) if case["schema"].is_string() => {
                let id = u32::try_from(id).expect("id");
                assert_eq!(found, Err(DecodeError::ForeignSchemaId { id }), "{line}");
            }
            _ => assert!(matches!(found, Err(DecodeError::UnknownSchemaId { .. })), "{line}"),
        }
        checked += 1;
    }
    assert!(checked > 5, "only {checked} vectors were found");
}

/// Knows the id and the schema of the case, which is never one of ours.
fn codec_of(case: &serde_json::Value) -> Codec {
    let ids = SchemaIds::default();
    if let (Some(id), Some(schema)) = (case["schema_id"].as_u64(), case["schema"].as_str()) {
        ids.learn(id.try_into().expect("id"), schema).expect("schema parses");
    }
    Codec::confluent(ids)
}
