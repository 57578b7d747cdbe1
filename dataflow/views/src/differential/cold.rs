//! The cold dataflow: what people look at, made from facts and from one of the hot views.
//!
//! The pods wait at the workers that count them, everything else at the first one. A tick that the
//! first worker sends calls them in, so that the others need no clock.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::difference::IsZero;
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::{CountTotal, ThresholdTotal};
use differential_dataflow::{AsCollection, Data, VecCollection};
use timely::dataflow::operators::core::Map;
use timely::worker::Worker;

use super::crew::Crew;
use super::hot::ForCold;
use super::noted::pods_at;
use super::outbox::{Outbox, Reached, Waiting, advance, deliver};
use super::turns::{OfRevision, OfWorkload, Turns};
use crate::facts::{Fact, NodeFact};
use crate::rows::{
    ColdChanges, Fleet, NodeRollup, Rollup, Sighting, Status, Tally, WorkloadRevision,
};

/// The cold dataflow's inputs, what waits for them, and what it tells.
pub(super) struct Cold {
    time: u64,
    workers: u32,
    inputs: Inputs,
    waiting: WaitingFacts,
    /// What changed of workloads, the tallies of the hot dataflow among it.
    workloads: Rc<RefCell<Turns>>,
    reached: Reached,
    told: Told,
}

struct Inputs {
    tallies: InputSession<u64, WorkloadRevision, Tally>,
    desired: InputSession<u64, u32, i64>,
    current: InputSession<u64, WorkloadRevision, i64>,
    /// One tick a worker: its pods are to come in.
    ticks: InputSession<u64, u32, i64>,
    nodes: InputSession<u64, NodeFact, i64>,
    lost: InputSession<u64, u32, i64>,
    seen: InputSession<u64, Sighting, i64>,
}

impl Inputs {
    /// Gives what changed of a workload.
    fn workload(&mut self, id: u32, row: OfWorkload) {
        if row.desired != 0 {
            self.desired.update(id, row.desired);
        }
        for (revision, OfRevision { tally, current }) in row.revisions {
            if !tally.is_zero() {
                self.tallies.update((id, revision), tally);
            }
            if current != 0 {
                self.current.update((id, revision), current);
            }
        }
    }
}

#[derive(Default)]
struct WaitingFacts {
    nodes: Waiting<NodeFact>,
    lost: Waiting<u32>,
    seen: Waiting<Sighting>,
}

/// Where the views arrive.
#[derive(Default)]
struct Told {
    statuses: Outbox<(u32, Status)>,
    stale: Outbox<(WorkloadRevision, i64)>,
    orphans: Outbox<(Sighting, ())>,
    nodes: Outbox<(u32, NodeRollup)>,
    namespaces: Outbox<(u32, Rollup)>,
    fleet: Outbox<((), Fleet)>,
}

impl Cold {
    pub(super) fn new(worker: &mut Worker, hot: ForCold) -> Cold {
        let told = Told::default();
        let reached = Reached::default();
        let inputs = worker.dataflow(|scope| {
            let (tallies_in, tallies) = scope.new_collection::<WorkloadRevision, Tally>();
            let (desired_in, desired) = scope.new_collection::<u32, i64>();
            let (current_in, current) = scope.new_collection::<WorkloadRevision, i64>();
            let (ticks_in, ticks) = scope.new_collection::<u32, i64>();
            let (nodes_in, nodes) = scope.new_collection::<NodeFact, i64>();
            let (lost_in, lost) = scope.new_collection::<u32, i64>();
            let (seen_in, seen) = scope.new_collection::<Sighting, i64>();

            let pods = pods_at(ticks.inner, hot.pods);
            let places = pods.places.as_collection();
            let keyed = tallies.clone().map(|revision| (revision, ()));
            let updated = keyed.semijoin(current).map(|(revision, ())| revision);
            let stale = stale(tallies.clone(), updated.clone());
            let statuses = statuses(tallies, updated, desired);
            let orphans = orphans(seen, places);
            let requested = pods.nodes.as_collection();
            let nodes = node_rollups(requested, nodes, lost, orphans.clone());
            let namespaces = pods.namespaces.as_collection().count_total_core();

            let of_workloads = statuses.clone().explode(|(_, row)| [((), Fleet::of_workload(row))]);
            let of_nodes = nodes.clone().explode(|(_, row)| [((), Fleet::of_node(row))]);
            deliver(statuses, &told.statuses, &reached);
            deliver(stale, &told.stale, &reached);
            deliver(orphans.map(|pod| (pod, ())), &told.orphans, &reached);
            deliver(nodes, &told.nodes, &reached);
            deliver(namespaces, &told.namespaces, &reached);
            deliver(of_workloads.concat(of_nodes).count_total_core(), &told.fleet, &reached);
            Inputs {
                tallies: tallies_in,
                desired: desired_in,
                current: current_in,
                ticks: ticks_in,
                nodes: nodes_in,
                lost: lost_in,
                seen: seen_in,
            }
        });
        let workers = u32::try_from(worker.peers()).unwrap_or(u32::MAX);
        let (waiting, workloads) = (WaitingFacts::default(), hot.workloads);
        Cold { time: 0, workers, inputs, waiting, workloads, reached, told }
    }

