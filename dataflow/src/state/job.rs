//! What the engine keeps of a Job beside its pods, and of a pod beside what all pods have.
//!
//! Absent: what is decided of them; that is `decide/jobs/`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_rules::job_status::JobRecord;
use setpoint_schemas::{
    COMPLETION_INDEX, FINISHED, INDEX_FAILURES, JobSpec, Pattern, Placement,
};

use super::pod::{Pod, Rare};
use super::workload::Workload;

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
    free_from: u32,
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

impl Pod {
    /// Whether it has finished and was counted: it holds no room, and nothing starts it again.
    pub(crate) fn is_finished(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.job.is_finished)
    }

    /// Which of its Job's completions it is for.
    pub(crate) fn index(&self) -> Option<u32> {
        self.rare.as_ref().and_then(|rare| rare.job.index)
    }

    /// What it has beside other pods.
    pub(crate) fn job_mut(&mut self) -> &mut OfJob {
        &mut self.rare.get_or_insert_with(|| Box::new(Rare::default())).job
    }

    /// What its placement is made of: that of its revision, with what is its own.
    pub(crate) fn pattern_of(&self, revision: &Arc<Pattern>) -> Arc<Pattern> {
        let Some(job) = self.rare.as_ref().map(|rare| &rare.job) else { return revision.clone() };
        if *job == OfJob::default() {
            return revision.clone();
        }
        let mut pattern = Pattern::clone(revision);
        if let Some(index) = job.index {
            let index = index.to_string();
            Arc::make_mut(&mut pattern.labels).insert(COMPLETION_INDEX.to_owned(), index.clone());
            pattern.annotations.insert(COMPLETION_INDEX.to_owned(), index);
        }
        if job.index_failures > 0 {
            let failures = job.index_failures.to_string();
            pattern.annotations.insert(INDEX_FAILURES.to_owned(), failures);
        }
        if job.is_finished {
            pattern.annotations.insert(FINISHED.to_owned(), "true".to_owned());
        }
        Arc::new(pattern)
    }
}

impl Workload {
    /// What it says as a Job, and what is kept of it; `None` for any other kind.
    pub(crate) fn job(&self) -> Option<(&JobSpec, &JobMemo)> {
        self.wants.job.as_deref().zip(self.memo.job.as_deref())
    }

    /// A pod of an index begins to live, or ceases to.
    pub(crate) fn index_lives(&mut self, index: u32, lives: bool) {
        if lives {
            self.held.indexes.insert(index);
        } else {
            self.held.indexes.remove(&index);
            self.held.free_from = self.held.free_from.min(index);
        }
    }

    /// The lowest index that is to be tried now.
    pub(crate) fn next_index(&mut self, now_ms: i64) -> Option<u32> {
        let (spec, memo) = (self.wants.job.as_deref()?, self.memo.job.as_deref()?);
        let all = spec.to_complete().filter(|_| spec.is_indexed())?;
        let record = &memo.record;
        let mut index = if memo.failed.is_empty() { self.held.free_from } else { 0 };
        loop {
            let open = record.failed_indexes.first_gap(record.completed.first_gap(index));
            if i64::from(open) >= all {
                return None;
            }
            let waits = memo.failed.get(&open).is_some_and(|failed| failed.not_before_ms > now_ms);
            if open == index && !waits && !self.held.indexes.contains(&open) {
                self.held.free_from = if memo.failed.is_empty() { open } else { 0 };
                return Some(open);
            }
            index = if open == index { open + 1 } else { open };
        }
    }

    /// Indexes that wait after a failure: how many, and until when the first of them does.
    pub(crate) fn indexes_that_wait(&self, now_ms: i64) -> (i64, Option<i64>) {
        let Some((_, memo)) = self.job() else { return (0, None) };
        let is_open = |index: &u32| {
            let record = &memo.record;
            !record.completed.contains(*index)
                && !record.failed_indexes.contains(*index)
                && !self.held.indexes.contains(index)
        };
        let waits = memo.failed.iter().filter(|(index, _)| is_open(index));
        let waits = waits.map(|(_, failed)| failed.not_before_ms).filter(|at| *at > now_ms);
        waits.fold((0, None), |(count, first): (i64, Option<i64>), at| {
            (count + 1, Some(first.map_or(at, |first| first.min(at))))
        })
    }
}
