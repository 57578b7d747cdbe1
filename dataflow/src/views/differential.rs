//! The views as a dataflow: hot in every epoch, cold when asked.
//!
//! Counts live in the difference, projections stand before arrangements. The invariant of the
//! clock: every input is advanced **and** flushed at every settle, or the probe never moves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::CountTotal;
use timely::communication::Allocator;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::Views;
use super::facts::{Allocation, Changes, Fact, PodFact, Rollup, Tally, WorkloadRevision};

/// live, ready, available | stopping, ended, stranded: a tally as a difference.
type TallyDiff = ((isize, isize, isize), (isize, isize, isize));
/// cpu, memory, pods: an allocation as a difference.
type AllocationDiff = (isize, isize, isize);
/// pods, ready, cpu, memory: a rollup as a difference.
type RollupDiff = (isize, isize, isize, isize);

/// Where a view's changes arrive: key and value with a difference.
type Outbox<K, V> = Rc<RefCell<Vec<((K, V), isize)>>>;

/// The dataflow, with its worker.
pub struct Differential {
    worker: Worker,
    time: u64,
    cold_time: u64,
    /// Whether a fact changed since the last settle; without one there is nothing to run.
    moved: bool,
    cold_moved: bool,
    desired: InputSession<u64, u32, isize>,
    pods: InputSession<u64, PodFact, isize>,
    lost: InputSession<u64, u32, isize>,
    cold_pods: InputSession<u64, PodFact, isize>,
    hot: Handle<u64>,
    cold: Handle<u64>,
    tallies: Outbox<WorkloadRevision, TallyDiff>,
    drift: Outbox<u32, isize>,
    stranded: Outbox<u32, ()>,
    allocation: Outbox<u32, AllocationDiff>,
    rollups: Outbox<u32, RollupDiff>,
}

impl Differential {
    /// An empty dataflow on a worker of this thread.
    #[must_use]
    pub fn new() -> Self {
        let allocator = Allocator::Thread(timely::communication::allocator::Thread::default());
        let mut worker = Worker::new(timely::WorkerConfig::default(), allocator, None);
        let (tallies, drift, stranded, allocation, rollups) = Default::default();
        let (desired, pods, lost, hot) = hot(&mut worker, &tallies, &drift, &stranded, &allocation);
        let (cold_pods, cold) = cold(&mut worker, &rollups);
        Differential {
            worker,
            time: 0,
            cold_time: 0,
            moved: false,
            cold_moved: false,
            desired,
            pods,
            lost,
            cold_pods,
            hot,
            cold,
            tallies,
            drift,
            stranded,
            allocation,
            rollups,
        }
    }
}

impl Default for Differential {
    fn default() -> Self {
        Self::new()
    }
}

type HotInputs = (
    InputSession<u64, u32, isize>,
    InputSession<u64, PodFact, isize>,
    InputSession<u64, u32, isize>,
    Handle<u64>,
);

/// Hot: what every epoch needs.
fn hot(
    worker: &mut Worker,
    tallies: &Outbox<WorkloadRevision, TallyDiff>,
    drift: &Outbox<u32, isize>,
    stranded: &Outbox<u32, ()>,
    allocation: &Outbox<u32, AllocationDiff>,
) -> HotInputs {
    worker.dataflow(|scope| {
        let (desired_in, desired) = scope.new_collection::<u32, isize>();
        let (pods_in, pods) = scope.new_collection::<PodFact, isize>();
        let (lost_in, lost) = scope.new_collection::<u32, isize>();
        let mut probe = Handle::new();

        let live = pods.clone().filter(PodFact::is_live);
        let live_stranded =
            live.clone().map(|pod| (pod.node, pod)).semijoin(lost).map(|(_, pod)| pod);

        let moved = live_stranded
            .clone()
            .explode(|pod| [(key(&pod), less(&pod.tally_lost(), &pod.tally()))]);
        let tally = pods
            .clone()
            .explode(|pod| [(key(&pod), diff(&pod.tally()))])
            .concat(moved)
            .count_total();
        let short = desired
            .concat(live.map(|pod| pod.workload).negate())
            .concat(live_stranded.clone().map(|pod| pod.workload))
            .count_total();
        let reserved = pods
            .explode(|pod| [(pod.node, (amount(pod.cpu_milli), amount(pod.memory_bytes), 1))])
            .count_total();

        deliver(tally, tallies, &mut probe);
        deliver(short, drift, &mut probe);
        deliver(live_stranded.map(|pod| (pod.pod, ())), stranded, &mut probe);
        deliver(reserved, allocation, &mut probe);
        (desired_in, pods_in, lost_in, probe)
    })
}

