//! The reader by hand and the codec are one: they take the same bytes, and say the same of each.

use std::fmt::Debug;
use std::str::FromStr;

use proptest::prelude::*;
use setpoint_schemas::avro::{Codec, RecordKind, SchemaIds};
use setpoint_schemas::{
    ContainerEnd, ContainerObserved, ContainerState, Observation, PodObserved, PodPhase, samples,
};

/// Marker and fingerprint of a single-object encoding.
const HEADER_BYTES: usize = 10;

/// Holds both to each other on these bytes, and tells whether they take them.
fn agree(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let codec = Codec::single_object();
    let by_codec = codec.decode::<PodObserved>(bytes);
    let by_hand = Observation::read(bytes);
    prop_assert_eq!(by_hand.is_some(), by_codec.is_ok(), "{:?} of {:?}", by_codec, bytes);
    match (by_hand, by_codec) {
        (Some(by_hand), Ok(by_codec)) => {
            says(&by_hand, &by_codec)?;
            prop_assert_eq!(&by_hand.record()[..], bytes);
            prop_assert_eq!(codec.observation(bytes), Ok(by_hand));
            Ok(true)
        }
        (_, by_codec) => {
            prop_assert_eq!(codec.observation(bytes).err(), by_codec.err());
            Ok(false)
        }
    }
}

/// Whether an observation says all that a record has, field by field.
fn says(observation: &Observation, record: &PodObserved) -> Result<(), TestCaseError> {
    prop_assert_eq!(observation.uid(), &record.uid);
    prop_assert_eq!(observation.uid_text(), &*record.uid.text());
    prop_assert_eq!(observation.node(), record.node.as_str());
    prop_assert_eq!(observation.node_name(), record.node.clone());
    prop_assert_eq!(observation.session(), record.session.as_str());
    prop_assert_eq!(observation.session_id(), record.session.clone());
    prop_assert!(observation.is_by(&record.node) && observation.is_in(&record.session));
    prop_assert_eq!(observation.sequence(), record.sequence);
    prop_assert_eq!(observation.time_ms(), record.time_ms);
    prop_assert_eq!(observation.full_name(), (record.namespace.clone(), record.name.clone()));
    prop_assert_eq!(observation.phase(), record.phase);
    prop_assert_eq!(observation.is_ready(), record.ready);
    prop_assert_eq!(observation.reason(), record.reason.as_str());
    let details = observation.details();
    prop_assert_eq!(details.generation, record.generation);
    prop_assert_eq!(details.message, record.message.as_str());
    prop_assert_eq!(details.address, record.address.as_str());
    prop_assert_eq!(details.started_ms, record.started_ms);
    let containers: Vec<ContainerObserved> = details.containers.map(|c| c.whole()).collect();
    prop_assert_eq!(&containers, &record.containers);
    prop_assert_eq!(&observation.whole(), record);
    Ok(())
}

fn id<T: FromStr + Debug>(grammar: &str) -> impl Strategy<Value = T> {
    proptest::string::string_regex(grammar)
        .expect("a grammar")
        .prop_filter_map("it follows its grammar", |text| text.parse().ok())
}

fn end() -> impl Strategy<Value = ContainerEnd> {
    let numbers = (any::<i32>(), any::<i64>(), any::<i64>());
    (any::<[String; 3]>(), numbers).prop_map(|([id, reason, message], numbers)| {
        let (exit_code, started_ms, finished_ms) = numbers;
        ContainerEnd { id, exit_code, reason, message, started_ms, finished_ms }
    })
}

fn container() -> impl Strategy<Value = ContainerObserved> {
    use ContainerState::{Running, Terminated, Waiting};
    let texts = any::<[String; 5]>();
    let state = prop::sample::select(vec![Waiting, Running, Terminated]);
    let numbers = (any::<i32>(), any::<Option<i32>>(), any::<i64>(), any::<i64>());
    let last = prop::option::of(end());
    (texts, state, any::<[bool; 2]>(), numbers, last).prop_map(|parts| {
        let (texts, state, truths, numbers, last) = parts;
        let [name, id, image, reason, message] = texts;
        let (restarts, exit_code, started_ms, finished_ms) = numbers;
        let [ready, started] = truths;
        ContainerObserved {
            name,
            id,
            image,
            state,
            ready,
            restarts,
            exit_code,
            reason,
            message,
            started_ms,
            finished_ms,
            started,
            last,
        }
    })
}

