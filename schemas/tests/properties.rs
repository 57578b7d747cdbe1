//! What holds for every text and every bytes at the parsers of this crate.

use proptest::prelude::*;
use setpoint_schemas::avro::{Codec, RecordKind, SchemaIds};
use setpoint_schemas::{
    FleetId, Lease, Namespace, NodeName, PodObserved, PodUid, Quantity, Request, RequestId,
    ResourceName, SessionId, samples,
};

/// Any text, and text that is nearly right.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9._/:-]{0,70}",
        "[a-z0-9-]{60,70}",
        "[a-z0-9.-]{250,260}",
        "[+-]?[0-9]{0,25}(\\.[0-9]{0,25})?[a-zA-Z]{0,3}[+-]?[0-9]{0,3}",
    ]
}

/// Suffixes with what they stand for, as a fraction.
const SUFFIXES: [(&str, i128, i128); 9] = [
    ("", 1, 1),
    ("m", 1, 1000),
    ("k", 1000, 1),
    ("M", 1_000_000, 1),
    ("G", 1_000_000_000, 1),
    ("Ki", 1 << 10, 1),
    ("Mi", 1 << 20, 1),
    ("Gi", 1 << 30, 1),
    ("e3", 1000, 1),
];

/// Writes, and reads what it wrote, with ids of a registry or without.
fn codecs() -> [Codec; 2] {
    let ids = SchemaIds::default();
    for (id, kind) in (1..).zip(RecordKind::ALL) {
        ids.insert(*kind, id);
    }
    [Codec::single_object(), Codec::confluent(ids)]
}

/// What stands before a datum of ours, in both framings, and nearly so.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let whole = |codec: usize| codecs()[codec].encode(&samples::pod_observed()).expect("encodes");
    prop_oneof![
        Just(whole(0)[..10].to_vec()),
        Just(whole(1)[..5].to_vec()),
        (0u32..20).prop_map(|id| [&[0], &id.to_be_bytes()[..]].concat()),
        any::<u64>().prop_map(|print| [&[0xC3, 0x01], &print.to_le_bytes()[..]].concat()),
    ]
}

proptest! {
    #[test]
    fn an_id_is_the_text_that_it_was_parsed_from_and_never_panics(text in text()) {
        let parsed = [
            PodUid::parse(&text).map(|id| id.to_string()),
            NodeName::parse(&text).map(|id| id.to_string()),
            Namespace::parse(&text).map(|id| id.to_string()),
            ResourceName::parse(&text).map(|id| id.to_string()),
            RequestId::parse(&text).map(|id| id.to_string()),
            SessionId::parse(&text).map(|id| id.to_string()),
            FleetId::parse(&text).map(|id| id.to_string()),
        ];
        for result in parsed {
            match result {
                Ok(same) => prop_assert_eq!(&same, &text),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn an_id_holds_no_blank_and_no_slash(text in text()) {
        if let Ok(uid) = PodUid::parse(&text) {
            prop_assert!(!uid.text().contains(['/', ' ', '\n', '\0']) && !uid.text().is_empty());
        }
    }

    #[test]
    fn a_quantity_keeps_its_text_and_never_panics(text in text()) {
        if let Ok(quantity) = Quantity::parse(&text) {
            prop_assert_eq!(quantity.as_str(), &text);
            prop_assert!(quantity.units() >= 0 || quantity.is_negative(), "{text}");
            prop_assert!(!quantity.is_negative() || text.starts_with('-'), "{text}");
            let again = serde_json::to_string(&quantity).expect("text");
            prop_assert_eq!(serde_json::from_str::<Quantity>(&again).expect("reads"), quantity);
        }
    }

    #[test]
    fn a_quantity_is_what_its_digits_and_suffix_say(
        number in 0i64..1_000_000,
        suffix in prop::sample::select(&SUFFIXES[..]),
        negative in any::<bool>(),
    ) {
        let (suffix, above, below) = suffix;
        let number = if negative { -number } else { number };
        let exact = i128::from(number) * above;
        let quantity = Quantity::parse(&format!("{number}{suffix}")).expect("a quantity");
        let rounded_up = exact.div_euclid(below) + i128::from(exact.rem_euclid(below) != 0);
        prop_assert_eq!(i128::from(quantity.units()), rounded_up);
        prop_assert_eq!(quantity.is_negative(), number < 0);
    }

    #[test]
    fn what_is_written_reads_back_in_both_framings(sequence in any::<i64>(), time_ms in any::<i64>()) {
        let lease = Lease { sequence, time_ms, ..samples::lease() };
        for writer in codecs() {
            let bytes = writer.encode(&lease).expect("encodes");
            prop_assert_eq!(writer.kind_of(&bytes), Ok(RecordKind::Lease));
            prop_assert_eq!(writer.decode::<Lease>(&bytes), Ok(lease.clone()));
        }
    }

    #[test]
    fn any_bytes_behind_any_header_never_panic(
        header in header(),
        datum in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [header, datum].concat();
        for codec in codecs() {
            let kind = codec.kind_of(&bytes);
            for read in [codec.decode::<PodObserved>(&bytes).is_ok(), codec.decode::<Request>(&bytes).is_ok()] {
                prop_assert!(!read || kind.is_ok(), "it reads and nobody knows its kind");
            }
        }
    }

    #[test]
    fn a_record_cut_short_anywhere_is_refused(end in 0usize..10_000) {
        for codec in codecs() {
            let whole = codec.encode(&samples::request()).expect("encodes");
            let cut = &whole[..end % whole.len()];
            prop_assert!(codec.decode::<Request>(cut).is_err());
        }
    }
}
