//! The tallies that planning reads.
//!
//! The views are asked once an epoch, after its inputs. What planning changes then is foreseen: it is
//! added to the tallies by hand, so that the next round sees it, and told to the views, which answer
//! with the same tallies when they are asked in the next epoch. A second answer within the epoch
//! would cost as much as the rest of a decision.
//!
//! Guarantee: after every settle the tallies are those of the views, foreseen or not; the cold step
//! holds that what was foreseen came true.

use crate::decide::Turn;
use crate::views::{PodFact, Status, Tally, Views, WorkloadRevision};

impl<V: Views> Turn<'_, V> {
    /// Brings the views up to date, marks the workloads that they show changed, and withdraws the
    /// pods that lost nodes have.
    pub(crate) fn settle(&mut self) {
        let stranded = self.hear();
        self.is_settled = true;
        self.withdraw_stranded(&stranded);
    }

    /// Brings the views up to date and marks the workloads that they show changed; the pods that
    /// they show stranded.
    pub(crate) fn hear(&mut self) -> Vec<u32> {
        let changes = self.views.settle();
        let mut foreseen = std::mem::take(&mut self.state.foreseen);
        for (revision, tally) in changes.tallies {
            foreseen.remove(&revision);
            self.tally_is(revision, tally.unwrap_or_default());
        }
        // Foreseen and undone by this epoch's inputs: to the views that is no change.
        for (revision, told) in foreseen {
            self.tally_is(revision, told);
        }
        self.state.budgets.settled();
        changes.stranded.iter().filter(|(_, is)| *is).map(|(pod, _)| *pod).collect()
    }

    fn tally_is(&mut self, (id, revision): WorkloadRevision, tally: Tally) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if workload.tallies.get(&revision).copied().unwrap_or_default() == tally {
            return;
        }
        match tally == Tally::default() {
            true => workload.tallies.remove(&revision),
            false => workload.tallies.insert(revision, tally),
        };
        self.state.budgets.count(id, workload);
        self.state.status_dirty.insert(id);
        self.state.mark(id);
        self.dependants_look(id);
    }

    /// A pod's fact changed after the settle, or the pod came or went: its tally as the views will tell it.
    pub(crate) fn foresee(&mut self, before: Option<PodFact>, now: Option<PodFact>) {
        let Some(of) = now.or(before) else { return };
        let is_lost = self.state.node.get(&of.node).is_some_and(|node| node.row.lost);
        let tally = |fact: &PodFact| if is_lost { fact.tally_lost() } else { fact.tally() };
        let revision = (of.workload, of.revision);
        let Some(workload) = self.state.workload.get(&of.workload) else { return };
        let told = workload.tallies.get(&of.revision).copied().unwrap_or_default();
        let mut foreseen = told;
        if let Some(now) = now {
            foreseen.add(&tally(&now), 1);
        }
        if let Some(before) = before {
            foreseen.add(&tally(&before), -1);
        }
        self.state.foreseen.entry(revision).or_insert(told);
        self.tally_is(revision, foreseen);
    }

    /// Whether a workload's tallies are what the cold views count: what was foreseen came true. A
    /// difference is a mistake of ours.
    pub(crate) fn audit_tallies(&self, id: u32, counted: &Status) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let desired = workload.desired_fact.unwrap_or(0);
        let planned_by = Status { desired, pods: workload.total(), updated: workload.updated() };
        debug_assert_eq!(planned_by, *counted, "{} was planned by other tallies", workload.key);
        if planned_by != *counted {
            let workload = workload.key.to_string();
            tracing::error!(workload, ?planned_by, ?counted, "tallies were foreseen wrongly");
        }
    }
}
