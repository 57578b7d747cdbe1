//! Records that nobody of ours wrote, on every topic, on both logs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{Appender, AppenderKind, Entry, Log};
use setpoint_ingest_embedded::EmbeddedLog;
use setpoint_ingest_kafka::KafkaLog;
use setpoint_ingest_kafka::testing::Kafka;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Position, REQUEST_BYTES_MAX, Topic, samples};

use super::{LEADS_WITHIN, still_works};
use crate::api::Api;
use crate::house::{House, alone, free_port};

/// The same records every time; none of them is valid by chance.
const SEED: u64 = 8417;
/// Records of random bytes a topic.
const RANDOM_RECORDS: usize = 40;
/// As large as the log takes nearly.
const LARGE_BYTES: usize = 3 << 20;
/// Large records on one topic: if an epoch took them all at once, memory would tell.
const LARGE_RECORDS: usize = 60;
/// What a Secret in clear held.
const IN_CLEAR: &str = "aHVudGVyMg==";
/// A busy machine sets some hundreds of records aside.
const SET_ASIDE_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn random_records_on_every_topic_of_the_embedded_log_are_set_aside() {
    let _alone = alone();
    let mut house = House::new(&[]);
    let bad = {
        let path = house.path.join("engine/log");
        std::fs::create_dir_all(&path).expect("a folder");
        let settings = setpoint_ingest_embedded::Settings::new(&path);
        let log = EmbeddedLog::open(&settings).expect("a log");
        append(&mut *log.appender(AppenderKind::Shared).expect("an appender"))
    };
    let port = free_port();
    let api = Api::new(port);
    house.start_engine("engine", port);
    house.start_agent("node-1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    house.leads(&api, LEADS_WITHIN).await;
    all_is_set_aside(&mut house, &api, &bad).await;
    still_works(&mut house, &api, "after-records").await;
    restarts(&mut house, &api, port).await;
    all_is_set_aside(&mut house, &api, &bad).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_records_on_every_topic_of_kafka_are_set_aside_while_the_engine_runs() {
    let _alone = alone();
    let Some(kafka) = Kafka::start() else { return };
    let servers = kafka.bootstrap_servers();
    let mut house = House::new(&[
        ("SETPOINT_LOG__KIND", "kafka"),
        ("SETPOINT_LOG__KAFKA__BOOTSTRAP_SERVERS", &servers),
    ]);
    let port = free_port();
    let api = Api::new(port);
    house.start_engine("engine", port);
    house.start_agent("node-1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    house.leads(&api, LEADS_WITHIN).await;
    let bad = {
        let log = KafkaLog::new(kafka.settings()).expect("a log");
        append(&mut *log.appender(AppenderKind::Shared).expect("an appender"))
    };
    all_is_set_aside(&mut house, &api, &bad).await;
    still_works(&mut house, &api, "after-records").await;
    restarts(&mut house, &api, port).await;
    all_is_set_aside(&mut house, &api, &bad).await;
}

/// What was appended that no engine can use, by position, with its topic.
type Bad = BTreeMap<String, Topic>;

/// Killed and started again, the engine reads all of it once more, the epochs among it.
async fn restarts(house: &mut House, api: &Api, port: u16) {
    house.kill("engine");
    house.start_engine("engine", port);
    house.leads(api, LEADS_WITHIN).await;
    still_works(house, api, "after-restart").await;
}

/// Every bad record of an input topic is a dead letter with a reason, and no dead letter or log line
/// holds the Secret.
async fn all_is_set_aside(house: &mut House, api: &Api, bad: &Bad) {
    let wanted: BTreeSet<String> = bad
        .iter()
        .filter(|(_, topic)| Topic::INPUTS.contains(topic))
        .map(|(position, _)| position.clone())
        .collect();
    let letters = house
        .until("every bad record is set aside", SET_ASIDE_WITHIN, async || {
            let letters = letters(api).await?;
            let found: BTreeSet<String> = letters.keys().cloned().collect();
            let missing: Vec<_> = wanted.difference(&found).take(5).collect();
            if missing.is_empty() { Ok(letters) } else { Err(format!("missing: {missing:?}")) }
        })
        .await;
    for (position, letter) in &letters {
        assert!(!letter["reason"].as_str().unwrap_or_default().is_empty(), "{position}: {letter}");
        assert!(bad.contains_key(position), "{position} was good: {letter}");
    }
    let reasons: BTreeSet<&str> =
        letters.values().filter_map(|letter| letter["reason"].as_str()).collect();
    for part in ["fingerprint 0123456789abcdef is unknown", "a Secret in clear", "1048576"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:?}");
    }
    let secrets = letters.values().filter(|l| l.to_string().contains("a Secret in clear"));
    for letter in secrets {
        assert_eq!(letter["value"], "", "{letter}");
    }
    let all = format!("{letters:?}") + &house.log_text("engine");
    assert!(!all.contains(IN_CLEAR), "a Secret's value got out");
}

/// The dead letters by the position of what they set aside.
async fn letters(api: &Api) -> Result<BTreeMap<String, Value>, String> {
    let records = api.log("setpoint.deadletter").await?;
    let letters = records.into_iter().map(|mut record| record["value"].take());
    let letters = letters.filter(|letter| letter["topic"].is_string());
    let position = |letter: &Value| {
        let topic = letter["topic"].as_str().unwrap_or_default();
        format!("{topic}/{}@{}", letter["partition"], letter["offset"])
    };
    Ok(letters.map(|letter| (position(&letter), letter)).collect())
}

/// Appends all kinds of bad records and says where they stand.
fn append(appender: &mut dyn Appender) -> Bad {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut bad = Bad::new();
    for topic in Topic::ALL {
        let mut entries = random_entries(topic, &mut random);
        entries.extend(unknown_schema(topic));
        entries.extend(truncated(topic));
        entries.push(entry(topic, b"large".to_vec(), Some(bytes(&mut random, LARGE_BYTES))));
        for entry in entries {
            put(appender, vec![entry], &mut bad);
        }
    }
    put(appender, vec![unsealed_secret(), too_large()], &mut bad);
    for _ in 0..LARGE_RECORDS {
        let large = bytes(&mut random, LARGE_BYTES);
        put(appender, vec![entry(Topic::Leases, b"large".to_vec(), Some(large))], &mut bad);
    }
    bad
}

fn put(appender: &mut dyn Appender, entries: Vec<Entry>, bad: &mut Bad) {
    let positions = appender.append(entries).expect("the log takes it");
    bad.extend(positions.into_iter().map(|at: Position| (at.to_string(), at.topic)));
}

fn random_entries(topic: Topic, random: &mut StdRng) -> Vec<Entry> {
    let mut entries = Vec::new();
    for _ in 0..RANDOM_RECORDS {
        let key = key(random);
        let length = random.random_range(0..2000);
        let mut value = bytes(random, length);
        // Confluent's mark, so that ids are met that no registry knows.
        if random.random_bool(0.1) && !value.is_empty() {
            value[0] = 0;
        }
        let tombstone = random.random_bool(0.1);
        entries.push(entry(topic, key, (!tombstone).then_some(value)));
    }
    entries
}

/// Bytes that are no text, so that no tombstone has a valid key by chance.
fn key(random: &mut StdRng) -> Vec<u8> {
    let length = random.random_range(0..50);
    let mut key = bytes(random, length);
    key.push(0xFF);
    key
}

fn unknown_schema(topic: Topic) -> Vec<Entry> {
    let mut value = vec![0xC3, 0x01];
    value.extend(0x0123_4567_89ab_cdef_u64.to_le_bytes());
    value.extend(b"a datum of a schema that nobody knows");
    vec![entry(topic, b"node-1".to_vec(), Some(value))]
}

/// Records of ours that broke off, of whatever kind, on this topic.
fn truncated(topic: Topic) -> Vec<Entry> {
    let writer = Writer::new(Codec::single_object(), "/setpoint/test");
    let whole = [
        writer.request(&samples::request()),
        writer.node(&samples::node()),
        writer.lease(&samples::lease()),
        writer.pod(&samples::pod_observed()),
        writer.epoch(&samples::epoch()),
        writer.decision(&samples::decision()),
    ];
    let broken = |whole: Entry| {
        let mut value = whole.value.expect("a value");
        value.truncate(value.len() - 3);
        entry(topic, whole.key, Some(value))
    };
    whole.into_iter().map(|whole| broken(whole.expect("encodes"))).collect()
}

fn unsealed_secret() -> Entry {
    let mut request = samples::request();
    request.items[0].api_version = "v1".to_owned();
    request.items[0].kind = "Secret".to_owned();
    request.items[0].body = format!(r#"{{"data":{{"password":"{IN_CLEAR}"}}}}"#);
    Writer::new(Codec::single_object(), "/setpoint/test").request(&request).expect("encodes")
}

fn too_large() -> Entry {
    let mut request = samples::request();
    request.items[0].body = "x".repeat(REQUEST_BYTES_MAX);
    Writer::new(Codec::single_object(), "/setpoint/test").request(&request).expect("encodes")
}

fn entry(topic: Topic, key: Vec<u8>, value: Option<Vec<u8>>) -> Entry {
    let headers = vec![("ce_type".to_owned(), vec![0xFF, 0x00])];
    Entry { topic, partition_key: key.clone(), key, value, headers }
}

fn bytes(random: &mut StdRng, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    random.fill(&mut bytes[..]);
    bytes
}
