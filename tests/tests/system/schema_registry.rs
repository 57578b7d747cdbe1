//! The engine with a schema registry: what it writes carries the registry's ids, and the registry
//! may go away once it has been asked.
//!
//! The registry is the client crate's own, over HTTP: none of others is to be had as a package.

use std::time::Duration;

use serde_json::Value;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppenderKind, Entry, Log, read_all};
use setpoint_ingest_kafka::KafkaLog;
use setpoint_ingest_kafka::testing::Kafka;
use setpoint_ingest_registry::testing::{Options, TestRegistry};
use setpoint_schemas::avro::{Codec, RecordKind, SchemaIds};
use setpoint_schemas::{Cut, Lease, NodeName, Topic, samples};

use crate::api::{Api, deployment};
use crate::house::{House, alone, free_port};

const LEADS_WITHIN: Duration = Duration::from_secs(40);
const CONVERGES_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// An id that no schema of ours has.
const UNKNOWN: u32 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn records_carry_the_registrys_ids_and_a_replay_follows_what_was_decided() {
    let _alone = alone();
    let Some(kafka) = Kafka::start() else { return };
    let credentials = ("ada".to_owned(), "hunter2-hunter2".to_owned());
    let options = || Options { credentials: Some(credentials.clone()), ..Options::default() };
    let registry = TestRegistry::start(options());
    let servers = kafka.bootstrap_servers();
    let mut house = House::new(&[
        ("SETPOINT_LOG__KIND", "kafka"),
        ("SETPOINT_LOG__KAFKA__BOOTSTRAP_SERVERS", &servers),
        ("SETPOINT_LOG__SCHEMA_REGISTRY__USERNAME", "ada"),
        ("SETPOINT_LOG__SCHEMA_REGISTRY__PASSWORD", "hunter2-hunter2"),
        // So that a restart steps every epoch again.
        ("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "600000"),
    ]);
    let port = free_port();
    let api = Api::new(port);
    let url = registry.url();
    house.start_engine_with("engine", port, &[("SETPOINT_LOG__SCHEMA_REGISTRY__URL", &url)]);
    house.start_agent("node-1", &api.base, &[("SETPOINT_AGENT__RUNTIME", "process")]);
    house.leads(&api, LEADS_WITHIN).await;
    runs(&mut house, &api, "web").await;
    let log = KafkaLog::new(kafka.settings()).expect("a log");
    all_are_framed(&log, &registry);

    // The registry falls silent: what is known goes on, what is not is set aside in bounded time.
    registry.hang(true);
    runs(&mut house, &api, "without-registry").await;
    append(&log, "ghost-1");
    let reason = letter(&mut house, &api, 1).await;
    assert!(reason.contains("schema registry"), "{reason}");
    runs(&mut house, &api, "after-unknown").await;
    house.kill("engine");
    house.start_engine_with("engine", port, &[("SETPOINT_LOG__SCHEMA_REGISTRY__URL", &url)]);
    let said = house.ended("engine", ENDS_WITHIN).await;
    assert!(said.contains("failed to look up the schema of") && said.contains(&url), "{said}");
    assert!(!said.contains("hunter2"), "the password is told: {said}");

    // Now the registry knows what it could not tell: the replay sets the same record aside, or it
    // would come to other decisions; a later one is taken.
    registry.hang(false);
    let lease = RecordKind::Lease.schema_json().to_owned();
    registry.schemas().by_id.insert(UNKNOWN, lease);
    house.start_engine_with("engine", port, &[("SETPOINT_LOG__SCHEMA_REGISTRY__URL", &url)]);
    house.leads(&api, LEADS_WITHIN).await;
    append(&log, "ghost-2");
    runs(&mut house, &api, "after-restart").await;
    let letters = api.log("setpoint.deadletter").await.expect("dead letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
}

/// Every value on the log begins with Confluent's mark and an id of the registry.
fn all_are_framed(log: &KafkaLog, registry: &TestRegistry) {
    let mut seen = 0;
    read_all(log, &Cut::default(), &Topic::ALL, |record| {
        let Some(value) = record.value else { return };
        assert_eq!(value[0], 0, "{}", record.position);
        let id = u32::from_be_bytes([value[1], value[2], value[3], value[4]]);
        assert!(registry.schemas().by_id.contains_key(&id), "{}: {id}", record.position);
        seen += 1;
    })
    .expect("reads");
    assert!(seen > 10, "{seen} records");
}

/// A lease of a node that nobody knows, under an id that nobody knows.
fn append(log: &KafkaLog, node: &str) {
    let ids = SchemaIds::default();
    ids.insert(RecordKind::Lease, UNKNOWN);
    let writer = Writer::new(Codec::confluent(ids), "/setpoint/test");
    let lease = Lease { node: NodeName::parse(node).expect("a name"), ..samples::lease() };
    let entry: Entry = writer.lease(&lease).expect("encodes");
    let mut appender = log.appender(AppenderKind::Shared).expect("an appender");
    appender.append(vec![entry]).expect("appends");
}

/// The reason of the last dead letter, when there are so many.
async fn letter(house: &mut House, api: &Api, count: usize) -> String {
    house
        .until("it is set aside", CONVERGES_WITHIN, async || {
            let letters = api.log("setpoint.deadletter").await?;
            let last = letters.last().filter(|_| letters.len() == count);
            let reason = last.and_then(|letter| letter["value"]["reason"].as_str());
            reason.map(str::to_owned).ok_or_else(|| format!("{letters:?}"))
        })
        .await
}

async fn runs(house: &mut House, api: &Api, name: &str) {
    api.apply(&[deployment(name, 1)]).await.expect("it is applied");
    let path = format!("/apis/apps/v1/namespaces/default/deployments/{name}");
    house
        .until(&format!("{name} runs"), CONVERGES_WITHIN, async || {
            let deployment: Value = api.get(&path).await?;
            let ready = deployment["status"]["readyReplicas"] == 1;
            if ready { Ok(()) } else { Err(deployment["status"].to_string()) }
        })
        .await;
}
