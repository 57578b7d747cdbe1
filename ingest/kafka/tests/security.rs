//! Properties of librdkafka pass through as given: TLS, certificates of clients, SASL, against a
//! real Apache Kafka that asks for them.

use std::collections::BTreeMap;

use setpoint_ingest::{AppenderKind, Entry, Log, LogError, read_all};
use setpoint_ingest_kafka::testing::{Door, Identity, Kafka, PASSWORD, USER};
use setpoint_ingest_kafka::{KafkaLog, Settings};
use setpoint_schemas::{Cut, FleetId, Topic};

const DOORS: [Door; 4] = [Door::Tls, Door::MutualTls, Door::Plain, Door::Scram];

#[test]
fn every_door_opens_to_its_key_and_to_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::made(folder.path());
    let Some(kafka) = Kafka::start_with(&DOORS, Some(&identity)) else { return };
    let plain = KafkaLog::new(kafka.settings()).expect("log");
    plain.ensure_topics().expect("topics are made");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let ca = || ("ssl.ca.location", path("ca.pem"));
    let sasl = |mechanism: &str, password: &str| {
        vec![
            ("security.protocol", "SASL_SSL".to_owned()),
            ca(),
            ("sasl.mechanisms", mechanism.to_owned()),
            ("sasl.username", USER.to_owned()),
            ("sasl.password", password.to_owned()),
        ]
    };
    let tls = || vec![("security.protocol", "SSL".to_owned()), ca()];
    let mutual = || {
        let mut properties = tls();
        properties.push(("ssl.certificate.location", path("client.pem")));
        properties.push(("ssl.key.location", path("client.key")));
        properties
    };
    for (door, properties) in [
        (Door::Tls, tls()),
        (Door::MutualTls, mutual()),
        (Door::Plain, sasl("PLAIN", PASSWORD)),
        (Door::Scram, sasl("SCRAM-SHA-512", PASSWORD)),
    ] {
        let log = log_at(&kafka, door, properties);
        opens(&log, &format!("{door:?}"));
    }
    for (door, properties, why) in [
        (Door::Tls, vec![("security.protocol", "SSL".to_owned())], "certificate"),
        (Door::MutualTls, tls(), ""),
        (Door::Plain, sasl("PLAIN", "wrong-horse"), "uthentication"),
        (Door::Scram, sasl("SCRAM-SHA-512", "wrong-horse"), "uthentication"),
    ] {
        let error = log_at(&kafka, door, properties).ensure_topics().expect_err("it stays shut");
        let said = causes(&error);
        assert!(said.contains(why), "{door:?}: {said}");
        assert!(!said.contains("wrong-horse"), "{door:?}: {said}");
    }
}

/// Appends both ways and reads back.
fn opens(log: &KafkaLog, name: &str) {
    let entry = |value: String| Entry {
        topic: Topic::Nodes,
        key: name.as_bytes().to_vec(),
        partition_key: name.as_bytes().to_vec(),
        value: Some(value.into_bytes()),
        headers: Vec::new(),
    };
    let fleet = FleetId::parse(&name.to_lowercase()).expect("fleet");
    for kind in [AppenderKind::Shared, AppenderKind::Leader { fleet }] {
        let mut appender = log.appender(kind).unwrap_or_else(|e| panic!("{name}: {}", causes(&e)));
        appender.append(vec![entry(format!("by {name}"))]).expect("appends");
    }
    let mut found = 0;
    read_all(log, &Cut::default(), &[Topic::Nodes], |record| {
        found += usize::from(record.key == name.as_bytes());
    })
    .expect("reads");
    assert_eq!(found, 2, "{name}");
}

fn log_at(kafka: &Kafka, door: Door, properties: Vec<(&str, String)>) -> KafkaLog {
    let mut all: BTreeMap<String, String> =
        properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.insert("bootstrap.servers".to_owned(), kafka.servers_at(door));
    all.insert("broker.address.family".to_owned(), "v4".to_owned());
    KafkaLog::new(Settings { properties: all, ..kafka.settings() }).expect("log")
}

fn causes(error: &LogError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
