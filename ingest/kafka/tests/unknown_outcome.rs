//! A commit whose answer never comes: the appender is spent, and whether the append stands is only
//! learned from the log, after the next leader has fenced it.

use setpoint_ingest::{AppendError, Appender, AppenderKind, Entry, Log, LogError, read_all};
use setpoint_ingest_kafka::KafkaLog;
use setpoint_ingest_kafka::testing::{Fault, Kafka, Proxy};
use setpoint_schemas::{Cut, FleetId, Topic};

/// Every append of a test goes to these, and must stand in all or in none.
const TOPICS: [Topic; 2] = [Topic::Epochs, Topic::Placements];

#[test]
fn a_commit_whose_answer_is_lost_spends_the_appender_and_stands_whole() {
    check(Fault::AnswerLost, &["before", "unknown", "next"]);
}

#[test]
fn a_commit_that_is_lost_spends_the_appender_and_leaves_nothing() {
    check(Fault::CommitLost, &["before", "next"]);
}

fn check(fault: Fault, expected: &[&str]) {
    let proxy = Proxy::listen();
    let Some(kafka) = Kafka::start_behind(&proxy) else { return };
    let log = KafkaLog::new(kafka.settings()).expect("log");
    log.ensure_topics().expect("topics are made");
    let mut first = leader(&log);
    first.append(entries("before")).expect("appends");

    proxy.arm(fault);
    let unknown = first.append(entries("unknown"));
    assert!(proxy.is_dark(), "the commit was met");
    let is_transient = |e: &AppendError| matches!(e, AppendError::Log(e) if e.is_transient());
    assert!(unknown.as_ref().is_err_and(is_transient), "{unknown:?}");
    let spent = first.append(entries("on a guess"));
    let is_spent = |e: &AppendError| matches!(e, AppendError::Log(LogError::Permanent { .. }));
    assert!(spent.as_ref().is_err_and(is_spent), "{spent:?}");

    proxy.heal();
    let spent = first.append(entries("on a guess, healed"));
    assert!(spent.as_ref().is_err_and(is_spent), "{spent:?}");
    let mut second = leader(&log);
    second.append(entries("next")).expect("appends");
    for topic in TOPICS {
        assert_eq!(values(&log, topic), expected, "{topic}");
    }
    drop(first);
    for topic in TOPICS {
        assert_eq!(values(&log, topic), expected, "{topic}, after the spent appender is gone");
    }
}

fn leader(log: &KafkaLog) -> Box<dyn Appender> {
    let fleet = FleetId::parse("unknown").expect("fleet");
    log.appender(AppenderKind::Leader { fleet }).expect("leader")
}

fn entries(value: &str) -> Vec<Entry> {
    let entry = |topic| Entry {
        topic,
        key: b"k".to_vec(),
        partition_key: b"k".to_vec(),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
    };
    TOPICS.map(entry).to_vec()
}

fn values(log: &KafkaLog, topic: Topic) -> Vec<String> {
    let mut values = Vec::new();
    read_all(log, &Cut::default(), &[topic], |record| {
        values.push(String::from_utf8(record.value.expect("value")).expect("text"));
    })
    .expect("reads");
    values
}
