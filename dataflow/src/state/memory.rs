//! What a workload remembers of its current revision that no status and no placement says.
//!
//! Guarantee: whenever it becomes another, the workload is among those of whom more may have to be told
//! (`memory_dirty`), so that an engine from the checkpoint tells it in the same step as the one that ran through.
//! Absent: Jobs, whose pauses begin anew.

use setpoint_rules::memory::Memory;

use super::{Workload, WorkloadKind, WorkloadMemo};

impl WorkloadKind {
    /// Whether its pods make way for those of another revision.
    pub(crate) fn rolls(self) -> bool {
        matches!(self, WorkloadKind::Rolling | WorkloadKind::Stateful | WorkloadKind::Daemon)
    }
}

impl Workload {
    /// What its resource is to say of it; nothing where there is nothing to remember.
    pub(crate) fn memory(&self) -> Option<Memory> {
        if !self.kind.rolls() && self.kind != WorkloadKind::Keep {
            return None;
        }
        let memo = &self.memo;
        let is_healthy = memo.history.last().is_some_and(|last| last.healthy);
        let is_judged = self.wants.progress_limit_ms.is_some() && self.kind.rolls();
        // While it stands still the clock does, too, and begins anew when it goes on.
        let stands_still = self.wants.paused || !memo.watch.halted.is_empty();
        let is_under_way = is_judged && !memo.complete && !stands_still;
        let memory = Memory {
            progress_ms: if is_under_way { memo.progress_ms } else { 0 },
            stuck: is_under_way && memo.stuck,
            complete: memo.complete && !is_healthy,
            halted: memo.watch.halted.clone(),
            not_before_ms: memo.not_before_ms,
            rescheduled: memo.rescheduled.clone(),
        };
        memory.worth_telling()
    }
}

impl WorkloadMemo {
    /// Remembers what a resource says of its current revision, as of this engine time. What is said of none has
    /// all of its time.
    pub(crate) fn remember(&mut self, memory: Memory, now_ms: i64) {
        let Memory { progress_ms, stuck, complete, halted, not_before_ms, rescheduled } = memory;
        self.progress_ms = if progress_ms > 0 { progress_ms.min(now_ms) } else { now_ms };
        self.stuck = stuck;
        self.watch.over = self.history.last().is_some_and(|last| last.healthy);
        self.complete = complete || self.watch.over;
        self.watch.halted = halted;
        self.not_before_ms = not_before_ms;
        self.rescheduled = rescheduled;
    }
}
