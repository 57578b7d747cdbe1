//! One of several writers: idempotent, acknowledged by all replicas, not a transaction.

use std::sync::Arc;

use rdkafka::producer::Producer;
use setpoint_ingest::{AppendError, Appender, Entry, LogError};
use setpoint_schemas::Position;

use crate::brokers::Brokers;
use crate::producer::{Deliveries, Sender, deliver, failed, prepare};
use crate::refused::unmade;

pub(crate) struct SharedAppender {
    brokers: Arc<Brokers>,
    producer: Sender,
}

impl SharedAppender {
    pub(crate) fn new(brokers: Arc<Brokers>) -> Result<Self, LogError> {
        let producer = sender(&brokers)?;
        Ok(SharedAppender { brokers, producer })
    }
}

impl Appender for SharedAppender {
    fn append(&mut self, entries: Vec<Entry>) -> Result<Vec<Position>, AppendError> {
        self.append_held(&entries)
    }

    fn append_held(&mut self, entries: &[Entry]) -> Result<Vec<Position>, AppendError> {
        let partitions = prepare(&self.brokers, entries)?;
        let delivered = deliver(&self.producer, entries, &partitions);
        if delivered.is_err() {
            // What is unanswered must not be answered into the next append, and an idempotent
            // producer that gave up on a record does not go on: begin anew.
            self.producer = sender(&self.brokers).map_err(AppendError::Log)?;
        }
        delivered.map_err(failed)
    }
}

impl Drop for SharedAppender {
    fn drop(&mut self) {
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
    }
}

fn sender(brokers: &Brokers) -> Result<Sender, LogError> {
    brokers
        .settings
        .producer()
        .create_with_context(Deliveries::default())
        .map_err(|error| unmade("set up a Kafka producer", error))
}
