//! The leader's appender: each append is one transaction, and making one fences the earlier ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use setpoint_ingest::{AppendError, Appender, Entry, LogError};
use setpoint_schemas::{FleetId, Position};

use crate::brokers::Brokers;
use crate::producer::{Deliveries, Sender, code_of, deliver, failed, prepare};
use crate::refused::unmade;

pub(crate) struct LeaderAppender {
    brokers: Arc<Brokers>,
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

/// How long a commit may take, retries included: a broker's restart fits into it, and the broker
/// has then aborted what it did not commit. A leader that waits longer waits for nothing.
const TRANSACTION_WAIT: Duration = Duration::from_secs(30);
/// How long an abort may take. It is a courtesy: whoever leads next aborts what is left open.
const ABORT_WAIT: Duration = Duration::from_secs(5);

impl LeaderAppender {
    pub(crate) fn new(brokers: Arc<Brokers>, fleet: &FleetId) -> Result<Self, LogError> {
        let attempt = "become the leader's producer";
        let producer: Sender = brokers
            .settings
            .leader(&format!("setpoint.{fleet}"))
            .create_with_context(Deliveries::default())
            .map_err(|error| unmade(attempt, error))?;
        retried(TRANSACTION_WAIT, |rest| producer.init_transactions(rest))
            .map_err(|error| LogError::transient(attempt, error))?;
        Ok(LeaderAppender { brokers, producer, state: State::Good })
    }

    fn transact(&self, entries: &[Entry], partitions: &[i32]) -> Result<Vec<Position>, KafkaError> {
        self.producer.begin_transaction()?;
        let positions = deliver(&self.producer, entries, partitions)?;
        retried(TRANSACTION_WAIT, |rest| self.producer.commit_transaction(rest))?;
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
        let aborted = retried(ABORT_WAIT, |rest| self.producer.abort_transaction(rest));
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
        self.append_held(&entries)
    }

    fn append_held(&mut self, entries: &[Entry]) -> Result<Vec<Position>, AppendError> {
        match self.state {
            State::Fenced => return Err(AppendError::Fenced),
            State::Spent => {
                let why = "an earlier append has an unknown outcome";
                return Err(LogError::permanent("append to Kafka by a spent appender", why).into());
            }
            State::Good => {}
        }
        let partitions = prepare(&self.brokers, entries)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.transact(entries, &partitions).map_err(|error| self.refused(error))
    }
}

/// Tries a step again where librdkafka says that it may be, until the time is up.
fn retried(
    within: Duration,
    step: impl Fn(Duration) -> Result<(), KafkaError>,
) -> Result<(), KafkaError> {
    let until = Instant::now() + within;
    loop {
        let rest = until.saturating_duration_since(Instant::now());
        match step(rest) {
            Err(KafkaError::Transaction(error)) if error.is_retriable() && !rest.is_zero() => {}
            result => return result,
        }
    }
}

/// A later producer of the same transactional id has a higher epoch.
fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
    matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)
}
