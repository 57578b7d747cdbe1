//! Why a broker turns a client away: librdkafka tells it beside its answers, which are only timeouts.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use setpoint_ingest::LogError;

use crate::config::Settings;

/// How long a second client tries to come in, to learn why the first one could not.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// One look at what was told.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Keeps the last failure that a client's library told.
#[derive(Default)]
struct Told(Mutex<Option<String>>);

/// What failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{error}; the client says: {told}")]
struct WithCause {
    error: KafkaError,
    told: String,
}

/// A failure that may pass, with its cause where it can be learned.
pub(crate) fn failure(settings: &Settings, attempt: &str, error: KafkaError) -> LogError {
    match cause(settings) {
        Some(told) => LogError::transient(attempt, WithCause { error, told }),
        None => LogError::transient(attempt, error),
    }
}

fn cause(settings: &Settings) -> Option<String> {
    let mut config = settings.consumer("read_committed");
    config.set_log_level(RDKafkaLogLevel::Error);
    let client: BaseConsumer<Told> = config.create_with_context(Told::default()).ok()?;
    let until = Instant::now() + TOLD_WITHIN;
    while Instant::now() < until {
        // What is polled is told to the context; a record cannot come, for nothing is assigned.
        let _ = client.poll(POLL_WAIT);
        if let Some(told) = client.context().take() {
            return Some(told);
        }
    }
    None
}

impl Told {
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The first one stays: later ones are of tries that follow from it.
    fn keep(&self, message: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_or_insert_with(|| message.to_owned());
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Emerg, Error};
        if matches!(level, Emerg | Alert | Critical | Error) {
            self.keep(message);
        }
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        self.keep(reason);
    }
}

impl ConsumerContext for Told {}
