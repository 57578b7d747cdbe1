//! The hot dataflow: what every epoch needs.

use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::CountTotal;
use timely::worker::Worker;

use super::outbox::{Outbox, Reached, advance, deliver};
use crate::facts::PodFact;
use crate::rows::{Allocation, Changes, Tally, WorkloadRevision};

/// The hot dataflow's inputs and what it tells.
pub(super) struct Hot {
    time: u64,
    /// Whether a fact changed since it last ran; without one there is nothing to run.
    moved: bool,
    pub(super) desired: InputSession<u64, u32, i64>,
    pub(super) pods: InputSession<u64, PodFact, i64>,
    pub(super) lost: InputSession<u64, u32, i64>,
    reached: Reached,
    told: Told,
}

/// Where the views arrive. The cold dataflow is made from two of them.
#[derive(Default, Clone)]
struct Told {
    tallies: Outbox<(WorkloadRevision, Tally)>,
    drift: Outbox<(u32, i64)>,
    stranded: Outbox<(u32, ())>,
    allocation: Outbox<(u32, Allocation)>,
}

/// Two hot views as the cold dataflow takes them in: when it runs, not when they change.
#[derive(Default, Clone)]
pub(super) struct ForCold {
    pub(super) tallies: Outbox<(WorkloadRevision, Tally)>,
    pub(super) allocation: Outbox<(u32, Allocation)>,
}

impl Hot {
    pub(super) fn new(worker: &mut Worker, cold: &ForCold) -> Hot {
        let told = Told::default();
        let reached = Reached::default();
        let (desired, pods, lost) = worker.dataflow(|scope| {
            let (desired_in, desired) = scope.new_collection::<u32, i64>();
            let (pods_in, pods) = scope.new_collection::<PodFact, i64>();
            let (lost_in, lost) = scope.new_collection::<u32, i64>();

            let live = pods.clone().filter(PodFact::is_live);
            let live_stranded =
                live.clone().map(|pod| (pod.node, pod)).semijoin(lost).map(|(_, pod)| pod);

            let moved = live_stranded
                .clone()
                .explode(|pod| [(key(&pod), less(pod.tally_lost(), &pod.tally()))]);
            let tally = pods
                .clone()
                .explode(|pod| [(key(&pod), pod.tally())])
                .concat(moved)
                .count_total_core::<i64>();
            let short = desired
                .concat(live.map(|pod| pod.workload).negate())
                .concat(live_stranded.clone().map(|pod| pod.workload))
                .count_total_core::<i64>();
            let reserved =
                pods.explode(|pod| [(pod.node, pod.allocation())]).count_total_core::<i64>();

            deliver(tally, &[&told.tallies, &cold.tallies], &reached);
            deliver(short, &[&told.drift], &reached);
            deliver(live_stranded.map(|pod| (pod.pod, ())), &[&told.stranded], &reached);
            deliver(reserved, &[&told.allocation, &cold.allocation], &reached);
            (desired_in, pods_in, lost_in)
        });
        Hot { time: 0, moved: false, desired, pods, lost, reached, told }
    }

    /// A fact is about to change.
    pub(super) fn touch(&mut self) {
        self.moved = true;
    }

    /// Brings the views up to date. The invariant of the clock: every input is advanced **and**
    /// flushed, or the ends never hear of it.
    pub(super) fn run(&mut self, worker: &mut Worker) {
        if !std::mem::take(&mut self.moved) {
            return;
        }
        self.time += 1;
        advance(&mut self.desired, self.time);
        advance(&mut self.pods, self.time);
        advance(&mut self.lost, self.time);
        while !self.reached.all(self.time) {
            worker.step();
        }
    }

    /// What changed since this was last asked.
    pub(super) fn changes(&self) -> Changes {
        let stranded = self.told.stranded.net();
        Changes {
            tallies: self.told.tallies.net(),
            drift: self.told.drift.net(),
            stranded: stranded.into_iter().map(|(pod, row)| (pod, row.is_some())).collect(),
            allocation: self.told.allocation.net(),
        }
    }
}

fn key(pod: &PodFact) -> WorkloadRevision {
    (pod.workload, pod.revision)
}

fn less(mut tally: Tally, other: &Tally) -> Tally {
    tally.add(other, -1);
    tally
}
