//! The engine's thread: it recovers, follows another leader or leads, and follows again when it is
//! fenced or the log fails.
//!
//! Guarantee: it leads only behind everything that the leader before it has written, and after that
//! one can write no more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint_dataflow::Outcome;
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppendError, Appender, AppenderKind, LogError};
use setpoint_settings::{LogKind, Settings};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::SharedLog;
use super::checkpoints::Checkpoints;
use super::follow::ends::is_trimmed;
use super::follow::follower::{Follower, Parts};
use super::follow::origin;
use super::follow::stall::Closing;
use super::lead::burying::Undertaker;
use super::lead::committer::Committer;
use super::lead::epochs::{Epochs, Means};
use super::lead::queue::queue;
use super::metrics::Metrics;
use super::ports::feed::{self, Audience};
use super::ports::history;
use super::ports::questions::Questions;
use super::ports::waiters::Waiters;
use super::wire::Wire;
use super::workers::Workers;
use crate::clock::now_ms;

/// A leader that made no epoch for this long is taken over from: several ticks, and half of the
/// ten seconds in which a fleet should have a leader again.
const TAKEOVER_AFTER: Duration = Duration::from_secs(5);
/// How long a standby waits for the next epoch before it looks at its other duties.
const FOLLOW_WAIT: Duration = Duration::from_millis(50);
/// Between stepping down and following anew.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The folder of the checkpoint within the data folder.
const CHECKPOINT: &str = "checkpoint";

/// What the engine's thread is made of.
pub(super) struct EngineThread {
    pub(super) settings: Settings,
    pub(super) workers: Arc<Workers>,
    pub(super) log: SharedLog,
    pub(super) audience: Audience,
    pub(super) waiters: Arc<Waiters>,
    pub(super) questions: Arc<Questions>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) wire: Wire,
    pub(super) writer: Writer,
    pub(super) closing: CancellationToken,
}

