//! Decoding at the door: a record of an input topic becomes an input of the engine, or a dead
//! letter with its reason.
//!
//! Guarantee: deciding is a function of the record alone, so that a replay meets the same inputs
//! and the same dead letters; with a schema registry, of the record and of what that one answered,
//! which is why an epoch names what was refused. The bytes of a Secret in clear are never kept.

use std::sync::Arc;

use setpoint_schemas::avro::{Codec, DecodeError, Record, RecordKind};
use setpoint_schemas::{
    DeadLetter, Input, Lease, NodeName, NodeRecord, NodeSnapshot, Observation, PodUid,
    REQUEST_BYTES_MAX, Request, Sourced, Topic, cut,
};

use crate::bounds::{LETTER_KEPT_BYTES_MAX, LETTER_REASON_BYTES_MAX};
use crate::entry::{SNAPSHOT_PREFIX, snapshot_key};
use crate::{RecordView, SchemaSource, Unanswered, secret};

/// Decodes the records of the input topics.
#[derive(Clone, Default)]
pub struct Decoder {
    codec: Codec,
    source: Option<Arc<dyn SchemaSource>>,
}

impl Decoder {
    /// A decoder of what this codec reads.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Decoder { codec, source: None }
    }

    /// The same; ids that the codec does not know are asked for, and learned by all its clones.
    #[must_use]
    pub fn with_source(codec: Codec, source: Option<Arc<dyn SchemaSource>>) -> Self {
        Decoder { codec, source }
    }

    /// Learns the schema of a record where it is not known yet. Afterwards [`Decoder::decode`] is
    /// a function of the record alone.
    ///
    /// # Errors
    /// [`Unanswered`] when the source that could know it does not answer.
    pub fn prepare<'r>(&self, record: impl Into<RecordView<'r>>) -> Result<(), Unanswered> {
        self.learn(record.into())
    }

    fn learn(&self, record: RecordView<'_>) -> Result<(), Unanswered> {
        let (Some(ids), Some(source)) = (self.codec.ids(), &self.source) else { return Ok(()) };
        let value = record.value.unwrap_or_default();
        if !Topic::INPUTS.contains(&record.position.topic) {
            return Ok(());
        }
        if let Err(DecodeError::UnknownSchemaId { id }) = self.codec.kind_of(value)
            && let Some(schema) = source.schema_of(id)?
        {
            // What is no schema stays unknown, and the record is refused as that.
            let _ = ids.learn(id, &schema);
        }
        Ok(())
    }

    /// The input that a record is; `None` when it says nothing to the engine (a topic that is not
    /// an input, the tombstone of a snapshot).
    ///
    /// # Errors
    /// The [`DeadLetter`] to append when the record cannot be used. Its time is the record's own.
    pub fn decode<'r>(
        &self,
        record: impl Into<RecordView<'r>>,
    ) -> Result<Option<Sourced>, Box<DeadLetter>> {
        let record = record.into();
        let prepared = self.learn(record).map_err(|unanswered| {
            Refusal::withheld(record, format!("its schema is not known: {unanswered}"))
        });
        match prepared.and_then(|()| self.input_of(record)) {
            Ok(input) => Ok(input.map(|input| Sourced { position: record.position, input })),
            Err(refusal) => Err(Box::new(dead_letter(record, refusal))),
        }
    }

    fn input_of(&self, record: RecordView<'_>) -> Result<Option<Input>, Refusal> {
        let topic = record.position.topic;
        match (topic, record.value) {
            (Topic::Requests, Some(value)) => self.request(record, value).map(Some),
            (Topic::Nodes, Some(value)) => {
                let node: NodeRecord =
                    self.keyed(record, value, |n: &NodeRecord| n.node.to_string())?;
                node.check().map_err(|error| Refusal::keep(error.to_string()))?;
                Ok(Some(Input::Node(Box::new(node))))
            }
            (Topic::Leases, Some(value)) => self
                .keyed(record, value, |l: &Lease| l.node.to_string())
                .map(Input::Lease)
                .map(Some),
            (Topic::Pods, Some(value)) => self.pods(record, value).map(Some),
            (Topic::Nodes, None) => {
                Ok(Some(Input::NodeRemoved(parsed(record.key, NodeName::parse)?)))
            }
            (Topic::Pods, None) if record.key.starts_with(SNAPSHOT_PREFIX.as_bytes()) => Ok(None),
            (Topic::Pods, None) => Ok(Some(Input::PodRemoved(parsed(record.key, PodUid::parse)?))),
            (Topic::Requests | Topic::Leases, None) => {
                Err(Refusal::keep(format!("a tombstone means nothing in {topic}")))
            }
            _ => Ok(None),
        }
    }

    fn request(&self, record: RecordView<'_>, value: &[u8]) -> Result<Input, Refusal> {
        let withheld = |mut refusal: Refusal| {
            refusal.withhold |= secret::may_hold_secret(value);
            refusal
        };
        if value.len() > REQUEST_BYTES_MAX {
            let bytes = value.len();
            let reason = format!("a request of {bytes} bytes, more than {REQUEST_BYTES_MAX}");
            return Err(withheld(Refusal::keep(reason)));
        }
        let request: Request =
            self.keyed(record, value, |r: &Request| r.id.to_string()).map_err(withheld)?;
        match secret::unsealed(&request) {
            None => Ok(Input::Request(Box::new(request))),
            Some(place) => Err(Refusal {
                reason: format!("a Secret in clear, its bytes are not kept; {place}"),
                withhold: true,
            }),
        }
    }

    /// Two records share this topic; their fingerprints tell them apart.
    fn pods(&self, record: RecordView<'_>, value: &[u8]) -> Result<Input, Refusal> {
        if let Some(pod) = Observation::read(value) {
            return observed(record, pod);
        }
        let refused = |error: DecodeError| Refusal::keep(error.to_string());
        match self.codec.kind_of(value).map_err(refused)? {
            RecordKind::NodeSnapshot => self
                .keyed(record, value, |s: &NodeSnapshot| snapshot_key(&s.node))
                .map(|snapshot| Input::Snapshot(Box::new(snapshot))),
            _ => observed(record, self.codec.observation(value).map_err(refused)?),
        }
    }

    /// Decodes a value and holds it to its key.
    fn keyed<R: Record>(
        &self,
        record: RecordView<'_>,
        value: &[u8],
        key_of: impl Fn(&R) -> String,
    ) -> Result<R, Refusal> {
        let decoded: R =
            self.codec.decode(value).map_err(|error| Refusal::keep(error.to_string()))?;
        let key = key_of(&decoded);
        if record.key == key.as_bytes() {
            return Ok(decoded);
        }
        Err(Refusal::keyed(record, &key))
    }
}

