//! The API's ports into the log: what is asked and what is observed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint_api::ports::{
    Foreseen, Observations, PortError, PortFuture, Requests, SubmitError, Verdict,
};
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppendError, Appended, Caller, Decoder, Entry, LogRecord, Together};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{
    Lease, NodeName, NodeRecord, NodeReport, Position, REQUEST_BYTES_MAX, Request, UsageSample,
};
use tokio::sync::oneshot;

use super::questions::Questions;
use super::waiters::{self, Waiters};
use crate::roles::engine::metrics::Metrics;

/// How long a caller waits for the leader: longer than a takeover, shorter than kubectl's patience.
const VERDICT_MS_MAX: u64 = 25_000;

/// Where requests and observations go.
pub(crate) struct Inbox {
    pub(crate) together: Together,
    pub(crate) writer: Writer,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) questions: Arc<Questions>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Inbox {
    /// The bytes that wait for the log, and how many may.
    pub(crate) fn waiting_bytes(&self) -> (usize, usize) {
        self.together.waiting_bytes()
    }

    /// Appends, together with what others append just now, and waits until it is durable.
    pub(crate) async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Position>, AppendFailure> {
        let (send, appended) = oneshot::channel();
        self.together.append(entries, Waiting(send));
        match appended.await {
            Ok(Ok(positions)) => Ok(positions),
            Ok(Err(AppendError::TooLarge { bytes, bytes_max, .. })) => {
                Err(AppendFailure::TooLarge { bytes, max: bytes_max })
            }
            Ok(Err(error)) if error.is_full() => {
                Err(AppendFailure::Full(format!("{:#}", anyhow::Error::new(error))))
            }
            Ok(Err(error)) => {
                Err(AppendFailure::Unavailable(format!("{:#}", anyhow::Error::new(error))))
            }
            Err(_) => Err(AppendFailure::Unavailable("nobody appends any more".to_owned())),
        }
    }

    async fn observe(&self, entries: Result<Vec<Entry>, String>) -> Result<(), PortError> {
        let entries = entries.map_err(PortError::Invalid)?;
        self.append(entries).await?;
        Ok(())
    }
}

/// A call of the API that waits until its entries are durable.
struct Waiting(oneshot::Sender<Appended>);

impl Caller for Waiting {
    fn waits(&self) -> bool {
        !self.0.is_closed()
    }

    fn tell(self: Box<Self>, appended: Appended) {
        // One who hung up just now does not need the answer.
        let _ = self.0.send(appended);
    }
}

/// Why nothing was appended.
pub(crate) enum AppendFailure {
    TooLarge { bytes: usize, max: usize },
    Full(String),
    Unavailable(String),
}

impl From<AppendFailure> for PortError {
    fn from(failure: AppendFailure) -> Self {
        match failure {
            AppendFailure::TooLarge { bytes, max } => {
                PortError::Invalid(format!("the record has {bytes} bytes, more than {max}"))
            }
            AppendFailure::Full(why) => PortError::Full(why),
            AppendFailure::Unavailable(why) => PortError::Unavailable(why),
        }
    }
}

/// What the engine would set aside is refused here, where someone waits for the answer.
fn read_back(codec: &Codec, entry: Entry) -> Result<Entry, SubmitError> {
    let Entry { topic, key, partition_key, value, headers } = entry;
    let position = Position { topic, partition: 0, offset: 0 };
    let record = LogRecord { position, key, value, headers, timestamp_ms: 0 };
    match Decoder::new(codec.clone()).decode(&record) {
        Ok(_) => {
            let LogRecord { key, value, headers, .. } = record;
            Ok(Entry { topic, key, partition_key, value, headers })
        }
        Err(letter) => Err(SubmitError::Unreadable(letter.reason)),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Requests for Inbox {
    fn submit(&self, request: Request) -> PortFuture<'_, Result<Verdict, SubmitError>> {
        Box::pin(async move {
            let began = Instant::now();
            let entry =
                self.writer.request(&request).map_err(|e| SubmitError::Unavailable(text(e)))?;
            let bytes = entry.value.as_ref().map_or(0, Vec::len);
            if bytes > REQUEST_BYTES_MAX {
                return Err(SubmitError::TooLarge { bytes, max: REQUEST_BYTES_MAX });
            }
            let entry = read_back(self.writer.codec(), entry)?;
            let mut wait = self.waiters.wait(&request.id);
            if let Err(failure) = self.append(vec![entry]).await {
                return Err(match failure {
                    AppendFailure::TooLarge { bytes, max } => SubmitError::TooLarge { bytes, max },
                    AppendFailure::Full(why) => SubmitError::Full(why),
                    AppendFailure::Unavailable(why) => SubmitError::Unavailable(why),
                });
            }
            match wait.verdict(Duration::from_millis(VERDICT_MS_MAX)).await {
                Some(verdict) => {
                    let outcome = if verdict.accepted { "accepted" } else { "refused" };
                    self.metrics.answered(outcome, began.elapsed());
                    Ok(verdict)
                }
                None => {
                    self.metrics.answered("unanswered", began.elapsed());
                    Err(SubmitError::Timeout(VERDICT_MS_MAX))
                }
            }
        })
    }

    fn foresee(&self, request: Request) -> PortFuture<'_, Result<Foreseen, SubmitError>> {
        Box::pin(async move {
            let foreseen = self.questions.foresee(request).await;
            let foreseen = foreseen.map_err(|e| SubmitError::Unavailable(text(e)))?;
            let verdict = waiters::answer(0, &foreseen.verdict);
            Ok(Foreseen { verdict, resources: foreseen.resources })
        })
    }
}

impl Observations for Inbox {
    fn node(&self, record: NodeRecord) -> PortFuture<'_, Result<(), PortError>> {
        let sound = record.check().map_err(text);
        let entries = sound.and_then(|()| self.writer.node(&record).map_err(text)).map(|e| vec![e]);
        Box::pin(self.observe(entries))
    }

    fn lease(&self, lease: Lease) -> PortFuture<'_, Result<(), PortError>> {
        let entries = self.writer.lease(&lease).map(|e| vec![e]).map_err(text);
        Box::pin(self.observe(entries))
    }

    fn pods(&self, _node: NodeName, report: NodeReport) -> PortFuture<'_, Result<(), PortError>> {
        let observed = report.observed.iter().map(|pod| self.writer.pod(pod));
        let snapshot = report.snapshot.iter().map(|snapshot| self.writer.snapshot(snapshot));
        let entries: Result<Vec<Entry>, _> = observed.chain(snapshot).collect();
        Box::pin(self.observe(entries.map_err(text)))
    }

    fn usage(
        &self,
        _node: NodeName,
        samples: Vec<UsageSample>,
    ) -> PortFuture<'_, Result<(), PortError>> {
        let entries: Result<Vec<Entry>, _> = samples.iter().map(|s| self.writer.usage(s)).collect();
        Box::pin(self.observe(entries.map_err(text)))
    }
}