impl EngineThread {
    /// Runs until `closing`: follows, leads, and follows again when another leads or the log fails.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut done = Ok(());
        while !self.closing.is_cancelled() {
            done = self.reign();
            let why = done.as_ref().err().map(ToString::to_string).unwrap_or_default();
            self.audience.model.set_unready(&why);
            match &done {
                Err(error) if error.is::<Closing>() => done = Ok(()),
                Err(error) if is_passing(error) => {
                    warn!(error = format!("{error:#}"), "stepping down; following the log anew");
                    std::thread::sleep(RETRY_PAUSE);
                }
                _ => break,
            }
        }
        if let Err(error) = &done {
            error!(error = format!("{error:#}"), "the engine stopped");
        }
        self.closing.cancel();
        self.questions.dismiss();
        done
    }

    /// Once around: recover, stand by, fence whoever led, lead.
    fn reign(&self) -> anyhow::Result<()> {
        self.audience.model.set_role("starting");
        let (mut follower, mut checkpoints) = self.recover()?;
        let from = follower.engine.number();
        if !self.stand_by(&mut follower, &mut checkpoints)? {
            return Ok(());
        }
        let fleet = self.settings.fleet.clone();
        let appender = self.log.appender(AppenderKind::Leader { fleet })?;
        // What the fenced leader wrote in the meantime is followed too: nobody writes after it.
        follower.catch_up(&*self.log, None, |outcome| self.followed(outcome))?;
        let (epoch, marked) = (follower.engine.number(), follower.is_to_mark());
        info!(epoch, followed = epoch - from, marked, "leading");
        self.lead(follower, checkpoints, appender)
    }

    /// An engine up to date with the log, shown to readers with what the log says of the past.
    fn recover(&self) -> anyhow::Result<(Follower, Checkpoints)> {
        let path = self.settings.data_dir.join(CHECKPOINT);
        let policy = &self.settings.engine.policy;
        let (metrics, wire, closing) = (&self.metrics, &self.wire, &self.closing);
        let parts = Parts { policy, workers: &self.workers, metrics, wire, closing };
        let mut verdicts = Vec::new();
        let each = |outcome: &Outcome| {
            if self.waiters.are_any() {
                verdicts.push((outcome.number, outcome.verdicts.clone()));
            }
        };
        let (mut follower, store) = origin::recover(&*self.log, &path, &parts, each)?;
        self.audience.begin_anew();
        let engine = &follower.engine;
        feed::show_all(&self.audience, &engine.everything(), |uid| engine.ready_since(uid));
        follower.engine.shown();
        // Only now: who hears an answer sees what it speaks of.
        for (epoch, verdicts) in verdicts {
            self.waiters.decided(epoch, &verdicts);
        }
        history::tell(&self.audience.model, &*self.log, &self.wire.codec, &follower.engine)?;
        Ok((follower, Checkpoints::new(store, self.metrics.clone())))
    }

    /// Follows the leader until it falls silent; `false` when this engine is to close. An engine on
    /// the embedded log is alone, and leads at once.
    fn stand_by(
        &self,
        follower: &mut Follower,
        checkpoints: &mut Checkpoints,
    ) -> anyhow::Result<bool> {
        if self.settings.log.kind == LogKind::Embedded {
            return Ok(true);
        }
        let silent_ms = now_ms() - follower.engine.time_ms();
        if silent_ms > i64::try_from(TAKEOVER_AFTER.as_millis()).unwrap_or(0) {
            return Ok(true);
        }
        info!(epoch = follower.engine.number(), "standing by");
        self.audience.model.set_role("standby");
        self.audience.model.set_ready(true);
        let interval = Duration::from_millis(self.settings.engine.checkpoint_interval_ms);
        let mut written = Instant::now();
        while !self.closing.is_cancelled() {
            self.workers.are_there()?;
            self.questions.answer(&follower.engine, &follower.cut);
            follower.follow(&*self.log, FOLLOW_WAIT, |outcome| self.followed(outcome))?;
            if follower.heard.elapsed() > TAKEOVER_AFTER {
                warn!(epoch = follower.engine.number(), "the leader is silent; taking over");
                return Ok(true);
            }
            if written.elapsed() > interval {
                written = Instant::now();
                let engine = &mut follower.engine;
                let rows = engine.take_rows();
                checkpoints.write(engine.number(), engine.term(), &follower.cut, &rows)?;
            }
        }
        Ok(false)
    }

    /// Leads until closing, or until the log takes no more from this leader. Deciding and committing
    /// each have a thread: the next epoch is decided while the last is on its way to the log.
    fn lead(
        &self,
        follower: Follower,
        checkpoints: Checkpoints,
        appender: Box<dyn Appender>,
    ) -> anyhow::Result<()> {
        let (send, receive) = queue(self.metrics.clone());
        let committer = Committer {
            appender,
            undertaker: Undertaker::new(&*self.log)?,
            checkpoints,
            writer: self.writer.clone(),
            audience: self.audience.clone(),
            waiters: self.waiters.clone(),
            metrics: self.metrics.clone(),
            cut: follower.cut.clone(),
            closing: self.closing.clone(),
        };
        let committer = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || committer.run(receive))?;
        let is_to_mark = follower.is_to_mark();
        let (engine, taken) = follower.into_parts();
        let led = Epochs::begin(self.means(), engine, taken, is_to_mark)
            .and_then(|epochs| epochs.run(&self.closing, &send));
        // It ends when nobody sends any more.
        drop(send);
        let committed = committer.join().map_err(|_| anyhow::anyhow!("the committer panicked"))?;
        led.and(committed)
    }

    fn means(&self) -> Means {
        Means {
            log: self.log.clone(),
            wire: self.wire.clone(),
            writer: self.writer.clone(),
            questions: self.questions.clone(),
            metrics: self.metrics.clone(),
            workers: self.workers.clone(),
            policy: self.settings.engine.policy.clone(),
            checkpoint_interval_ms: self.settings.engine.checkpoint_interval_ms,
        }
    }

    /// An epoch that another engine committed.
    fn followed(&self, outcome: &Outcome) {
        feed::show(&self.audience, outcome);
        self.waiters.decided(outcome.number, &outcome.verdicts);
    }
}

/// Whether following the log anew may mend it: another leads, the log does not answer, or cleanup
/// was faster than this engine. An epoch that the log does not take would be decided again.
fn is_passing(error: &anyhow::Error) -> bool {
    let is_mended = error.chain().any(|cause| {
        cause.downcast_ref::<AppendError>().is_some_and(AppendError::is_passing)
            || cause.downcast_ref::<LogError>().is_some_and(LogError::is_transient)
    });
    is_mended || is_trimmed(error)
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::Topic;

    use super::super::follow::ends::Trimmed;
    use super::*;

    #[test]
    fn what_following_anew_cannot_mend_stops_the_engine() {
        let too_large = AppendError::TooLarge { topic: Topic::Desired, bytes: 9, bytes_max: 8 };
        let broken = LogError::permanent("write to the log", "no space left on device");
        let away = LogError::transient("append to the log", "no broker");
        let forgotten =
            LogError::Forgotten { topic: Topic::Leases, partition: 0, start: 9, wanted: 8 };
        let cases = [
            (anyhow::Error::new(too_large), false),
            (anyhow::Error::new(AppendError::Log(broken)), false),
            (anyhow::Error::new(AppendError::Log(away)), true),
            (anyhow::Error::new(AppendError::Fenced), true),
            (anyhow::Error::new(Trimmed { epoch: 7 }), true),
            (anyhow::Error::new(forgotten), true),
        ];
        for (error, passes) in cases {
            let error = error.context("failed to commit");
            assert_eq!(is_passing(&error), passes, "{error:#}");
        }
    }
}
