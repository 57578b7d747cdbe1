//! Workloads whose pods are done when they end: how those of the current revision did.
//!
//! Absent: Jobs, which count their pods themselves.

use setpoint_schemas::PodPhase;

use super::{Pod, State, Workload};
use crate::views::Standing;

/// How the pods of a workload that runs once have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// How many are done, and did not fail.
    pub(crate) well: i64,
    /// One that failed, by its name.
    pub(crate) failed: Option<String>,
}

impl Done {
    /// What is said of one that failed.
    pub(crate) fn why(&self) -> Option<String> {
        let name = self.failed.as_ref()?;
        Some(format!("pod {name} failed, and what runs once is not started again"))
    }
}

impl State {
    /// How the pods of a workload that runs once have ended; nothing of another one.
    pub(crate) fn done(&self, workload: &Workload) -> Done {
        let mut done = Done::default();
        if !workload.wants.runs_once {
            return done;
        }
        let mut failed: Option<&Pod> = None;
        for pod in workload.pods.iter().filter_map(|id| self.pods.get(id)) {
            if pod.standing != Standing::Ended || pod.revision != workload.memo.current {
                continue;
            }
            let phase = pod.last.as_ref().map(|last| last.phase);
            if phase != Some(PodPhase::Failed) {
                done.well += 1;
            } else if failed.is_none_or(|first| pod.counter < first.counter) {
                failed = Some(pod);
            }
        }
        done.failed = failed.map(|pod| self.pod_name(pod).to_owned());
        done
    }
}
