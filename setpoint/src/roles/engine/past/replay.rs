//! The recorded log, run through the engine again.
//!
//! Guarantee: nothing is appended. Each epoch of our rules is decided again from the inputs that it took;
//! those of other rules are taken in as recorded, and said to be so.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::Serialize;
use setpoint_dataflow::Engine;
use setpoint_ingest::Log;
use setpoint_ingest::entry::Writer;
use setpoint_rules::RULES_VERSION;
use setpoint_schemas::{Cut, EpochRecord, Topic};
use setpoint_settings::Settings;
use tokio_util::sync::CancellationToken;

use super::compare::{Compared, Comparison, Divergence};
use super::moment::Moment;
use super::read_only::ReadOnly;
use crate::roles::engine::follow::follower::{Follower, Parts, Stepped};
use crate::roles::engine::metrics::Metrics;
use crate::roles::engine::wire::{self, Wire};
use crate::roles::engine::workers::Workers;

/// Which epochs are wanted, both inclusive; `None`: from the first, to the last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) from: Option<Moment>,
    pub(crate) to: Option<Moment>,
}

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Replayed {
    /// The first and the last epoch of the span; 0 when it has none.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Epochs of the span.
    pub(crate) epochs: u64,
    /// Those of them that were taken in as recorded, not decided again.
    pub(crate) followed: u64,
    /// What was compared with the log; nothing unless that was asked for.
    pub(crate) compared: Compared,
    pub(crate) divergence: Option<Divergence>,
}

/// An engine of the past: what it stands on.
pub(crate) struct Past {
    pub(super) log: Arc<dyn Log>,
    wire: Wire,
    pub(super) settings: Settings,
    closing: CancellationToken,
}

impl Past {
    /// On this log, which is only read.
    ///
    /// # Errors
    /// When the schema registry does not answer.
    pub(crate) fn of(
        log: Arc<dyn Log>,
        settings: Settings,
        closing: CancellationToken,
    ) -> anyhow::Result<Past> {
        let wire = wire::open(&settings.log.schema_registry)?;
        let log = Arc::new(ReadOnly(log));
        Ok(Past { log, wire, settings, closing })
    }

    /// Replays a span, compares each decision when that is asked for, and tells each epoch that was
    /// stepped.
    ///
    /// # Errors
    /// When the log does not answer, or no longer holds what the span was decided from.
    pub(crate) fn replay(
        &self,
        span: Span,
        verify: bool,
        mut told: impl FnMut(&EpochRecord),
    ) -> anyhow::Result<Replayed> {
        let mut follower = self.beginning()?;
        let mut replayed = Replayed::default();
        let mut comparison = None;
        let (log, writer) = (&*self.log, Writer::new(self.wire.codec.clone(), "/setpoint/replay"));
        let each = |stepped: Stepped| {
            let Stepped { record, outcome, is_decided } = stepped;
            told(&record);
            if span.from.is_some_and(|from| !from.has_begun(&record)) {
                return Ok(ControlFlow::Continue(()));
            }
            replayed.count(&record, is_decided);
            if !verify || !is_decided {
                return Ok(ControlFlow::Continue(()));
            }
            if comparison.is_none() {
                comparison = Some(Comparison::from(log, writer.clone(), record.number)?);
            }
            let Some(comparison) = &mut comparison else { return Ok(ControlFlow::Continue(())) };
            replayed.divergence = comparison.compare(&outcome)?;
            replayed.compared = comparison.compared;
            if replayed.divergence.is_none() && outcome.hash != record.decisions_hash {
                replayed.divergence = Some(Divergence::of_hash(&record, &outcome));
            }
            Ok(match replayed.divergence {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            })
        };
        follower.replay_while(log, |next| span.to.is_none_or(|to| to.has_come(next)), each)?;
        Ok(replayed)
    }

    /// The engine as it was behind the last epoch of this moment.
    ///
    /// # Errors
    /// When the log does not answer, or no longer holds what the epochs before were decided from.
    pub(crate) fn at(
        &self,
        moment: Moment,
        mut told: impl FnMut(&Stepped),
    ) -> anyhow::Result<Follower> {
        let mut follower = self.beginning()?;
        let each = |stepped: Stepped| {
            told(&stepped);
            Ok(ControlFlow::Continue(()))
        };
        follower.replay_while(&*self.log, |next| moment.has_come(next), each)?;
        if follower.engine.number() == 0 {
            bail!("there is no epoch at {moment}: the log begins later");
        }
        Ok(follower)
    }

    /// An engine that knows nothing yet, at the beginning of the whole log.
    fn beginning(&self) -> anyhow::Result<Follower> {
        let topics = [Topic::Requests, Topic::Leases, Topic::Epochs];
        let starts =
            self.log.starts(&topics).context("failed to ask for the beginning of the log")?;
        if let Some((topic, partition, start)) = starts.iter().find(|(.., start)| *start > 0) {
            bail!(
                "{topic}/{partition} begins at offset {start}: cleanup took what the first epochs were decided from, so the log cannot be replayed from its beginning"
            );
        }
        let workers = Workers::new(&self.settings, &self.closing)?;
        let policy = &self.settings.engine.policy;
        let engine = Engine::new(workers.views()?, policy.clone());
        let metrics = Arc::new(Metrics::new()?);
        let (wire, closing) = (&self.wire, &self.closing);
        let parts = Parts { policy, workers: &workers, metrics: &metrics, wire, closing };
        Follower::at(&*self.log, engine, Cut::default(), RULES_VERSION.to_owned(), &parts)
    }
}

impl Replayed {
    fn count(&mut self, record: &EpochRecord, is_decided: bool) {
        if self.epochs == 0 {
            self.from = record.number;
        }
        self.to = record.number;
        self.epochs += 1;
        self.followed += u64::from(!is_decided);
    }
}
