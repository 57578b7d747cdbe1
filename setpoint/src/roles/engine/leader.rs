//! The engine thread: recover, fence, lead.

use std::sync::Arc;
use std::time::{Duration, Instant};

use setpoint_dataflow::{Epoch, Outcome};
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppendError, AppenderKind, Decoder, LogError};
use setpoint_schemas::{EpochRecord, Policy, Topic};
use setpoint_settings::{LogKind, Settings};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::burying::{self, Undertaker};
use super::checkpoints::Checkpoints;
use super::committer::Committer;
use super::cutting::Cutter;
use super::ends::Trimmed;
use super::feed::Audience;
use super::metrics::Metrics;
use super::questions::Questions;
use super::queue::{Commit, Sender, queue};
use super::recovery::{Follower, Parts};
use super::stall::Closing;
use super::waiters::Waiters;
use super::wire::Wire;
use super::{SharedLog, feed, origin};
use crate::clock::{Steady, now_ms};

/// A leader that made no epoch for this long is taken over from: several ticks, and half of the
/// ten seconds in which a fleet should have a leader again.
const TAKEOVER_AFTER: Duration = Duration::from_secs(5);
/// How long a standby waits for the next epoch before it looks at its other duties.
const FOLLOW_WAIT: Duration = Duration::from_millis(50);
/// Every so many epochs the record names how far each partition was read, and not only those that
/// moved: so a rebuild need not read back to the last record of a quiet partition.
const CUT_WHOLE_EVERY: i64 = 256;
/// Between stepping down and following anew.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The folder of the checkpoint within the data folder.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// What the engine thread is made of.
pub(super) struct Leader {
    pub(super) settings: Settings,
    pub(super) log: SharedLog,
    pub(super) audience: Audience,
    pub(super) waiters: Arc<Waiters>,
    pub(super) questions: Arc<Questions>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) wire: Wire,
    pub(super) writer: Writer,
    pub(super) closing: CancellationToken,
}

impl Leader {
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

    fn reign(&self) -> anyhow::Result<()> {
        self.audience.model.set_role("starting");
        let path = self.settings.data_dir.join(CHECKPOINT);
        let policy = self.settings.engine.policy.clone();
        let (metrics, wire, closing) = (&self.metrics, &self.wire, &self.closing);
        let parts = Parts { policy: &policy, metrics, wire, closing };
        let mut verdicts = Vec::new();
        let each = |outcome: &Outcome| {
            if self.waiters.are_any() {
                verdicts.push((outcome.number, outcome.verdicts.clone()));
            }
        };
        let (mut follower, store) = origin::recover(&*self.log, &path, &parts, each)?;
        let mut checkpoints = Checkpoints::new(store, self.metrics.clone());
        let from = follower.engine.number();
        self.audience.model.begin_anew();
        feed::show(&self.audience, &follower.engine.everything());
        for (epoch, verdicts) in verdicts {
            self.waiters.decided(epoch, &verdicts);
        }
        feed::history(&self.audience.model, &*self.log, &self.wire.codec, &follower.engine)?;
        if !self.stand_by(&mut follower, &mut checkpoints)? {
            return Ok(());
        }
        let fleet = self.settings.fleet.clone();
        let appender = self.log.appender(AppenderKind::Leader { fleet })?;
        // What the fenced leader wrote in the meantime is followed too: nobody writes after it.
        follower.catch_up(&*self.log, None, |outcome| self.followed(outcome))?;
        let (epoch, marked) = (follower.engine.number(), follower.is_to_mark());
        info!(epoch, followed = epoch - from, marked, "leading");

        let (send, receive) = queue();
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
        let led = self.epochs(follower, &policy, send);
        let committed = committer.join().map_err(|_| anyhow::anyhow!("the committer panicked"))?;
        led.and(committed)
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

    /// An epoch that another engine committed.
    fn followed(&self, outcome: &Outcome) {
        feed::show(&self.audience, outcome);
        self.waiters.decided(outcome.number, &outcome.verdicts);
    }

    /// Cuts, decides, hands over to be committed; until closing, or until the committer is gone.
    fn epochs(&self, follower: Follower, policy: &Policy, send: Sender) -> anyhow::Result<()> {
        let marked = follower.is_to_mark();
        let (mut engine, taken) = follower.into_parts();
        let term = engine.term() + 1;
        let reader = self.log.reader(&taken, &Topic::INPUTS)?;
        let decoder = Decoder::with_source(self.wire.codec.clone(), self.wire.source.clone());
        let clock = Steady::at(engine.time_ms());
        let mut cutter = Cutter::new(reader, taken, decoder, self.writer.clone(), clock);
        let mut due_ms = Some(0);
        let mut wants_cold = true;
        let mut cold_ms = 0;
        let mut looked_ms = engine.time_ms().max(now_ms());
        let mut checkpoint_ms = looked_ms;
        let mut buried_ms = None;
        let mut first = true;
        while !self.closing.is_cancelled() {
            let cold_due = cold_ms + engine.policy().cold_interval_ms;
            let wake = if wants_cold {
                Some(due_ms.map_or(cold_due, |due| due.min(cold_due)))
            } else {
                due_ms
            };
            let batch = cutter.next(&*self.log, wake, |taken| {
                self.questions.answer(&engine, taken);
            })?;
            let time_ms = batch.time_ms.max(engine.time_ms());
            // A pause of our own (a stopped process, a stalled log) is not the silence of nodes.
            let stalled = time_ms - looked_ms > engine.policy().lease_grace_ms / 2;
            if stalled {
                warn!(
                    paused_ms = time_ms - looked_ms,
                    "this engine was paused; every lease begins anew"
                );
            }
            looked_ms = time_ms;
            let cold = wants_cold && time_ms >= cold_due;
            let is_new = engine.number() == 0 || marked;
            let settings = first && (is_new || engine.policy() != policy);
            let epoch = Epoch {
                number: engine.number() + 1,
                term,
                time_ms,
                cold,
                complete: batch.complete,
                renew_leases: first || stalled,
                policy: settings.then(|| policy.clone()),
                rebuilt: first && marked,
                inputs: batch.inputs,
            };
            let is_whole = first || epoch.number % CUT_WHOLE_EVERY == 0;
            let cut = if is_whole { cutter.whole() } else { batch.cut };
            let record = record_of(&epoch, cut, batch.refused, policy);
            let started = Instant::now();
            let outcome = engine.step(epoch);
            self.metrics.stepped(&outcome, batch.records, started.elapsed());
            (due_ms, wants_cold) = (outcome.due_ms, outcome.wants_cold);
            if cold {
                cold_ms = time_ms;
            }
            first = false;
            let interval =
                i64::try_from(self.settings.engine.checkpoint_interval_ms).unwrap_or(i64::MAX);
            let rows = (time_ms - checkpoint_ms >= interval).then(|| {
                checkpoint_ms = time_ms;
                (cutter.taken().clone(), engine.take_rows())
            });
            // What earlier leaders left behind first; what was not written, now and then.
            let remains = match buried_ms {
                Some(at_ms) if time_ms - at_ms < burying::LOOK_MS => outcome.remains.clone(),
                _ => {
                    buried_ms = Some(time_ms);
                    engine.remains()
                }
            };
            let record = finish(record, &outcome);
            let dead_letters = batch.dead_letters;
            let commit = Commit { record, outcome, dead_letters, remains, rows };
            if send.send(commit).is_err() {
                return Ok(()); // The committer says why.
            }
        }
        let rows = Some((cutter.taken().clone(), engine.take_rows()));
        let number = engine.number() + 1;
        let (time_ms, rebuilt) = (engine.time_ms(), first && marked);
        let epoch = Epoch { number, term, time_ms, rebuilt, ..Epoch::default() };
        let record = record_of(&epoch, Vec::new(), Vec::new(), policy);
        let outcome = engine.step(epoch);
        let rows = rows.map(|(cut, mut before)| {
            before.extend(engine.take_rows());
            (cut, before)
        });
        let record = finish(record, &outcome);
        let remains = outcome.remains.clone();
        let _ = send.send(Commit { record, outcome, dead_letters: Vec::new(), remains, rows });
        info!("draining: the last epoch and the checkpoint are on their way");
        Ok(())
    }
}

/// Whether following the log anew may mend it: another leads, the log does not answer, or cleanup
/// was faster than this engine. An epoch that the log does not take would be decided again.
fn is_passing(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<AppendError>().is_some_and(AppendError::is_passing)
            || cause.downcast_ref::<Trimmed>().is_some()
            || cause.downcast_ref::<LogError>().is_some_and(LogError::is_transient)
    })
}

