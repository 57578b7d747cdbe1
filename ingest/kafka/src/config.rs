//! What each client of Kafka is told.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use setpoint_ingest::record_bytes_max;
use setpoint_schemas::Topic;

/// How the log finds Kafka, and what topics are made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Properties of librdkafka, `bootstrap.servers` among them, passed through unchanged. Those
    /// that the log's guarantees rest on (idempotence, isolation, transactional id) are ours.
    pub properties: BTreeMap<String, String>,
    /// Partitions of a topic that is made (1 for a topic that is always single).
    pub partitions: i32,
    /// Replicas of a topic that is made; -1 for the broker's default.
    pub replication: i32,
}

impl Settings {
    /// One partition a topic, the broker's replication, no properties but the servers.
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        let servers = ("bootstrap.servers".to_owned(), bootstrap_servers.to_owned());
        Settings { properties: BTreeMap::from([servers]), partitions: 1, replication: -1 }
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "setpoint");
        config.set("reconnect.backoff.max.ms", RECONNECT_MS_MAX);
        config.extend(self.properties.clone());
        config
    }

    /// A client that asks and reads. It joins no group; librdkafka wants the id all the same.
    pub(crate) fn consumer(&self, isolation: &str) -> ClientConfig {
        let mut config = self.client();
        let own = [("group.id", "setpoint"), (AHEAD, AHEAD_KBYTES_MAX), (FULL_WAIT, FULL_WAIT_MS)];
        for (property, ours) in own {
            if config.get(property).is_none() {
                config.set(property, ours);
            }
        }
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", isolation);
        config
    }

    /// A producer whose appends are durable before they are answered, and sent at once.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("message.max.bytes", wire_bytes_max(Topic::DeadLetter).to_string())
            .set("queue.buffering.max.messages", QUEUE_RECORDS_MAX)
            .set("message.timeout.ms", DELIVERY_WAIT.as_millis().to_string());
        config
    }

    /// A leader's producer.
    pub(crate) fn leader(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.producer();
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string());
        config
    }
}

/// Between two tries to connect: a broker that is back should not wait for its engines.
const RECONNECT_MS_MAX: &str = "1000";
/// What a reader fetches ahead of who reads it, in KiB.
const AHEAD: &str = "queued.max.messages.kbytes";
/// Two reads; librdkafka's own 64 MiB for each of several readers is a fleet's
/// whole memory.
const AHEAD_KBYTES_MAX: &str = "16384";
/// How long a reader that has fetched as far ahead as it may waits before it looks again.
const FULL_WAIT: &str = "fetch.queue.backoff.ms";
/// Little of what is ahead is read in that time; in librdkafka's own second an engine reads all of it
/// many times over, and waits for the rest.
const FULL_WAIT_MS: &str = "2";
/// How long a question to the brokers may take: a few elections of a partition's leader.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How long a record may take until it is acknowledged. Below the transaction's own timeout, so
/// that a leader learns of a failure before the broker aborts.
pub(crate) const DELIVERY_WAIT: Duration = Duration::from_secs(20);
/// After this the broker aborts what a dead leader left open; until then it holds readers up.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);
/// One append of a bulk load: a million records.
const QUEUE_RECORDS_MAX: &str = "1000000";
/// Kafka's own words around a record: batch header, lengths, timestamps.
const OVERHEAD_BYTES: usize = 64 << 10;

/// The largest record batch of a topic on the wire.
pub(crate) fn wire_bytes_max(topic: Topic) -> usize {
    record_bytes_max(topic) + OVERHEAD_BYTES
}