/// Cold: what people look at.
fn cold(
    worker: &mut Worker,
    rollups: &Outbox<u32, RollupDiff>,
) -> (InputSession<u64, PodFact, isize>, Handle<u64>) {
    worker.dataflow(|scope| {
        let (pods_in, pods) = scope.new_collection::<PodFact, isize>();
        let mut probe = Handle::new();
        let rollup = pods
            .filter(PodFact::is_live)
            .explode(|pod| {
                let ready = isize::from(pod.is_ready());
                [(pod.namespace, (1, ready, amount(pod.cpu_milli), amount(pod.memory_bytes)))]
            })
            .count_total();
        deliver(rollup, rollups, &mut probe);
        (pods_in, probe)
    })
}

fn deliver<'scope, K, V>(
    view: VecCollection<'scope, u64, (K, V), isize>,
    outbox: &Outbox<K, V>,
    probe: &mut Handle<u64>,
) where
    K: Clone + 'static,
    V: Clone + 'static,
{
    let outbox = outbox.clone();
    view.inspect_batch(move |_, rows| {
        outbox
            .borrow_mut()
            .extend(rows.iter().map(|(row, _, difference)| (row.clone(), *difference)));
    })
    .inner
    .probe_with(probe);
}

fn key(pod: &PodFact) -> WorkloadRevision {
    (pod.workload, pod.revision)
}

fn diff(tally: &Tally) -> TallyDiff {
    let n = amount;
    (
        (n(tally.live), n(tally.ready), n(tally.available)),
        (n(tally.stopping), n(tally.ended), n(tally.stranded)),
    )
}

fn less(tally: &Tally, other: &Tally) -> TallyDiff {
    let mut change = *tally;
    change.add(other, -1);
    diff(&change)
}

/// The library counts in `isize`, which is 64 bits wide on every platform that we build for.
fn amount(number: i64) -> isize {
    isize::try_from(number).expect("isize has 64 bits")
}

impl Views for Differential {
    fn update(&mut self, fact: Fact, difference: isize) {
        self.moved = true;
        match fact {
            Fact::Desired { workload, replicas } => {
                self.desired.update(workload, difference * amount(replicas));
            }
            Fact::Pod(pod) => {
                self.cold_moved = true;
                self.pods.update(pod, difference);
                self.cold_pods.update(pod, difference);
            }
            Fact::Lost { node } => self.lost.update(node, difference),
        }
    }

    fn settle(&mut self) -> Changes {
        if !std::mem::take(&mut self.moved) {
            return Changes::default();
        }
        self.time += 1;
        self.desired.advance_to(self.time);
        self.pods.advance_to(self.time);
        self.lost.advance_to(self.time);
        self.desired.flush();
        self.pods.flush();
        self.lost.flush();
        let (time, probe) = (self.time, self.hot.clone());
        while probe.less_than(&time) {
            self.worker.step();
        }
        Changes {
            tallies: net(&self.tallies, tally_of),
            drift: net(&self.drift, |count| count as i64),
            stranded: net(&self.stranded, |()| true)
                .into_iter()
                .map(|(k, v)| (k, v.is_some()))
                .collect(),
            allocation: net(&self.allocation, allocation_of),
        }
    }

    fn settle_cold(&mut self) -> Vec<(u32, Option<Rollup>)> {
        if !std::mem::take(&mut self.cold_moved) {
            return Vec::new();
        }
        self.cold_time += 1;
        self.cold_pods.advance_to(self.cold_time);
        self.cold_pods.flush();
        let (time, probe) = (self.cold_time, self.cold.clone());
        while probe.less_than(&time) {
            self.worker.step();
        }
        net(&self.rollups, |(pods, ready, cpu, memory)| Rollup {
            pods: pods as i64,
            ready: ready as i64,
            cpu_milli: cpu as i64,
            memory_bytes: memory as i64,
        })
    }
}

fn tally_of(((live, ready, available), (stopping, ended, stranded)): TallyDiff) -> Tally {
    Tally {
        live: live as i64,
        ready: ready as i64,
        available: available as i64,
        stopping: stopping as i64,
        ended: ended as i64,
        stranded: stranded as i64,
    }
}

fn allocation_of((cpu, memory, pods): AllocationDiff) -> Allocation {
    Allocation { cpu_milli: cpu as i64, memory_bytes: memory as i64, pods: pods as i64 }
}

/// A count yields old and new as −1 and +1, and one epoch may bring many: only what remains after
/// netting is a change.
fn net<K: Ord + Copy, V: Ord + Copy, R>(
    outbox: &Outbox<K, V>,
    value: impl Fn(V) -> R,
) -> Vec<(K, Option<R>)> {
    let mut rows: BTreeMap<K, BTreeMap<V, isize>> = BTreeMap::new();
    for ((key, value), difference) in outbox.borrow_mut().drain(..) {
        *rows.entry(key).or_default().entry(value).or_default() += difference;
    }
    rows.into_iter()
        .filter(|(_, values)| values.values().any(|count| *count != 0))
        .map(|(key, values)| {
            let new = values.into_iter().find(|(_, count)| *count > 0);
            (key, new.map(|(v, _)| value(v)))
        })
        .collect()
}
