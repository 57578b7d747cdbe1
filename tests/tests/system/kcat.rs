//! The log as kcat reads it, a client that no one here wrote: every record's key, headers and value
//! are what our own writer makes of the decoded record, and topics forget as the table says.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
use setpoint_ingest::Entry;
use setpoint_ingest::entry::Writer;
use setpoint_schemas::avro::{Codec, DecodeError, RecordKind};
use setpoint_schemas::{Cleanup, Topic};

use crate::api::deployment;
use crate::fleet;
use crate::house::{alone, is_present};
use crate::kafka_house::KafkaHouse;

/// A record as kcat prints it.
struct Printed {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    headers: String,
}

/// A usage sample comes after fifteen seconds.
const SAMPLED_WITHIN: Duration = Duration::from_secs(40);
const GARBAGE: &[u8] = b"not a record";
/// The archive's bound (DESIGN: compacted topics keep at least a day of history).
const DAY_MS: u64 = 24 * 3_600_000;
const HOUR_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn kcat_reads_every_topic_and_topics_forget_as_they_should() {
    let _alone = alone();
    if !is_present("kcat") {
        return;
    }
    let Some(mut fleet) = KafkaHouse::start(&["engine"]) else { return };
    fleet.leader().await;
    let (servers, api) = (fleet.kafka.bootstrap_servers(), fleet.engines[0].api.clone());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"},
        "stringData": {"password": "swordfish"},
    });
    api.apply(&[deployment("web", 2), secret]).await.expect("it is applied");
    produce(&servers, Topic::Requests, GARBAGE);
    fleet::converged(&mut fleet.house, &api).await;
    api.apply(&[deployment("web", 1)]).await.expect("it is applied");
    fleet::converged(&mut fleet.house, &api).await;
    fleet
        .house
        .until("usage is told, the garbage set aside", SAMPLED_WITHIN, async || {
            let there = |topic| !consume(&servers, topic).is_empty();
            let all = there(Topic::Telemetry) && there(Topic::DeadLetter);
            if all { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;

    let mut kinds: BTreeMap<RecordKind, usize> = BTreeMap::new();
    let mut garbage = 0;
    for topic in Topic::ALL {
        for printed in consume(&servers, topic) {
            assert!(!contains(&printed, b"swordfish"), "a Secret in clear in {topic}");
            match kind_of(topic, &printed) {
                Some(kind) => *kinds.entry(kind).or_default() += 1,
                None => garbage += 1,
            }
        }
    }
    assert_eq!(garbage, 1, "the one record that we did not write");
    let expected: Vec<_> = RecordKind::ALL.iter().filter(|k| **k != RecordKind::Alert).collect();
    assert_eq!(kinds.keys().collect::<Vec<_>>(), expected, "every kind of record was seen");
    assert_eq!(cleanup_of_all(&servers).await, cleanup_of_the_table());
    topics_are_those_of_the_table(&servers);
}

/// Which record it is, after making it anew; `None` for the garbage.
///
/// # Panics
/// When kcat shows another key, other headers or another value than our writer makes.
fn kind_of(topic: Topic, printed: &Printed) -> Option<RecordKind> {
    let codec = Codec::single_object();
    let Some(value) = &printed.value else {
        assert!(topic.cleanup() == Cleanup::Compact && !printed.key.is_empty(), "{topic}");
        return Some(RecordKind::ALL.iter().copied().find(|k| k.topic() == topic).expect("one"));
    };
    let kind = match codec.kind_of(value) {
        Ok(kind) => kind,
        Err(error) => {
            assert_eq!(value, GARBAGE, "{topic}: {error}");
            return None;
        }
    };
    assert_eq!(kind.topic(), topic);
    let headers = printed.headers.split(',').filter_map(|header| header.split_once('='));
    let headers: BTreeMap<&str, &str> = headers.collect();
    let writer = Writer::new(codec.clone(), headers["ce_source"]);
    let entry = made_anew(&codec, &writer, kind, value).expect("it decodes");
    assert_eq!(entry.key, printed.key, "{topic}");
    assert_eq!(entry.value.as_ref(), Some(value), "{topic}");
    assert_eq!(shown(&entry), printed.headers, "{topic}");
    Some(kind)
}

fn made_anew(
    codec: &Codec,
    writer: &Writer,
    kind: RecordKind,
    value: &[u8],
) -> Result<Entry, DecodeError> {
    let entry = match kind {
        RecordKind::Request => writer.request(&codec.decode(value)?),
        RecordKind::Node => writer.node(&codec.decode(value)?),
        RecordKind::Lease => writer.lease(&codec.decode(value)?),
        RecordKind::PodObserved => writer.pod(&codec.decode(value)?),
        RecordKind::NodeSnapshot => writer.snapshot(&codec.decode(value)?),
        RecordKind::Desired => writer.desired(&codec.decode(value)?),
        RecordKind::Placement => writer.placement(&codec.decode(value)?),
        RecordKind::Epoch => writer.epoch(&codec.decode(value)?),
        RecordKind::Decision => writer.decision(&codec.decode(value)?),
        RecordKind::UsageSample => writer.usage(&codec.decode(value)?),
        RecordKind::Alert => writer.alert(&codec.decode(value)?),
        RecordKind::DeadLetter => writer.dead_letter(&codec.decode(value)?),
    };
    Ok(entry.expect("it encodes"))
}

/// Headers as kcat prints them.
fn shown(entry: &Entry) -> String {
    let text =
        |(name, value): &(String, Vec<u8>)| format!("{name}={}", String::from_utf8_lossy(value));
    entry.headers.iter().map(text).collect::<Vec<_>>().join(",")
}

fn contains(printed: &Printed, needle: &[u8]) -> bool {
    let value = printed.value.as_deref().unwrap_or_default();
    value.windows(needle.len()).any(|window| window == needle)
}

/// All records of a topic, by kcat.
fn consume(servers: &str, topic: Topic) -> Vec<Printed> {
    let answer = Command::new("kcat")
        .args(["-C", "-q", "-e", "-b", servers, "-t", topic.name(), "-o", "beginning"])
        .args(["-f", "%K %S %h\n%k%s\n"])
        .stdin(Stdio::null())
        .output()
        .expect("kcat starts");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let (mut rest, mut records) = (answer.stdout.as_slice(), Vec::new());
    while !rest.is_empty() {
        let line = take(&mut rest, |bytes| bytes.iter().position(|b| *b == b'\n').expect("a line"));
        let line = String::from_utf8(line).expect("text");
        let mut words = line.splitn(3, ' ');
        let mut length =
            || words.next().and_then(|word| word.parse::<i64>().ok()).expect("a length");
        let (key, value) = (length(), length());
        let headers = words.next().unwrap_or_default().to_owned();
        rest = &rest[1..];
        let bytes = |length| usize::try_from(length).unwrap_or(0);
        let key = take(&mut rest, |_| bytes(key));
        let payload = take(&mut rest, |_| bytes(value));
        rest = &rest[1..];
        records.push(Printed { key, value: (value >= 0).then_some(payload), headers });
    }
    records
}

fn take(rest: &mut &[u8], length: impl FnOnce(&[u8]) -> usize) -> Vec<u8> {
    let (taken, left) = rest.split_at(length(rest));
    *rest = left;
    taken.to_vec()
}

/// Appends bytes as they are, by kcat.
fn produce(servers: &str, topic: Topic, bytes: &[u8]) {
    let mut kcat = Command::new("kcat")
        .args(["-P", "-b", servers, "-t", topic.name(), "-p", "0"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("kcat starts");
    kcat.stdin.take().expect("its input").write_all(bytes).expect("it reads");
    assert!(kcat.wait().expect("it ends").success());
}

/// The names and the numbers of partitions, as kcat lists them.
fn topics_are_those_of_the_table(servers: &str) {
    let answer = Command::new("kcat").args(["-L", "-J", "-b", servers]).output();
    let listed: Value = serde_json::from_slice(&answer.expect("kcat starts").stdout).expect("JSON");
    let topics = listed["topics"].as_array().cloned().unwrap_or_default();
    let name = |topic: &Value| topic["topic"].as_str().unwrap_or_default().to_owned();
    let mut names: Vec<String> = topics.iter().map(name).collect();
    names.retain(|name| !name.starts_with("__"));
    names.sort();
    let mut expected = Topic::ALL.map(|topic| topic.name().to_owned()).to_vec();
    expected.sort();
    assert_eq!(names, expected);
}

/// What the brokers say of each topic: policy, retention or compaction lag.
async fn cleanup_of_all(servers: &str) -> Vec<String> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", servers).create().expect("a client");
    let topics = Topic::ALL.map(|topic| ResourceSpecifier::Topic(topic.name()));
    let described = admin.describe_configs(&topics, &AdminOptions::new()).await.expect("configs");
    let mut all = Vec::new();
    for (topic, config) in Topic::ALL.iter().zip(described) {
        let config = config.expect("its config");
        let get = |name: &str| config.get(name).and_then(|entry| entry.value.clone());
        let policy = get("cleanup.policy").unwrap_or_default();
        let bound = if policy == "compact" { "min.compaction.lag.ms" } else { "retention.ms" };
        all.push(format!("{topic} {policy} {bound}={}", get(bound).unwrap_or_default()));
    }
    all
}

fn cleanup_of_the_table() -> Vec<String> {
    let row = |topic: Topic| match topic.cleanup() {
        Cleanup::Compact => format!("{topic} compact min.compaction.lag.ms={DAY_MS}"),
        Cleanup::Hours(hours) => {
            format!("{topic} delete retention.ms={}", u64::from(hours) * HOUR_MS)
        }
    };
    Topic::ALL.map(row).to_vec()
}
