//! What the cold dataflow is to learn of workloads, as it waits: a row each, in the order in which they
//! first changed.
//!
//! Guarantee: who is taken is taken whole, so that what the cold views then count of a workload is what
//! the hot ones do; and in turn, so that none waits for ever while others change.

use std::collections::VecDeque;

use differential_dataflow::difference::Semigroup;
use rustc_hash::FxHashMap;

use crate::rows::{Tally, WorkloadRevision};

/// Changes of workloads, added up.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: FxHashMap<u32, OfWorkload>,
    queue: VecDeque<u32>,
}

/// What changed of one workload.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OfWorkload {
    /// How many pods are desired.
    pub(super) desired: i64,
    /// Its revisions, in no order.
    pub(super) revisions: Vec<(u32, OfRevision)>,
}

/// What changed of one revision.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct OfRevision {
    /// Its pods.
    pub(super) tally: Tally,
    /// Whether it is the current one.
    pub(super) current: i64,
}

impl Turns {
    /// A tally changed by this.
    pub(super) fn tally(&mut self, (workload, revision): WorkloadRevision, change: &Tally) {
        self.of(workload).revision(revision).tally.plus_equals(change);
    }

    /// A revision becomes the current one, or ceases to be.
    pub(super) fn current(&mut self, (workload, revision): WorkloadRevision, change: i64) {
        self.of(workload).revision(revision).current += change;
    }

    /// So many more pods are desired.
    pub(super) fn desired(&mut self, workload: u32, change: i64) {
        self.of(workload).desired += change;
    }

    /// Takes the workloads whose turn it is, at most so many.
    pub(super) fn take(&mut self, max: usize) -> impl Iterator<Item = (u32, OfWorkload)> + '_ {
        let due = max.min(self.queue.len());
        let waiting = &mut self.waiting;
        self.queue.drain(..due).filter_map(|id| waiting.remove(&id).map(|row| (id, row)))
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn of(&mut self, workload: u32) -> &mut OfWorkload {
        let queue = &mut self.queue;
        self.waiting.entry(workload).or_insert_with(|| {
            queue.push_back(workload);
            OfWorkload::default()
        })
    }
}

impl OfWorkload {
    fn revision(&mut self, revision: u32) -> &mut OfRevision {
        let found = self.revisions.iter().position(|(number, _)| *number == revision);
        let at = found.unwrap_or_else(|| {
            self.revisions.push((revision, OfRevision::default()));
            self.revisions.len() - 1
        });
        &mut self.revisions[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_changed_first_is_taken_first_and_whole() {
        let live = |live| Tally { live, ..Tally::default() };
        let mut turns = Turns::default();
        turns.tally((7, 1), &live(3));
        turns.desired(2, 5);
        turns.tally((7, 2), &live(1));
        turns.tally((7, 1), &live(-1));
        turns.current((7, 2), 1);
        let first: Vec<_> = turns.take(1).collect();
        let one = OfRevision { tally: live(2), current: 0 };
        let two = OfRevision { tally: live(1), current: 1 };
        assert_eq!(first, [(7, OfWorkload { desired: 0, revisions: vec![(1, one), (2, two)] })]);
        turns.tally((7, 1), &live(1));
        let rest: Vec<u32> = turns.take(9).map(|(id, _)| id).collect();
        assert_eq!(rest, [2, 7]);
        assert!(turns.is_empty());
    }
}
