//! What befalls a journey, and who looks at it.

use std::num::NonZeroUsize;

/// How long and how closely watched a journey is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Ticks with faults.
    pub ticks: usize,
    /// Whether two more engines, over the dataflow and over views from scratch, decide everything as
    /// well.
    pub all_views: bool,
    /// Whether the dataflow on so many workers runs beside all views.
    pub workers: Option<NonZeroUsize>,
    /// An engine is rebuilt from its rows and runs beside for one epoch this often in a thousand.
    pub rebuilt_in_thousand: usize,
    /// Whether the log may be trimmed and the checkpoint lost.
    pub trims: bool,
    /// Whether an engine of other rules follows, and may take over.
    pub stranger: bool,
    /// How many of the last events are told when it fails.
    pub events_told: usize,
    /// Whether people ask for selectors, affinity, taints, ports and spread as well.
    pub choosy: bool,
    /// Whether people give priorities and keep budgets as well.
    pub ranked: bool,
    /// Whether people make pods leave nodes as well.
    pub tainted: bool,
    /// Whether people have Jobs and CronJobs as well.
    pub working: bool,
    /// Whether people have pods with data that stays as well.
    pub claiming: bool,
    /// Whether people have StatefulSets as well.
    pub stateful: bool,
    /// Whether people have pods evicted as well.
    pub drained: bool,
    /// Whether nodes end pods that may run at most once when their time is over.
    pub fenced: bool,
    /// Whether people let failed updates go back as well.
    pub reverting: bool,
    /// Whether workloads wait for others, and pods for what people say of them.
    pub depending: bool,
    /// Whether people bound a namespace by quotas and LimitRanges as well.
    pub bounded: bool,
    /// Whether people own, let go, finalize and delete as well.
    pub owning: bool,
}
