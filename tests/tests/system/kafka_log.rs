//! The log as it stands on Kafka, read past our own code: committed records, and what they prove.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use setpoint_schemas::avro::{Codec, Record};
use setpoint_schemas::{Decision, EpochRecord, Placement, Topic};

/// Reading a topic on a busy machine.
const READ_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Checks what the leaders wrote: every epoch once, terms that never fall in any topic, all
/// decisions of each epoch once, and no pod on two nodes.
///
/// # Panics
/// When it is otherwise.
pub(crate) fn audit(servers: &str) {
    let epochs: Vec<EpochRecord> = committed(servers, Topic::Epochs);
    for pair in epochs.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(after.number, before.number + 1, "{before:?}\n{after:?}");
        assert!(after.term >= before.term, "the term falls: {before:?}\n{after:?}");
    }
    let terms: BTreeMap<i64, i64> = epochs.iter().map(|e| (e.number, e.term)).collect();
    let decisions: Vec<Decision> = committed(servers, Topic::Decisions);
    never_fall("setpoint.decisions", decisions.iter().map(|d| (d.term, d.epoch)));
    let placements: Vec<Placement> = committed(servers, Topic::Placements);
    never_fall("setpoint.placements", placements.iter().map(|p| (p.term, p.epoch)));
    let mut nodes = BTreeMap::new();
    for placement in &placements {
        let node = nodes.entry(&placement.uid).or_insert(&placement.node);
        assert_eq!(*node, &placement.node, "pod {} has two nodes", placement.uid);
    }
    for (term, epoch) in decisions.iter().map(|d| (d.term, d.epoch)) {
        assert_eq!(terms.get(&epoch), Some(&term), "epoch {epoch} has decisions of term {term}");
    }
    let mut sequences: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
    decisions.iter().for_each(|d| sequences.entry(d.epoch).or_default().push(d.sequence));
    for epoch in &epochs {
        let written = sequences.remove(&epoch.number).unwrap_or_default();
        let counted: Vec<i32> = (0..epoch.decisions).collect();
        assert_eq!(written, counted, "the decisions of epoch {}", epoch.number);
    }
    let reigns: BTreeSet<i64> = terms.values().copied().collect();
    let (epochs, decisions) = (epochs.len(), decisions.len());
    println!("{epochs} epochs, {decisions} decisions, {} reigns on Kafka", reigns.len());
}

/// Begins a transaction as a leader does, appends to the epochs, and never ends it.
pub(crate) fn leave_open(servers: &str, transactional_id: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("transactional.id", transactional_id)
        .create()
        .expect("a producer");
    producer.init_transactions(ANSWER_WAIT).expect("it fences the leader");
    producer.begin_transaction().expect("it begins");
    let record = BaseRecord::<[u8], [u8]>::to(Topic::Epochs.name()).payload(b"half an append");
    producer.send(record).map_err(|(error, _)| error).expect("it is sent");
    producer.flush(ANSWER_WAIT).expect("it is on the log");
}

/// The committed records of a topic, decoded, in order; tombstones left out.
fn committed<R: Record>(servers: &str, topic: Topic) -> Vec<R> {
    let codec = Codec::single_object();
    let decode = |bytes: Vec<u8>| codec.decode(&bytes).expect("a record of ours");
    values(servers, topic).into_iter().map(decode).collect()
}

/// The values of a topic of one partition, read to its end.
fn values(servers: &str, topic: Topic) -> Vec<Vec<u8>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "system-test")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(topic.name(), 0, Offset::Beginning).expect("a partition");
    consumer.assign(&all).expect("it is assigned");
    let ends = consumer.fetch_watermarks(topic.name(), 0, ANSWER_WAIT).expect("its ends");
    let (began, mut values) = (Instant::now(), Vec::new());
    while position(&consumer, topic) < ends.1 {
        assert!(began.elapsed() < READ_WITHIN, "{topic} is not read to {}", ends.1);
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
            values.extend(message.payload().map(<[u8]>::to_vec));
        }
    }
    values
}

/// The next offset to be read; 0 before the first.
fn position(consumer: &BaseConsumer, topic: Topic) -> i64 {
    let positions = consumer.position().expect("positions");
    let here = positions.find_partition(topic.name(), 0).map(|partition| partition.offset());
    if let Some(Offset::Offset(next)) = here { next } else { 0 }
}

fn never_fall(topic: &str, marks: impl Iterator<Item = (i64, i64)>) {
    let mut last = (0, 0);
    for mark in marks {
        assert!(mark >= last, "{topic}: (term, epoch) {mark:?} stands behind {last:?}");
        last = mark;
    }
}
