//! The log on a real Apache Kafka keeps the contract, through a broker's restart too.

use std::time::{Duration, Instant};

use setpoint_ingest::{AppenderKind, Entry, Log, conformance, read_all};
use setpoint_ingest_kafka::testing::Kafka;
use setpoint_ingest_kafka::{KafkaLog, Settings};
use setpoint_schemas::{Cut, FleetId, Topic};

fn entry(value: &str) -> Entry {
    Entry {
        topic: Topic::Nodes,
        key: b"k".to_vec(),
        partition_key: b"k".to_vec(),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

fn nodes_of(log: &KafkaLog) -> Vec<String> {
    let mut values = Vec::new();
    read_all(log, &Cut::default(), &[Topic::Nodes], |record| {
        values.push(String::from_utf8(record.value.expect("value")).expect("text"));
    })
    .expect("reads");
    values
}

#[test]
fn the_contract_holds_on_kafka() {
    let Some(kafka) = Kafka::start() else { return };
    let log = KafkaLog::new(Settings { partitions: 3, ..kafka.settings() }).expect("log");
    log.ensure_topics().expect("topics are made");
    conformance::run(&log);
}

#[test]
fn what_was_acknowledged_outlives_a_killed_broker_and_appenders_go_on() {
    let Some(mut kafka) = Kafka::start() else { return };
    let log = KafkaLog::new(kafka.settings()).expect("log");
    log.ensure_topics().expect("topics are made");
    let fleet = FleetId::parse("restart").expect("fleet");
    let mut leader = log.appender(AppenderKind::Leader { fleet }).expect("leader");
    let mut shared = log.appender(AppenderKind::Shared).expect("shared");
    leader.append(vec![entry("leader before")]).expect("appends");
    shared.append(vec![entry("shared before")]).expect("appends");
    assert_eq!(nodes_of(&log), ["leader before", "shared before"]);
    kafka.kill();
    kafka.resume();
    eventually(|| leader.append(vec![entry("leader after")]).is_ok());
    eventually(|| shared.append(vec![entry("shared after")]).is_ok());
    let values = nodes_of(&log);
    assert_eq!(values, ["leader before", "shared before", "leader after", "shared after"]);
}

#[test]
fn a_leader_that_died_in_its_transaction_leaves_nothing() {
    let Some(kafka) = Kafka::start() else { return };
    let log = KafkaLog::new(kafka.settings()).expect("log");
    log.ensure_topics().expect("topics are made");
    let fleet = || AppenderKind::Leader { fleet: FleetId::parse("dead").expect("fleet") };
    let mut first = log.appender(fleet()).expect("leader");
    first.append(vec![entry("whole")]).expect("appends");
    open_and_abandon(&kafka);
    let mut second = log.appender(fleet()).expect("leader");
    second.append(vec![entry("next")]).expect("appends");
    assert_eq!(nodes_of(&log), ["whole", "next"]);
}

#[test]
fn an_append_takes_no_longer_than_its_acknowledgement() {
    let Some(kafka) = Kafka::start() else { return };
    let log = KafkaLog::new(kafka.settings()).expect("log");
    log.ensure_topics().expect("topics are made");
    let fleet = FleetId::parse("quick").expect("fleet");
    for kind in [AppenderKind::Shared, AppenderKind::Leader { fleet }] {
        let mut appender = log.appender(kind.clone()).expect("appender");
        let quickest = (0..30).map(|_| {
            let began = Instant::now();
            appender.append(vec![entry("quick")]).expect("appends");
            began.elapsed()
        });
        // Milliseconds even on a busy machine; waiting out a poll would be a hundred.
        let quickest = quickest.min().expect("thirty appends");
        println!("{kind:?}: {quickest:?}");
        assert!(quickest < Duration::from_millis(50), "{kind:?}: {quickest:?}");
    }
}

/// Sends into a transaction of the same fleet and never ends it, as a killed leader would.
fn open_and_abandon(kafka: &Kafka) {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    let producer: BaseProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("transactional.id", "setpoint.dead")
        .create()
        .expect("producer");
    producer.init_transactions(Duration::from_secs(30)).expect("init");
    producer.begin_transaction().expect("begin");
    let record = BaseRecord::to(Topic::Nodes.name()).key("k").payload("half");
    producer.send(record).map_err(|(error, _)| error).expect("sends");
    producer.flush(Duration::from_secs(30)).expect("flushes");
}

fn eventually(mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(90);
    while !done() {
        assert!(Instant::now() < until, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(200));
    }
}