fn record() -> impl Strategy<Value = PodObserved> {
    use PodPhase::{Failed, Gone, Pending, Running, Succeeded, Unknown};
    let ids = (
        prop_oneof![
            id("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
            id("[0-9a-zA-Z._-]{1,60}"),
        ],
        id("[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?){0,3}"),
        id("[a-zA-Z0-9._-]{1,253}"),
        id("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
        prop_oneof![id("[a-z0-9][a-z0-9.-]{0,80}"), id("[^\\s\\p{C}/%.]{1,60}")],
    );
    let numbers = (any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>());
    let phase = prop::sample::select(vec![Pending, Running, Succeeded, Failed, Unknown, Gone]);
    let containers = prop::collection::vec(container(), 0..4);
    (ids, numbers, (phase, any::<bool>()), any::<[String; 3]>(), containers).prop_map(
        |(ids, numbers, (phase, ready), texts, containers)| {
            let (uid, node, session, namespace, name) = ids;
            let (sequence, time_ms, generation, started_ms) = numbers;
            let [reason, message, address] = texts;
            PodObserved {
                uid,
                node,
                session,
                sequence,
                time_ms,
                namespace,
                name,
                generation,
                phase,
                ready,
                reason,
                message,
                address,
                started_ms,
                containers,
            }
        },
    )
}

/// A change of a record's bytes somewhere behind the header.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    Append(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    // Those at which something ends: numbers, symbols, texts that are none.
    let telling =
        prop::sample::select(vec![0, 1, 2, 3, 4, 10, 12, 0x2f, 0x7f, 0x80, 0x81, 0xc3, 0xff]);
    let byte = prop_oneof![telling, any::<u8>()].boxed();
    prop_oneof![
        4 => (any::<usize>(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (any::<usize>(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => any::<usize>().prop_map(Change::Remove),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..12).prop_map(Change::Append),
    ]
}

fn changed(mut bytes: Vec<u8>, change: &Change) -> Vec<u8> {
    let place = |at: usize| HEADER_BYTES + at % (bytes.len() - HEADER_BYTES).max(1);
    let is_whole = bytes.len() > HEADER_BYTES;
    match change {
        Change::Set(at, byte) if is_whole => {
            let at = place(*at);
            bytes[at] = *byte;
        }
        Change::Insert(at, byte) => {
            let at = place(*at).min(bytes.len());
            bytes.insert(at, *byte);
        }
        Change::Remove(at) if is_whole => {
            let at = place(*at);
            bytes.remove(at);
        }
        Change::Cut(at) => bytes.truncate(place(*at)),
        Change::Append(more) => bytes.extend(more),
        Change::Set(..) | Change::Remove(_) => {}
    }
    bytes
}

fn encoded(record: &PodObserved) -> Vec<u8> {
    Codec::single_object().encode(record).expect("encodes")
}

/// Zigzag, in so many bytes more than it needs.
fn long(value: i64, more: usize) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    for _ in 0..more {
        *bytes.last_mut().expect("a byte") |= 0x80;
        bytes.push(0);
    }
    bytes
}

proptest! {
    #[test]
    fn any_record_is_read_by_both(record in record()) {
        let bytes = encoded(&record);
        prop_assert!(agree(&bytes)?, "it was written by the codec");
        prop_assert_eq!(Observation::of(&record).whole(), record);
    }

    #[test]
    fn bytes_changed_anywhere_are_taken_or_refused_by_both(
        record in record(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        agree(&changes.iter().fold(encoded(&record), changed))?;
    }

    #[test]
    fn any_bytes_behind_the_header_are_taken_or_refused_by_both(
        datum in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        agree(&[&encoded(&samples::pod_observed())[..HEADER_BYTES], &datum].concat())?;
    }

    #[test]
    fn a_number_is_read_by_both_however_long_it_is_written(value in any::<i64>(), more in 0usize..11) {
        let bytes = encoded(&PodObserved { sequence: 77, ..samples::pod_observed() });
        let at = bytes.windows(2).position(|two| two == [0x9a, 0x01]).expect("its sequence");
        agree(&[&bytes[..at], &long(value, more), &bytes[at + 2..]].concat())?;
    }

    #[test]
    fn containers_are_read_by_both_in_whatever_blocks_they_stand(
        blocks in prop::collection::vec((-3i64..4, 0usize..3, any::<i64>()), 0..4),
        end in prop::option::of(0usize..3),
    ) {
        let record = samples::pod_observed();
        let none = encoded(&PodObserved { containers: Vec::new(), ..record.clone() });
        let one = encoded(&record);
        // Behind the count of one, and before the end of the list.
        let item = one[none.len()..one.len() - 1].to_vec();
        let mut bytes = none[..none.len() - 1].to_vec();
        for (count, more, size) in blocks {
            bytes.extend(long(count, more));
            if count < 0 {
                bytes.extend(long(size, 0));
            }
            (0..count.unsigned_abs()).for_each(|_| bytes.extend(&item));
        }
        bytes.extend(end.map(|more| long(0, more)).unwrap_or_default());
        agree(&bytes)?;
    }
}

#[test]
fn every_byte_of_a_record_may_be_any_other_and_every_end_its_end() {
    let mut record = samples::pod_observed();
    record.sequence = i64::MIN;
    let whole = encoded(&record);
    let mut taken = 0;
    for at in HEADER_BYTES..whole.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            taken += usize::from(agree(&bytes).expect("both agree"));
            bytes[at] = whole[at];
            bytes.insert(at, byte);
            agree(&bytes).expect("both agree");
        }
        assert!(!agree(&whole[..at]).expect("both agree"));
    }
    assert!(taken > whole.len(), "only {taken} of them were records");
    assert!(!agree(&[&whole[..], &[0]].concat()).expect("both agree"));
}

#[test]
fn a_list_longer_than_its_bytes_is_refused_by_both() {
    let none = encoded(&PodObserved { containers: Vec::new(), ..samples::pod_observed() });
    for count in [i64::MAX, i64::MIN, 1 << 40, -(1 << 40), 1] {
        let bytes = [&none[..none.len() - 1], &long(count, 0), &long(3, 0), &[0]].concat();
        assert!(!agree(&bytes).expect("both agree"), "{count}");
    }
}

#[test]
fn confluents_format_gives_the_same_observation() {
    let ids = SchemaIds::default();
    ids.insert(RecordKind::PodObserved, 7);
    ids.insert(RecordKind::Lease, 8);
    let codec = Codec::confluent(ids);
    let bytes = codec.encode(&samples::pod_observed()).expect("encodes");
    assert_eq!(bytes[..5], [0, 0, 0, 0, 7]);
    let observation = codec.observation(&bytes).expect("an observation");
    assert_eq!(observation, Observation::of(&samples::pod_observed()));
    let lease = codec.encode(&samples::lease()).expect("encodes");
    for other in [&lease[..], &bytes[..9], &[0, 0, 0, 0, 9, 1], &[]] {
        let refused = codec.decode::<PodObserved>(other).expect_err("is none");
        assert_eq!(codec.observation(other), Err(refused));
    }
}

#[test]
fn it_is_kept_as_its_bytes_and_is_small() {
    let observation = Observation::of(&samples::pod_observed());
    let json = serde_json::to_value(&observation).expect("writes");
    assert_eq!(json.as_array().map(Vec::len), Some(observation.record().len()));
    assert!(size_of::<Observation>() <= 96, "{} bytes", size_of::<Observation>());
}
