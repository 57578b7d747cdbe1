//! What `/metrics` shows of the engine.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use setpoint_dataflow::Outcome;

/// From ten microseconds to ten seconds.
const BUCKETS: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 10.0,
];

/// The engine's metrics and the registry that holds them.
pub(super) struct Metrics {
    pub(super) registry: Registry,
    epochs: IntCounter,
    records: IntCounter,
    step_seconds: Histogram,
    commit_seconds: Histogram,
    placements: IntCounterVec,
    decisions: IntCounterVec,
    epoch: IntGauge,
    term: IntGauge,
}

impl Metrics {
    /// A registry with the process's own metrics.
    pub(super) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let histogram = |name: &str, help: &str| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()))
        };
        let metrics = Metrics {
            epochs: IntCounter::new("setpoint_epochs_total", "Epochs committed.")?,
            records: IntCounter::new("setpoint_records_total", "Input records taken into epochs.")?,
            step_seconds: histogram("setpoint_step_seconds", "Time to decide an epoch.")?,
            commit_seconds: histogram(
                "setpoint_commit_seconds",
                "Time until the log acknowledged a commit.",
            )?,
            placements: IntCounterVec::new(
                Opts::new("setpoint_placements_total", "Placements by change."),
                &["change"],
            )?,
            decisions: IntCounterVec::new(
                Opts::new("setpoint_decisions_total", "Decisions by action."),
                &["action"],
            )?,
            epoch: IntGauge::new("setpoint_epoch", "The last epoch decided.")?,
            term: IntGauge::new("setpoint_term", "The present term.")?,
            registry,
        };
        for collector in metrics.collectors() {
            metrics.registry.register(collector)?;
        }
        Ok(metrics)
    }

    fn collectors(&self) -> Vec<Box<dyn prometheus::core::Collector>> {
        vec![
            Box::new(self.epochs.clone()),
            Box::new(self.records.clone()),
            Box::new(self.step_seconds.clone()),
            Box::new(self.commit_seconds.clone()),
            Box::new(self.placements.clone()),
            Box::new(self.decisions.clone()),
            Box::new(self.epoch.clone()),
            Box::new(self.term.clone()),
        ]
    }

    /// An epoch was decided.
    pub(super) fn stepped(&self, outcome: &Outcome, records: usize, took: Duration) {
        self.records.inc_by(u64::try_from(records).unwrap_or(0));
        self.step_seconds.observe(took.as_secs_f64());
        self.epoch.set(outcome.number);
        self.term.set(outcome.term);
        for change in &outcome.placements {
            let change = if change.placement.is_some() { "placed" } else { "withdrawn" };
            self.placements.with_label_values(&[change]).inc();
        }
        for decision in &outcome.decisions {
            self.decisions.with_label_values(&[&format!("{:?}", decision.action)]).inc();
        }
    }

    /// Epochs were acknowledged together.
    pub(super) fn committed(&self, epochs: usize, took: Duration) {
        self.epochs.inc_by(u64::try_from(epochs).unwrap_or(0));
        self.commit_seconds.observe(took.as_secs_f64());
    }
}
