//! The cold views by hand: what changed is remembered, and worked off at the cold step.

use std::collections::{BTreeMap, HashMap};

use super::View;
use crate::facts::{NodeFact, PodFact};
use crate::rows::{
    ColdChanges, Fleet, NodeRollup, Rollup, Sighting, Status, Tally, WorkloadRevision,
};

/// The cold views, and what has changed since they were brought up to date.
#[derive(Debug, Default)]
pub(super) struct Cold {
    /// Tallies as they stood at the last cold step, of those that were touched since.
    tallies: HashMap<WorkloadRevision, Tally>,
    moved: Moved,
    /// The current revision of each workload at the last cold step.
    current: HashMap<u32, u32>,
    /// Sightings less placements, where they differ.
    seen: HashMap<Sighting, i64>,
    statuses: View<u32, Status>,
    stale: View<WorkloadRevision, i64>,
    orphans: View<Sighting, i64>,
    nodes: View<u32, NodeRollup>,
    namespaces: View<u32, Rollup>,
    fleet: View<(), Fleet>,
}

/// Facts that changed since the last cold step.
#[derive(Debug, Default)]
struct Moved {
    desired: HashMap<u32, i64>,
    current: BTreeMap<WorkloadRevision, i64>,
    nodes: HashMap<u32, NodeRollup>,
    sightings: Vec<(Sighting, i64)>,
}

impl Cold {
    /// A tally is about to change from this.
    pub(super) fn tally(&mut self, revision: WorkloadRevision, before: Tally) {
        self.tallies.entry(revision).or_insert(before);
    }

    pub(super) fn pod(&mut self, pod: &PodFact, sign: i64) {
        self.moved.sightings.push((pod.place(), -sign));
        self.moved.nodes.entry(pod.node).or_default().add(&pod.reservation(), sign);
        if pod.is_live() {
            self.namespaces.change(pod.namespace, |row| row.add(&pod.rollup(), sign));
        }
    }

    pub(super) fn desired(&mut self, workload: u32, change: i64) {
        *self.moved.desired.entry(workload).or_default() += change;
    }

    pub(super) fn current(&mut self, revision: WorkloadRevision, sign: i64) {
        *self.moved.current.entry(revision).or_default() += sign;
    }

    pub(super) fn node(&mut self, node: &NodeFact, sign: i64) {
        self.moved.nodes.entry(node.node).or_default().add(&node.rollup(), sign);
    }

    pub(super) fn lost(&mut self, node: u32, sign: i64) {
        self.moved.nodes.entry(node).or_default().lost += sign;
    }

    pub(super) fn seen(&mut self, sighting: Sighting, sign: i64) {
        self.moved.sightings.push((sighting, sign));
    }

    /// What changed, by the hot rows as they stand.
    pub(super) fn settle(&mut self, tallies: &View<WorkloadRevision, Tally>) -> ColdChanges {
        self.work_off_tallies(tallies);
        self.work_off_current(tallies);
        for (workload, change) in std::mem::take(&mut self.moved.desired) {
            self.status(workload, |row| row.desired += change);
        }
        for (node, change) in std::mem::take(&mut self.moved.nodes) {
            self.rollup(node, |row| row.add(&change, 1));
        }
        self.work_off_sightings();
        let orphans = self.orphans.settle();
        let fleet = self.fleet.settle();
        ColdChanges {
            statuses: self.statuses.settle(),
            stale: self.stale.settle(),
            orphans: orphans.into_iter().map(|(pod, row)| (pod, row.is_some())).collect(),
            nodes: self.nodes.settle(),
            namespaces: self.namespaces.settle(),
            fleet: fleet.first().map(|((), row)| row.unwrap_or_default()),
        }
    }

    /// Each tally's change, counted as the current revision's or as stale by what was current at
    /// the last cold step.
    fn work_off_tallies(&mut self, tallies: &View<WorkloadRevision, Tally>) {
        for (revision, before) in std::mem::take(&mut self.tallies) {
            let mut change = tallies.row(&revision);
            change.add(&before, -1);
            let is_current = self.current.get(&revision.0) == Some(&revision.1);
            self.status(revision.0, |row| {
                row.pods.add(&change, 1);
                row.updated.add(&change, i64::from(is_current));
            });
            if !is_current {
                self.stale.change(revision, |row| *row += change.live);
            }
        }
    }

    /// What became current, or ceased to be, with its whole tally.
    fn work_off_current(&mut self, tallies: &View<WorkloadRevision, Tally>) {
        for (revision, sign) in std::mem::take(&mut self.moved.current) {
            let tally = tallies.row(&revision);
            self.status(revision.0, |row| row.updated.add(&tally, sign));
            self.stale.change(revision, |row| *row -= sign * tally.live);
            if sign > 0 {
                self.current.insert(revision.0, revision.1);
            } else if sign < 0 && self.current.get(&revision.0) == Some(&revision.1) {
                self.current.remove(&revision.0);
            }
        }
    }

    fn work_off_sightings(&mut self) {
        for (sighting, change) in std::mem::take(&mut self.moved.sightings) {
            let count = self.seen.entry(sighting).or_default();
            let before = *count > 0;
            *count += change;
            let now = *count > 0;
            if *count == 0 {
                self.seen.remove(&sighting);
            }
            if now != before {
                let change = i64::from(now) - i64::from(before);
                self.orphans.change(sighting, |row| *row += change);
                self.rollup(sighting.0, |row| row.orphans += change);
            }
        }
    }

    fn status(&mut self, workload: u32, change: impl FnOnce(&mut Status)) {
        let before = Fleet::of_workload(self.statuses.row(&workload));
        self.statuses.change(workload, change);
        let now = Fleet::of_workload(self.statuses.row(&workload));
        self.in_fleet(&before, &now);
    }

    fn rollup(&mut self, node: u32, change: impl FnOnce(&mut NodeRollup)) {
        let before = Fleet::of_node(self.nodes.row(&node));
        self.nodes.change(node, change);
        let now = Fleet::of_node(self.nodes.row(&node));
        self.in_fleet(&before, &now);
    }

    fn in_fleet(&mut self, before: &Fleet, now: &Fleet) {
        self.fleet.change((), |row| {
            row.add(before, -1);
            row.add(now, 1);
        });
    }
}
