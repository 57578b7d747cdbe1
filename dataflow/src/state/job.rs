//! What the engine keeps of a Job beside its pods, and of a pod beside what all pods have.
//!
//! Absent: what is decided of them; that is `decide/jobs/`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use setpoint_rules::job_status::JobRecord;
use setpoint_schemas::{COMPLETION_INDEX, INDEX_FAILURES, Placement};

/// What the checkpoint keeps of a Job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobMemo {
    /// What became of it, as its status says.
    pub(crate) record: JobRecord,
    /// How many pods it is to have, as it was found when it was looked at last.
    pub(crate) wanted: i64,
    /// Indexes that failed and are tried again.
    pub(crate) failed: BTreeMap<u32, IndexFailures>,
}

/// How often an index failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexFailures {
    pub(crate) count: u32,
    /// No new pod for it before this engine time.
    pub(crate) not_before_ms: i64,
}

/// What follows from a Job's pods.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The indexes that live pods have.
    pub(crate) indexes: BTreeSet<u32>,
    /// Below this one none is free; a hint, from which the search begins.
    pub(super) free_from: u32,
    /// Pods that have finished and whose placements are withdrawn, by number.
    pub(crate) leaving: BTreeSet<u32>,
}

/// What a pod of a Job has beside others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfJob {
    /// Which of its Job's completions it is for.
    pub(crate) index: Option<u32>,
    /// How often that failed before.
    pub(crate) index_failures: u32,
    /// Whether it has finished and was counted.
    pub(crate) is_finished: bool,
}

impl Held {
    /// What succeeded and what failed is other than it was: the lowest free index is searched anew.
    pub(crate) fn search_anew(&mut self) {
        self.free_from = 0;
    }
}

impl OfJob {
    /// As a placement says.
    pub(crate) fn of(placement: &Placement) -> OfJob {
        let annotations = &placement.pattern.annotations;
        let number = |name: &str| annotations.get(name).and_then(|text| text.parse().ok());
        OfJob {
            index: number(COMPLETION_INDEX),
            index_failures: number(INDEX_FAILURES).unwrap_or(0),
            is_finished: placement.is_finished(),
        }
    }
}
