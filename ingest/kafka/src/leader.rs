//! The leader's appender: each append is one transaction, and making one fences the earlier ones.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use setpoint_ingest::{AppendError, Appender, Entry, LogError};
use setpoint_schemas::{FleetId, Position};

use crate::log::Inner;
use crate::producer::{Deliveries, Sender, deliver, failed, prepare};

pub(crate) struct LeaderAppender {
    log: Arc<Inner>,
    producer: Sender,
    state: State,
}

/// Whether the appender may be used again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Fenced,
    /// The outcome of an append is unknown, or the client gave up.
    Spent,
}

/// How long a step of a transaction may take: a broker's restart fits into it.
const TRANSACTION_WAIT: Duration = Duration::from_secs(30);
/// How often a step is tried again where librdkafka says that it may be.
const RETRIES_MAX: u32 = 5;

impl LeaderAppender {
    pub(crate) fn new(log: Arc<Inner>, fleet: &FleetId) -> Result<Self, LogError> {
        let attempt = "become the leader's producer";
        let producer: Sender = log
            .settings
            .leader(&format!("setpoint.{fleet}"))
            .create_with_context(Deliveries::default())
            .map_err(|error| LogError::permanent(attempt, error))?;
        retried(|| producer.init_transactions(TRANSACTION_WAIT))
            .map_err(|error| LogError::transient(attempt, error))?;
        Ok(LeaderAppender { log, producer, state: State::Good })
    }

    fn transact(&self, entries: &[Entry], partitions: &[i32]) -> Result<Vec<Position>, KafkaError> {
        self.producer.begin_transaction()?;
        let positions = deliver(&self.producer, entries, partitions)?;
        retried(|| self.producer.commit_transaction(TRANSACTION_WAIT))?;
        Ok(positions)
    }

    /// Tells a fenced leader from one that may go on. A transaction that was surely aborted leaves
    /// a good appender; everything else is spent.
    fn refused(&mut self, error: KafkaError) -> AppendError {
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        let fenced = [fatal, code_of(&error)].into_iter().flatten().any(is_fenced);
        if fenced {
            self.state = State::Fenced;
            return AppendError::Fenced;
        }
        let aborted = retried(|| self.producer.abort_transaction(TRANSACTION_WAIT));
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        self.state = match (aborted, fatal) {
            (_, Some(code)) if is_fenced(code) => State::Fenced,
            (Ok(()), None) => State::Good,
            _ => State::Spent,
        };
        match self.state {
            State::Fenced => AppendError::Fenced,
            State::Good | State::Spent => failed(error),
        }
    }
}

impl Appender for LeaderAppender {
    fn append(&mut self, entries: Vec<Entry>) -> Result<Vec<Position>, AppendError> {
        match self.state {
            State::Fenced => return Err(AppendError::Fenced),
            State::Spent => {
                let why = "an earlier append has an unknown outcome";
                return Err(LogError::permanent("append to Kafka by a spent appender", why).into());
            }
            State::Good => {}
        }
        let partitions = prepare(&self.log, &entries)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.transact(&entries, &partitions).map_err(|error| self.refused(error))
    }
}

fn retried(step: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let mut result = step();
    for _ in 0..RETRIES_MAX {
        match &result {
            Err(KafkaError::Transaction(error)) if error.is_retriable() => result = step(),
            _ => break,
        }
    }
    result
}

fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    }
}

/// A later producer of the same transactional id has a higher epoch.
fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
    matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)
}
