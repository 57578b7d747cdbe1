//! A topic that its owner made for smaller records than Setpoint writes: trying again would never
//! help, so both kinds of appender say what to set.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use setpoint_ingest::{AppenderKind, Entry, Log};
use setpoint_ingest_kafka::KafkaLog;
use setpoint_ingest_kafka::testing::Kafka;
use setpoint_schemas::{FleetId, Topic};

#[test]
fn a_record_that_a_topic_does_not_take_is_told_with_what_to_set() {
    let Some(kafka) = Kafka::start() else { return };
    make_small(&kafka, Topic::Desired);
    let log = KafkaLog::new(kafka.settings()).expect("a client");
    log.ensure_topics().expect("the others are made");
    let leader = AppenderKind::Leader { fleet: FleetId::parse("small").expect("a fleet") };
    for kind in [leader, AppenderKind::Shared] {
        let mut appender = log.appender(kind.clone()).expect("an appender");
        let error = appender.append(vec![entry(100_000)]).expect_err("it is refused");
        assert!(!error.is_passing(), "{kind:?}: {error:?}");
        let said = format!("{error:?}");
        assert!(said.contains("set max.message.bytes of the topics setpoint.*"), "{said}");
        // A leader that failed steps down, and the next one has an appender of its own.
        let mut next = log.appender(kind.clone()).expect("an appender");
        let appended = next.append(vec![entry(10)]);
        assert!(appended.is_ok(), "{kind:?}: {appended:?}");
    }
}

fn entry(bytes: usize) -> Entry {
    let (topic, key, headers) = (Topic::Desired, b"k".to_vec(), Vec::new());
    Entry { topic, partition_key: key.clone(), key, value: Some(vec![7; bytes]), headers }
}

fn make_small(kafka: &Kafka, topic: Topic) {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap_servers());
    let admin: AdminClient<DefaultClientContext> = config.create().expect("a client");
    let new = NewTopic::new(topic.name(), 1, TopicReplication::Fixed(1));
    let new = new.set("max.message.bytes", "10000");
    let (all, options) = ([new], AdminOptions::new());
    let made = admin.create_topics(&all, &options);
    let made = futures::executor::block_on(made).expect("Kafka answers");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}
