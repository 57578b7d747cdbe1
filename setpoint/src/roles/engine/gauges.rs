//! Figures that are looked up from time to time rather than counted: what is served, how far behind
//! the log.

use std::sync::Arc;
use std::time::Duration;

use setpoint_api::ReadModel;
use setpoint_schemas::Topic;
use tokio_util::sync::CancellationToken;

use super::SharedLog;
use super::metrics::Metrics;
use super::ports::inbox::Inbox;
use super::ports::questions::Questions;

/// A third of Prometheus' usual scrape interval. Counting a million pods takes some hundredths of a
/// second.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Keeps the gauges current until `closing`. What cannot be asked stays as it was.
pub(super) async fn keep_current(
    log: SharedLog,
    model: Arc<ReadModel>,
    (questions, inbox): (Arc<Questions>, Arc<Inbox>),
    metrics: Arc<Metrics>,
    closing: CancellationToken,
) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = ticks.tick() => {}
        }
        metrics.served(&model.summary());
        let (waiting, waiting_max) = questions.waiting();
        metrics.queued("questions", (waiting, waiting_max), (0, 0));
        metrics.queued("appends", (0, 0), inbox.waiting_bytes());
        let log = log.clone();
        // The ends first: what came after them is not behind.
        let ends = tokio::task::spawn_blocking(move || log.ends(&Topic::INPUTS)).await;
        let taken = questions.taken().await;
        if let (Ok(Ok(ends)), Ok(taken)) = (ends, taken) {
            model.set_behind(metrics.lags(&taken, &ends));
        }
    }
}