    /// Takes note of a fact; nothing runs before the cold step. Pods are noted where they are
    /// counted.
    pub(super) fn note(&mut self, fact: &Fact, difference: i64) {
        let waiting = &mut self.waiting;
        match *fact {
            Fact::Desired { workload, replicas } => {
                self.workloads.borrow_mut().desired(workload, difference * replicas);
            }
            Fact::Current { workload, revision } => {
                self.workloads.borrow_mut().current((workload, revision), difference);
            }
            Fact::Pod(_) => {}
            Fact::Node(node) => waiting.nodes.push(node, difference),
            Fact::Lost { node } => waiting.lost.push(node, difference),
            Fact::Seen(sighting) => waiting.seen.push(sighting, difference),
        }
    }

    /// Brings the views up to date, the hot ones being so, with at most so many workloads; whether
    /// some are left over. The invariant of the clock holds here too.
    pub(super) fn run(&mut self, crew: &mut Crew, workloads_max: usize) -> bool {
        let (inputs, waiting) = (&mut self.inputs, &mut self.waiting);
        let mut workloads = self.workloads.borrow_mut();
        workloads.take(workloads_max).for_each(|(id, row)| inputs.workload(id, row));
        let is_left = !workloads.is_empty();
        drop(workloads);
        waiting.nodes.pour(&mut inputs.nodes);
        waiting.lost.pour(&mut inputs.lost);
        waiting.seen.pour(&mut inputs.seen);
        (0..self.workers).for_each(|worker| inputs.ticks.update(worker, 1));
        self.time += 1;
        advance(&mut inputs.tallies, self.time);
        advance(&mut inputs.desired, self.time);
        advance(&mut inputs.current, self.time);
        advance(&mut inputs.ticks, self.time);
        advance(&mut inputs.nodes, self.time);
        advance(&mut inputs.lost, self.time);
        advance(&mut inputs.seen, self.time);
        crew.work_until(|| self.reached.all(self.time));
        is_left
    }

    /// What changed since this was last asked.
    pub(super) fn changes(&self) -> ColdChanges {
        let orphans = self.told.orphans.net();
        let fleet = self.told.fleet.net();
        ColdChanges {
            statuses: self.told.statuses.net(),
            stale: self.told.stale.net(),
            orphans: orphans.into_iter().map(|(pod, row)| (pod, row.is_some())).collect(),
            nodes: self.told.nodes.net(),
            namespaces: self.told.namespaces.net(),
            fleet: fleet.into_iter().next().map(|((), row)| row.unwrap_or_default()),
        }
    }
}

type Rows<'scope, D> = VecCollection<'scope, u64, D, i64>;
type Tallies<'scope> = VecCollection<'scope, u64, WorkloadRevision, Tally>;

/// The same changes, counted otherwise.
fn recounted<'scope, K: Data, R: Clone + 'static, L: Data, S: Clone + 'static>(
    counted: VecCollection<'scope, u64, K, R>,
    count: impl Fn(K, R) -> (L, S) + 'static,
) -> VecCollection<'scope, u64, L, S> {
    let recount = move |(key, time, row)| {
        let (key, row) = count(key, row);
        (key, time, row)
    };
    counted.inner.map(recount).as_collection()
}

/// Live pods of what is not the current revision.
fn stale<'scope>(
    tallies: Tallies<'scope>,
    updated: Tallies<'scope>,
) -> Rows<'scope, (WorkloadRevision, i64)> {
    let live = recounted(tallies, |revision, tally| (revision, tally.live));
    let updated = recounted(updated, |revision, tally| (revision, -tally.live));
    live.concat(updated).count_total_core()
}

/// A workload's pods, those of its current revision, and what is desired of it.
fn statuses<'scope>(
    tallies: Tallies<'scope>,
    updated: Tallies<'scope>,
    desired: Rows<'scope, u32>,
) -> Rows<'scope, (u32, Status)> {
    let all = recounted(tallies, |(id, _), pods| (id, Status { pods, ..empty() }));
    let new = recounted(updated, |(id, _), updated| (id, Status { updated, ..empty() }));
    let wanted = recounted(desired, |id, desired| (id, Status { desired, ..empty() }));
    all.concat(new).concat(wanted).count_total_core()
}

fn empty() -> Status {
    Status::default()
}

/// What is seen and not placed. A pod that is both cancels out, so that of a healthy fleet nothing
/// is kept here.
fn orphans<'scope>(
    seen: Rows<'scope, Sighting>,
    places: Rows<'scope, Sighting>,
) -> Rows<'scope, Sighting> {
    seen.concat(places.negate()).threshold_total(|_, n| i64::from(*n > 0))
}

fn node_rollups<'scope>(
    requested: VecCollection<'scope, u64, u32, NodeRollup>,
    nodes: Rows<'scope, NodeFact>,
    lost: Rows<'scope, u32>,
    orphans: Rows<'scope, Sighting>,
) -> Rows<'scope, (u32, NodeRollup)> {
    let row = NodeRollup::default;
    let allocatable = nodes.explode(|node| [(node.node, node.rollup())]);
    let lost = lost.explode(move |node| [(node, NodeRollup { lost: 1, ..row() })]);
    let orphans = orphans.explode(move |(node, _)| [(node, NodeRollup { orphans: 1, ..row() })]);
    requested.concat(allocatable).concat(lost).concat(orphans).count_total_core()
}
