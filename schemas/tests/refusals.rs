//! Bytes that are not a record are refused with the reason, and nothing else happens.

use proptest::prelude::*;
use setpoint_schemas::avro::{Codec, DecodeError, RecordKind, SchemaIds};
use setpoint_schemas::{Lease, NodeSnapshot, PodObserved, Request, samples};

fn lease() -> Vec<u8> {
    Codec::single_object().encode(&samples::lease()).expect("encodes")
}

fn refusal(bytes: &[u8]) -> String {
    Codec::single_object().decode::<Lease>(bytes).expect_err("is refused").to_string()
}

#[test]
fn a_refusal_names_why() {
    let mut unknown = lease();
    unknown[2..10].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_le_bytes());
    let mut long = lease();
    long.extend([1, 2, 3]);
    let request = Codec::single_object().encode(&samples::request()).expect("encodes");
    let cases: [(&[u8], &str); 8] = [
        (&[], "it has 0 bytes, fewer than an avro header"),
        (&[0xC3], "it has 1 bytes, fewer than an avro header"),
        (&lease()[..9], "it has 9 bytes, fewer than an avro header"),
        (
            b"{\"a\":1}",
            "it begins with byte 0x7b, which is neither avro single-object encoding nor confluent's format",
        ),
        (&unknown, "its schema fingerprint 0123456789abcdef is unknown"),
        (&[0, 0, 0, 0, 9, 1], "its schema id 9 is unknown"),
        (&request, "it is a request where a lease was expected"),
        (&long, "3 bytes follow its lease"),
    ];
    for (bytes, why) in cases {
        assert_eq!(refusal(bytes), why);
    }
    assert!(refusal(&lease()[..20]).starts_with("its lease does not decode: "));
}

#[test]
fn a_value_that_breaks_its_grammar_is_refused() {
    let mut bytes = lease();
    assert_eq!(&bytes[11..17], b"node-1");
    bytes[11] = b'-';
    assert!(refusal(&bytes).contains("invalid node name"), "{}", refusal(&bytes));
}

#[test]
fn a_topic_with_two_records_is_told_apart_by_fingerprint() {
    let codec = Codec::single_object();
    let pod = codec.encode(&samples::pod_observed()).expect("encodes");
    let snapshot = codec.encode(&samples::node_snapshot()).expect("encodes");
    assert_eq!(codec.kind_of(&pod), Ok(RecordKind::PodObserved));
    assert_eq!(codec.kind_of(&snapshot), Ok(RecordKind::NodeSnapshot));
    assert_eq!(codec.decode::<PodObserved>(&pod), Ok(samples::pod_observed()));
    assert_eq!(codec.decode::<NodeSnapshot>(&snapshot), Ok(samples::node_snapshot()));
}

#[test]
fn confluents_format_carries_the_registrys_id_and_both_formats_are_read() {
    let ids = SchemaIds::default();
    ids.insert(RecordKind::Lease, 258);
    ids.learn(
        3,
        r#"{"type":"record","name":"Heartbeat","fields":[{"name":"beat","type":"long"}]}"#,
    )
    .expect("schema");
    ids.learn(4, RecordKind::Lease.schema_json()).expect("schema");
    let codec = Codec::confluent(ids);
    let bytes = codec.encode(&samples::lease()).expect("encodes");
    assert_eq!(bytes[..5], [0, 0, 0, 1, 2]);
    assert_eq!(codec.decode::<Lease>(&bytes), Ok(samples::lease()));
    assert_eq!(codec.decode::<Lease>(&lease()), Ok(samples::lease()));
    let with_id = |id| [&[0, 0, 0, 0, id], &bytes[5..]].concat();
    assert_eq!(codec.decode::<Lease>(&with_id(4)), Ok(samples::lease()));
    assert_eq!(codec.decode::<Lease>(&with_id(3)), Err(DecodeError::ForeignSchemaId { id: 3 }));
    assert!(codec.encode(&samples::request()).is_err(), "its id is not known");
}

proptest! {
    #[test]
    fn random_bytes_are_refused_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Codec::single_object().decode::<Request>(&bytes).is_err());
    }

    #[test]
    fn a_damaged_record_never_panics(at in 10usize..400, byte in any::<u8>(), end in 10usize..400) {
        let mut bytes = Codec::single_object().encode(&samples::pod_observed()).expect("encodes");
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(end);
        let _ = Codec::single_object().decode::<PodObserved>(&bytes);
    }
}