fn record_of(
    epoch: &Epoch,
    cut: Vec<setpoint_schemas::CutEntry>,
    refused: Vec<setpoint_schemas::RefusedEntry>,
    policy: &Policy,
) -> EpochRecord {
    let settings = serde_json::to_string(policy).unwrap_or_default();
    EpochRecord {
        number: epoch.number,
        term: epoch.term,
        time_ms: epoch.time_ms,
        cold: epoch.cold,
        complete: epoch.complete,
        renew_leases: epoch.renew_leases,
        cut,
        decisions: 0,
        decisions_hash: 0,
        settings_hash: hash_of(&settings),
        settings: if epoch.policy.is_some() { settings } else { String::new() },
        rules: setpoint_rules::RULES_VERSION.to_owned(),
        refused,
        rebuilt: epoch.rebuilt,
    }
}

fn finish(record: EpochRecord, outcome: &Outcome) -> EpochRecord {
    let decisions = i32::try_from(outcome.decisions.len()).unwrap_or(i32::MAX);
    EpochRecord { decisions, decisions_hash: outcome.hash, ..record }
}

fn hash_of(text: &str) -> i64 {
    // FNV-1a: stable over versions of Rust, which the standard hasher is not.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    i64::from_ne_bytes(hash.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_following_anew_cannot_mend_stops_the_engine() {
        let too_large = AppendError::TooLarge { topic: Topic::Desired, bytes: 9, bytes_max: 8 };
        let broken = LogError::permanent("write to the log", "no space left on device");
        let away = LogError::transient("append to the log", "no broker");
        let cases = [
            (anyhow::Error::new(too_large), false),
            (anyhow::Error::new(AppendError::Log(broken)), false),
            (anyhow::Error::new(AppendError::Log(away)), true),
            (anyhow::Error::new(AppendError::Fenced), true),
            (anyhow::Error::new(Trimmed { epoch: 7 }), true),
        ];
        for (error, passes) in cases {
            let error = error.context("failed to commit");
            assert_eq!(is_passing(&error), passes, "{error:#}");
        }
    }
}
