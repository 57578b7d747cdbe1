//! What `/metrics` shows of the engine, by Prometheus' conventions: base units, counters end in
//! `_total`, and every series that can be is there from the start.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};
use setpoint_api::Progress;
use setpoint_dataflow::{Outcome, Overview};
use setpoint_ingest::Entry;
use setpoint_schemas::{Action, Cut, Observation, PodObserved, Topic};

mod actions;

/// From ten microseconds to ten seconds.
const BUCKETS: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 10.0,
];
/// Records of an epoch: up to the most that one takes, and a portion beyond.
const RECORD_BUCKETS: &[f64] = &[0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 12_500.0];
/// Bytes of an epoch's records: up to two reads.
const BYTE_BUCKETS: &[f64] = &[0.0, 1e3, 1e4, 1e5, 1e6, 1e7, 2e7];
/// The ways a request ends.
const REQUEST_OUTCOMES: &[&str] = &["accepted", "refused", "unanswered"];
/// The states of a pod that are counted.
const POD_STATES: &[&str] = &["placed", "ready", "waiting", "stopping"];
/// The kinds of drift.
const DRIFTS: &[&str] = &["missing", "excess", "unavailable", "stopping", "stale", "orphan"];
const ACTIONS: &[Action] = &[
    Action::Accept,
    Action::Refuse,
    Action::Place,
    Action::Wait,
    Action::Stop,
    Action::Restart,
    Action::NodeLost,
    Action::NodeReturned,
    Action::Hold,
    Action::Release,
    Action::Rollout,
];

/// The engine's metrics and the registry that holds them.
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    epochs: IntCounter,
    records: IntCounter,
    dead_letters: IntCounterVec,
    epoch_records: Histogram,
    epoch_bytes: Histogram,
    queue_entries: IntGaugeVec,
    queue_entries_max: IntGaugeVec,
    queue_bytes: IntGaugeVec,
    queue_bytes_max: IntGaugeVec,
    step_seconds: Histogram,
    commit_seconds: Histogram,
    checkpoint_failures: IntCounter,
    request_seconds: HistogramVec,
    placements: IntCounterVec,
    decisions: IntCounterVec,
    actions: IntCounterVec,
    differences: IntCounter,
    epoch: IntGauge,
    term: IntGauge,
    leads: IntGauge,
    ready: IntGauge,
    time_seconds: Gauge,
    lag_records: IntGaugeVec,
    drift_pods: IntGaugeVec,
    pods: IntGaugeVec,
    nodes: IntGaugeVec,
    holds: IntGauge,
}

/// Makes metrics and registers them.
struct Maker(Registry);

impl Maker {
    /// With the metrics of every process, and the version of this one.
    fn new() -> prometheus::Result<Self> {
        let make = Maker(Registry::new());
        make.0.register(Box::new(ProcessCollector::for_self()))?;
        let build = Opts::new("setpoint_build_info", "The version that runs; always 1.")
            .const_label("version", env!("CARGO_PKG_VERSION"))
            .const_label("rules", setpoint_rules::RULES_VERSION);
        make.kept(IntGauge::with_opts(build))?.set(1);
        Ok(make)
    }

