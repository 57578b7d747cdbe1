//! A wait for records that must be on the log: it ends when they never can come, when the log does
//! not answer, and when the engine closes.

use std::time::{Duration, Instant};

use setpoint_ingest::{Log, LogError, covers};
use setpoint_schemas::{Cut, Topic};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Without a record for so long, the log is asked whether there are any: a broker's restart takes
/// as long.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// The engine is to end before it has caught up.
#[derive(Debug, thiserror::Error)]
#[error("the engine closes")]
pub(crate) struct Closing;

/// Watches one wait.
pub(crate) struct Stall {
    closing: CancellationToken,
    heard: Instant,
    silent_max: Duration,
}

impl Stall {
    pub(crate) fn new(closing: &CancellationToken) -> Stall {
        Stall { closing: closing.clone(), heard: Instant::now(), silent_max: SILENT_MAX }
    }

    /// Looks at the wait after a poll, which brought something or not, until all before `wanted`
    /// is read.
    pub(crate) fn look(
        &mut self,
        is_heard: bool,
        log: &dyn Log,
        wanted: &Cut,
    ) -> anyhow::Result<()> {
        if self.closing.is_cancelled() {
            return Err(Closing.into());
        }
        if is_heard {
            self.heard = Instant::now();
        }
        if self.heard.elapsed() < self.silent_max {
            return Ok(());
        }
        self.heard = Instant::now();
        let mut topics: Vec<Topic> = wanted.iter().map(|(topic, ..)| topic).collect();
        topics.dedup();
        let ends = log.ends(&topics)?;
        if covers(&ends, wanted) {
            warn!("records that are on the log do not come; waiting on");
            return Ok(());
        }
        let lost =
            wanted.iter().find(|(topic, partition, next)| ends.next(*topic, *partition) < *next);
        let why = lost.map_or_else(String::new, |(topic, partition, next)| {
            let end = ends.next(topic, partition);
            format!("{topic}/{partition} ends at {end}, and an epoch took it up to {next}")
        });
        Err(LogError::transient("read what epochs took: the log has lost its end", why).into())
    }
}

#[cfg(test)]
mod tests {
    use setpoint_ingest_embedded::{EmbeddedLog, Settings};

    use super::*;

    #[test]
    fn a_wait_for_what_the_log_has_lost_ends_and_so_does_one_of_an_engine_that_closes() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = EmbeddedLog::open(&Settings::new(folder.path())).expect("it opens");
        let closing = CancellationToken::new();
        let mut stall = Stall { silent_max: Duration::ZERO, ..Stall::new(&closing) };
        let wanted: Cut = [(Topic::Pods, 0, 7)].into_iter().collect();
        let lost = stall.look(false, &log, &wanted).expect_err("nothing can come");
        assert!(format!("{lost:#}").contains("setpoint.pods/0 ends at 0"), "{lost:#}");
        let nothing = Cut::default();
        assert!(stall.look(false, &log, &nothing).is_ok(), "it may come yet");
        let mut patient = Stall::new(&closing);
        assert!(patient.look(false, &log, &wanted).is_ok(), "it is not silent for long");
        closing.cancel();
        let closed = patient.look(true, &log, &wanted).expect_err("it closes");
        assert!(closed.is::<Closing>());
    }
}