/// Holds an observation to its key.
fn observed(record: RecordView<'_>, pod: Observation) -> Result<Input, Refusal> {
    if record.key == pod.uid_text().as_bytes() {
        return Ok(Input::Pod(pod));
    }
    Err(Refusal::keyed(record, pod.uid_text()))
}

/// Why a record cannot be used, and whether its bytes must not be kept.
struct Refusal {
    reason: String,
    withhold: bool,
}

impl Refusal {
    fn keep(reason: String) -> Self {
        Refusal { reason, withhold: false }
    }

    /// Its value is of another key.
    fn keyed(record: RecordView<'_>, key: &str) -> Self {
        let found = shown(record.key);
        Refusal::keep(format!("its key is {found:?} and its value is of {key:?}"))
    }

    /// Without the bytes where they may hold a Secret.
    fn withheld(record: RecordView<'_>, reason: String) -> Self {
        let value = record.value.unwrap_or_default();
        let requests = record.position.topic == Topic::Requests;
        Refusal { reason, withhold: requests && secret::may_hold_secret(value) }
    }
}

/// Within the bound of its record, whatever the refused one is: some writers are not ours.
fn dead_letter(record: RecordView<'_>, mut refusal: Refusal) -> DeadLetter {
    let bytes = record.bytes();
    let fits = bytes <= LETTER_KEPT_BYTES_MAX;
    if !fits {
        refusal.reason = format!("{bytes} bytes, which are not kept; {}", refusal.reason);
    }
    let value = match record.value {
        Some(value) if fits && !refusal.withhold => value.to_vec(),
        _ => Vec::new(),
    };
    let key = if fits { record.key.to_vec() } else { Vec::new() };
    DeadLetter {
        topic: record.position.topic.name().to_owned(),
        partition: record.position.partition,
        offset: record.position.offset,
        time_ms: record.timestamp_ms,
        reason: cut(refusal.reason, LETTER_REASON_BYTES_MAX),
        key,
        value,
    }
}

fn parsed<T>(
    key: &[u8],
    parse: impl Fn(&str) -> Result<T, setpoint_schemas::InvalidId>,
) -> Result<T, Refusal> {
    let text = std::str::from_utf8(key)
        .map_err(|_| Refusal::keep(format!("its key is not text: {:?}", shown(key))))?;
    parse(text).map_err(|error| Refusal::keep(format!("its key is an {error}")))
}