    fn kept<C: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> prometheus::Result<C> {
        let made = made?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.kept(IntCounter::new(name, help))
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.kept(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.kept(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        self.kept(IntGaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn histogram(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        self.histogram_of(name, help, BUCKETS)
    }

    fn histogram_of(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> prometheus::Result<Histogram> {
        self.kept(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    fn histograms(&self, name: &str, help: &str, label: &str) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
        self.kept(HistogramVec::new(options, &[label]))
    }
}

impl Metrics {
    /// Everything that the engine counts, each at 0, beside what the process says of itself.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let make = Maker::new()?;
        let metrics = Metrics {
            epochs: make.counter("setpoint_epochs_total", "Epochs committed.")?,
            records: make.counter("setpoint_records_total", "Input records taken into epochs.")?,
            dead_letters: make.counters(
                "setpoint_dead_letters_total",
                "Records that were set aside, by topic.",
                &["topic"],
            )?,
            epoch_records: make.histogram_of(
                "setpoint_epoch_records",
                "Input records of an epoch.",
                RECORD_BUCKETS,
            )?,
            epoch_bytes: make.histogram_of(
                "setpoint_epoch_bytes",
                "What the input records of an epoch take on the log.",
                BYTE_BUCKETS,
            )?,
            queue_entries: make.gauges(
                "setpoint_queue_entries",
                "What waits in a queue of this process.",
                "queue",
            )?,
            queue_entries_max: make.gauges(
                "setpoint_queue_entries_max",
                "What may wait in it at most.",
                "queue",
            )?,
            queue_bytes: make.gauges(
                "setpoint_queue_bytes",
                "What that takes in memory, roughly.",
                "queue",
            )?,
            queue_bytes_max: make.gauges(
                "setpoint_queue_bytes_max",
                "What it may take before nothing more is added.",
                "queue",
            )?,
            step_seconds: make.histogram("setpoint_step_seconds", "Time to decide an epoch.")?,
            commit_seconds: make.histogram(
                "setpoint_commit_seconds",
                "Time until the log acknowledged a commit.",
            )?,
            checkpoint_failures: make.counter(
                "setpoint_checkpoint_failures_total",
                "Checkpoints that were not written, and are tried again.",
            )?,
            request_seconds: make.histograms(
                "setpoint_request_duration_seconds",
                "Time from a request to its verdict.",
                "outcome",
            )?,
            placements: make.counters(
                "setpoint_placements_total",
                "Placements, by what became of them.",
                &["change"],
            )?,
            decisions: make.counters(
                "setpoint_decisions_total",
                "Decisions in the ledger, by action.",
                &["action"],
            )?,
            actions: make.counters(
                "setpoint_actions_total",
                "What agents did to pods, as observed, by kind and outcome.",
                &["kind", "outcome"],
            )?,
            differences: make.counter(
                "setpoint_replay_differences_total",
                "Recorded decisions that this engine's rules would have made otherwise.",
            )?,
            epoch: make.gauge("setpoint_epoch", "The last epoch decided.")?,
            term: make.gauge("setpoint_term", "The present term.")?,
            leads: make.gauge("setpoint_leader", "Whether this engine leads: 1 or 0.")?,
            ready: make.gauge("setpoint_ready", "Whether its answers are current: 1 or 0.")?,
            time_seconds: make.kept(Gauge::new(
                "setpoint_engine_time_seconds",
                "Engine time of the last epoch, since 1970.",
            ))?,
            lag_records: make.kept(IntGaugeVec::new(
                Opts::new(
                    "setpoint_lag_records",
                    "Input records on the log that no epoch has taken yet.",
                ),
                &["topic", "partition"],
            ))?,
            drift_pods: make.gauges(
                "setpoint_drift_pods",
                "Pods that are not as desired, by kind of drift.",
                "kind",
            )?,
            pods: make.gauges("setpoint_pods", "Pods, by state.", "state")?,
            nodes: make.gauges("setpoint_nodes", "Nodes, by state.", "state")?,
            holds: make.gauge("setpoint_holds", "Reasons for which replacements are held.")?,
            registry: make.0,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// A series that appears only with its first event hides that event from `rate`.
    fn begin_at_zero(&self) {
        for topic in Topic::INPUTS {
            self.dead_letters.with_label_values(&[topic.name()]);
        }
        for outcome in REQUEST_OUTCOMES {
            self.request_seconds.with_label_values(&[outcome]);
        }
        for change in ["placed", "withdrawn"] {
            self.placements.with_label_values(&[change]);
        }
        for action in ACTIONS {
            self.decisions.with_label_values(&[&format!("{action:?}")]);
        }
        for (kind, outcome) in actions::ALL {
            self.actions.with_label_values(&[kind, outcome]);
        }
    }

    /// An epoch was decided.
    pub(crate) fn stepped(
        &self,
        outcome: &Outcome,
        (records, bytes): (usize, usize),
        took: Duration,
    ) {
        self.records.inc_by(u64::try_from(records).unwrap_or(0));
        self.epoch_records.observe(records as f64);
        self.epoch_bytes.observe(bytes as f64);
        self.step_seconds.observe(took.as_secs_f64());
        self.epoch.set(outcome.number);
        self.term.set(outcome.term);
        for change in &outcome.placements {
            let change = if change.placement.is_some() { "placed" } else { "withdrawn" };
            self.placements.with_label_values(&[change]).inc();
        }
        for decision in &outcome.decisions {
            self.decisions.with_label_values(&[&format!("{:?}", decision.action())]).inc();
        }
    }

    /// So many recorded decisions would have been others.
    pub(crate) fn differed(&self, differences: usize) {
        self.differences.inc_by(u64::try_from(differences).unwrap_or(0));
    }

    /// Epochs were acknowledged together.
    pub(crate) fn committed(&self, epochs: usize, took: Duration) {
        self.epochs.inc_by(u64::try_from(epochs).unwrap_or(0));
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// A checkpoint was not written.
    pub(crate) fn checkpoint_failed(&self) {
        self.checkpoint_failures.inc();
    }

    /// Records were set aside; a letter's key begins with the record's topic.
    pub(crate) fn set_aside(&self, letters: &[Entry]) {
        for letter in letters {
            let key = String::from_utf8_lossy(&letter.key);
            let topic = key.split('/').next().unwrap_or_default();
            self.dead_letters.with_label_values(&[topic]).inc();
        }
    }

    /// A request was answered, or nobody answered it.
    pub(crate) fn answered(&self, outcome: &str, took: Duration) {
        self.request_seconds.with_label_values(&[outcome]).observe(took.as_secs_f64());
    }

    /// A pod was observed, which had come so far; `whole` is all that was observed of it then.
    pub(crate) fn observed(
        &self,
        before: Option<Progress>,
        now: &Observation,
        whole: impl FnOnce() -> Option<PodObserved>,
    ) {
        for (kind, outcome, times) in actions::between(before, now, whole) {
            self.actions.with_label_values(&[kind, outcome]).inc_by(times);
        }
    }

    /// Nothing is left of a pod.
    pub(crate) fn pod_gone(&self) {
        self.actions.with_label_values(&["stop", "ok"]).inc();
    }

    /// What the fleet lacks, as of the last cold step.
    pub(crate) fn overview(&self, overview: &Overview) {
        let (fleet, pods) = (&overview.fleet, &overview.fleet.workloads.pods);
        let unavailable = pods.live - pods.available;
        let stale = fleet.workloads.stale();
        let amounts =
            [fleet.missing, fleet.excess, unavailable, pods.stopping, stale, fleet.nodes.orphans];
        for (kind, amount) in DRIFTS.iter().zip(amounts) {
            self.drift_pods.with_label_values(&[kind]).set(amount);
        }
    }

    /// How far the epochs are behind the log: the sum over all partitions.
    pub(crate) fn lags(&self, taken: &Cut, ends: &Cut) -> i64 {
        let mut sum = 0;
        for (topic, partition, end) in ends.iter() {
            let behind = (end - taken.next(topic, partition)).max(0);
            let labels = [topic.name(), &partition.to_string()];
            self.lag_records.with_label_values(&labels).set(behind);
            sum += behind;
        }
        sum
    }

    /// So much waits in a queue, of so much that may: (entries, their bound), (bytes, their bound).
    pub(crate) fn queued(&self, queue: &str, entries: (usize, usize), bytes: (usize, usize)) {
        self.queue_entries.with_label_values(&[queue]).set(count(entries.0));
        self.queue_entries_max.with_label_values(&[queue]).set(count(entries.1));
        self.queue_bytes.with_label_values(&[queue]).set(count(bytes.0));
        self.queue_bytes_max.with_label_values(&[queue]).set(count(bytes.1));
    }

    /// What is served.
    pub(crate) fn served(&self, summary: &setpoint_api::Summary) {
        self.epoch.set(summary.epoch);
        self.term.set(summary.term);
        self.leads.set(i64::from(summary.role == "leader"));
        self.ready.set(i64::from(summary.ready));
        self.time_seconds.set(summary.time_ms as f64 / 1_000.0);
        self.holds.set(count(summary.holds.len()));
        let pods = [summary.placed, summary.pods_ready, summary.waiting, summary.stopping];
        for (state, pods) in POD_STATES.iter().zip(pods) {
            self.pods.with_label_values(&[state]).set(count(pods));
        }
        let lost = summary.nodes_lost;
        self.nodes.with_label_values(&["live"]).set(count(summary.nodes.saturating_sub(lost)));
        self.nodes.with_label_values(&["lost"]).set(count(lost));
    }
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}
