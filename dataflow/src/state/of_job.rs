//! A Job by its pods, and a pod by its Job.

use std::sync::Arc;

use setpoint_rules::job_status::Pods;
use setpoint_rules::jobs::Standing;
use setpoint_schemas::{COMPLETION_INDEX, FINISHED, INDEX_FAILURES, JobSpec, LEAVING, Pattern};

use super::job::{JobMemo, OfJob};
use super::pod::{Pod, Rare};
use super::workload::Workload;

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
        let leaving_ms = self.leaving_ms();
        if *job == OfJob::default() && leaving_ms == 0 {
            return revision.clone();
        }
        let mut pattern = Pattern::clone(revision);
        if leaving_ms > 0 {
            pattern.annotations.insert(LEAVING.to_owned(), leaving_ms.to_string());
        }
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

    /// What became of its pods, when it is a Job.
    pub(crate) fn job_standing(&self) -> Option<Standing<'_>> {
        let memo = self.memo.job.as_deref()?;
        let total = self.total();
        let record = &memo.record;
        Some(Standing {
            active: total.live,
            terminating: total.stopping - self.held.leaving.len() as i64,
            succeeded: record.succeeded,
            failed: record.failed,
            completed: &record.completed,
            failed_indexes: &record.failed_indexes,
            started_ms: record.started_ms,
        })
    }

    /// Its status as a Job; `write` writes a time as Kubernetes does.
    pub(crate) fn job_status(&self, write: fn(i64) -> String) -> Option<String> {
        let (spec, memo) = self.job()?;
        let at = self.job_standing()?;
        let ready = self.total().ready;
        let pods = Pods { active: at.active, ready, terminating: at.terminating };
        let kind = (spec.is_indexed(), spec.backoff_limit_per_index.is_some());
        Some(memo.record.status(pods, kind, write))
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
