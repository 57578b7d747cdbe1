//! One of several writers: idempotent, acknowledged by all replicas, not a transaction.

use std::sync::Arc;

use rdkafka::producer::Producer;
use setpoint_ingest::{AppendError, Appender, Entry, LogError};
use setpoint_schemas::Position;

use crate::log::Inner;
use crate::producer::{Deliveries, Sender, deliver, failed, prepare};

pub(crate) struct SharedAppender {
    log: Arc<Inner>,
    producer: Sender,
}

impl SharedAppender {
    pub(crate) fn new(log: Arc<Inner>) -> Result<Self, LogError> {
        let producer = sender(&log)?;
        Ok(SharedAppender { log, producer })
    }
}

impl Appender for SharedAppender {
    fn append(&mut self, entries: Vec<Entry>) -> Result<Vec<Position>, AppendError> {
        let partitions = prepare(&self.log, &entries)?;
        let delivered = deliver(&self.producer, &entries, &partitions);
        if delivered.is_err() {
            // What is unanswered must not be answered into the next append, and an idempotent
            // producer that gave up on a record does not go on: begin anew.
            self.producer = sender(&self.log).map_err(AppendError::Log)?;
        }
        delivered.map_err(failed)
    }
}

impl Drop for SharedAppender {
    fn drop(&mut self) {
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
    }
}

fn sender(log: &Inner) -> Result<Sender, LogError> {
    log.settings
        .producer()
        .create_with_context(Deliveries::default())
        .map_err(|error| LogError::permanent("set up a Kafka producer", error))
}