/// A key as a line of text, shortened.
fn shown(key: &[u8]) -> String {
    /// A line: the whole key stands in the dead letter.
    const KEY_CHARS_MAX: usize = 80;
    String::from_utf8_lossy(key).chars().take(KEY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::avro::SchemaIds;
    use setpoint_schemas::{Position, samples};

    use super::*;
    use crate::entry::{self, Writer};
    use crate::{Entry, LogRecord};

    fn writer() -> Writer {
        Writer::new(Codec::single_object(), "/setpoint/test")
    }

    fn on_log(entry: Entry) -> LogRecord {
        LogRecord {
            position: Position { topic: entry.topic, partition: 1, offset: 7 },
            key: entry.key,
            value: entry.value,
            headers: entry.headers,
            timestamp_ms: 99,
        }
    }

    fn decoded(entry: Entry) -> Option<Input> {
        let sourced = Decoder::default().decode(&on_log(entry)).expect("decodes")?;
        assert_eq!((sourced.position.partition, sourced.position.offset), (1, 7));
        Some(sourced.input)
    }

    fn refused(entry: Entry) -> DeadLetter {
        *Decoder::default().decode(&on_log(entry)).expect_err("is refused")
    }

    #[test]
    fn every_input_comes_through_the_door() {
        let w = writer();
        let node = samples::node().node;
        let uid = samples::pod_observed().uid;
        let cases = [
            (w.request(&samples::request()), Input::Request(Box::new(samples::request()))),
            (w.node(&samples::node()), Input::Node(Box::new(samples::node()))),
            (w.lease(&samples::lease()), Input::Lease(samples::lease())),
            (w.pod(&samples::pod_observed()), Input::Pod(samples::pod_observed().into())),
            (
                w.snapshot(&samples::node_snapshot()),
                Input::Snapshot(Box::new(samples::node_snapshot())),
            ),
            (Ok(entry::node_removed(&node)), Input::NodeRemoved(node.clone())),
            (Ok(entry::pod_removed(&uid, &node)), Input::PodRemoved(uid.clone())),
        ];
        for (entry, input) in cases {
            assert_eq!(decoded(entry.expect("encodes")), Some(input));
        }
    }

    #[test]
    fn what_says_nothing_to_the_engine_is_passed_over() {
        let w = writer();
        assert_eq!(decoded(w.decision(&samples::decision()).expect("encodes")), None);
        let mut snapshot = w.snapshot(&samples::node_snapshot()).expect("encodes");
        snapshot.value = None;
        assert_eq!(decoded(snapshot), None);
    }

    #[test]
    fn a_dead_letter_keeps_position_reason_and_bytes() {
        let mut entry = writer().lease(&samples::lease()).expect("encodes");
        entry.value = Some(vec![1, 2, 3]);
        let letter = refused(entry);
        assert_eq!(
            (letter.topic.as_str(), letter.partition, letter.offset),
            ("setpoint.leases", 1, 7)
        );
        assert_eq!(letter.time_ms, 99);
        assert_eq!(letter.value, [1, 2, 3]);
        assert!(letter.reason.starts_with("it begins with byte 0x01"), "{}", letter.reason);
    }

    #[test]
    fn a_dead_letter_fits_into_its_record_whatever_the_refused_one_is() {
        let mut entry = writer().node(&samples::node()).expect("encodes");
        entry.value = Some(vec![7; LETTER_KEPT_BYTES_MAX]);
        entry.key = vec![b'k'; 80];
        let letter = refused(entry.clone());
        assert!(letter.value.is_empty() && letter.key.is_empty(), "{} bytes", letter.value.len());
        assert!(letter.reason.contains("which are not kept"), "{}", letter.reason);
        entry.value = Some(vec![7; LETTER_KEPT_BYTES_MAX - 80]);
        let letter = refused(entry);
        let entry = writer().dead_letter(&letter).expect("encodes");
        let headers: usize = entry.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
        let bytes = entry.key.len() + headers + entry.value.map_or(0, |value| value.len());
        assert!(bytes <= crate::record_bytes_max(Topic::DeadLetter), "{bytes}");
    }

    #[test]
    fn a_key_that_does_not_agree_with_its_value_is_refused() {
        let mut entry = writer().pod(&samples::pod_observed()).expect("encodes");
        entry.key = b"other".to_vec();
        assert_eq!(
            refused(entry).reason,
            "its key is \"other\" and its value is of \"web-7d9f-0-1\""
        );
    }

    #[test]
    fn a_node_of_amounts_that_cannot_be_true_is_refused() {
        for (amount, is_true) in [(-1, false), (0, true), (1 << 46, true), (i64::MAX, false)] {
            let mut node = samples::node();
            node.allocatable.memory_bytes = amount;
            let record = on_log(writer().node(&node).expect("encodes"));
            let decoded = Decoder::default().decode(&record);
            assert_eq!(decoded.is_ok(), is_true, "{amount}");
            if let Err(letter) = decoded {
                assert!(letter.reason.starts_with("its allocatable memory is "), "{letter:?}");
            }
        }
    }

    #[test]
    fn broken_tombstones_are_refused() {
        let node = samples::node().node;
        let mut bad = entry::node_removed(&node);
        bad.key = b"-a".to_vec();
        assert!(refused(bad.clone()).reason.contains("invalid node name"));
        bad.key = vec![0xFF];
        assert!(refused(bad).reason.contains("not text"));
        let mut lease = writer().lease(&samples::lease()).expect("encodes");
        lease.value = None;
        assert_eq!(refused(lease).reason, "a tombstone means nothing in setpoint.leases");
    }

    #[test]
    fn a_secret_in_clear_is_dead_lettered_without_its_bytes() {
        let mut request = samples::request();
        request.items[0].api_version = "v1".to_owned();
        request.items[0].kind = "Secret".to_owned();
        request.items[0].body = r#"{"data":{"password":"aHVudGVyMg=="}}"#.to_owned();
        let whole = writer().request(&request).expect("encodes");
        let letter = refused(whole.clone());
        assert!(letter.reason.contains("data.password"), "{}", letter.reason);
        assert!(letter.value.is_empty());
        assert!(!letter.reason.contains("aHVudGVyMg"));

        let mut cut = whole;
        let value = cut.value.as_mut().expect("value");
        value.truncate(value.len() - 10);
        let letter = refused(cut);
        assert!(letter.reason.contains("does not decode"), "{}", letter.reason);
        assert!(letter.value.is_empty(), "an undecodable request that names a Secret");
    }

    #[test]
    fn a_request_over_the_bound_is_refused_with_the_bound_named() {
        let mut request = samples::request();
        request.items[0].body = "x".repeat(REQUEST_BYTES_MAX);
        let letter = refused(writer().request(&request).expect("encodes"));
        assert!(letter.reason.ends_with("more than 1048576"), "{}", letter.reason);
    }

    /// Knows one id, and does not answer about another.
    struct OneSchema(std::sync::atomic::AtomicUsize);

    impl SchemaSource for OneSchema {
        fn schema_of(&self, id: u32) -> Result<Option<String>, Unanswered> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match id {
                7 => Ok(Some(RecordKind::Lease.schema_json().to_owned())),
                8 => Err(Unanswered { why: "the network is gone".to_owned() }),
                _ => Ok(None),
            }
        }
    }

    #[test]
    fn an_unknown_schema_id_is_asked_for_once_and_one_that_stays_unknown_is_refused() {
        let codec = Codec::confluent(SchemaIds::default());
        let source = Arc::new(OneSchema(0.into()));
        let decoder = Decoder::with_source(codec, Some(source.clone()));
        let record = |id: u8| {
            let mut lease = on_log(writer().lease(&samples::lease()).expect("encodes"));
            let datum = lease.value.as_deref().expect("a value")[10..].to_vec();
            lease.value = Some([&[0, 0, 0, 0, id], &datum[..]].concat());
            lease
        };
        for _ in 0..3 {
            let input = decoder.decode(&record(7)).expect("decodes").expect("an input").input;
            assert_eq!(input, Input::Lease(samples::lease()));
        }
        assert_eq!(source.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        let reason = |id| decoder.decode(&record(id)).expect_err("is refused").reason;
        assert_eq!(reason(9), "its schema id 9 is unknown");
        assert_eq!(reason(8), "its schema is not known: the network is gone");
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_on_every_topic_never_panic(
            key in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
            value in proptest::option::of(proptest::collection::vec(proptest::num::u8::ANY, 0..200)),
            topic in 0..Topic::ALL.len(),
        ) {
            let topic = Topic::ALL[topic];
            let position = Position { topic, partition: 0, offset: 0 };
            let record = LogRecord { position, key, value, headers: Vec::new(), timestamp_ms: 0 };
            let _ = Decoder::default().decode(&record);
        }
    }
}
