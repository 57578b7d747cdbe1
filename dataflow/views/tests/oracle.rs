//! The oracle of the views, hot and cold: after every epoch the dataflow and the hand-written engine
//! tell the same changes, and these come to what a recomputation from scratch has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setpoint_test_support::is_long;
use setpoint_views::{
    Changes, ColdChanges, Differential, Fact, Fleet, Gone, HandWritten, NodeFact, NodeRollup,
    PodFact, Rollup, Scratch, Seat, Sighting, Standing, Status, Tally, Views, WorkloadRevision,
    serve,
};

/// Facts as an engine keeps them: no duplicates; one fact a pod, a node and a sighting; one desired
/// number and one current revision a workload.
struct Facts {
    rng: StdRng,
    pods: Vec<Option<PodFact>>,
    desired: Vec<i64>,
    current: Vec<Option<u32>>,
    nodes: Vec<Option<NodeFact>>,
    lost: Vec<bool>,
    seen: BTreeSet<Sighting>,
}

impl Facts {
    fn new(seed: u64, pods: usize, workloads: usize, nodes: usize) -> Self {
        Facts {
            rng: StdRng::seed_from_u64(seed),
            pods: vec![None; pods],
            desired: vec![0; workloads],
            current: vec![None; workloads],
            nodes: vec![None; nodes],
            lost: vec![false; nodes],
            seen: BTreeSet::new(),
        }
    }

    /// The next change: facts that cease and begin.
    fn next(&mut self) -> Vec<(Fact, isize)> {
        match self.rng.random_range(0..100) {
            0..4 => {
                let node = self.rng.random_range(0..self.lost.len());
                self.lost[node] = !self.lost[node];
                vec![(Fact::Lost { node: node as u32 }, if self.lost[node] { 1 } else { -1 })]
            }
            4..12 => {
                let workload = self.rng.random_range(0..self.desired.len());
                let replicas = self.rng.random_range(0..20);
                let before = std::mem::replace(&mut self.desired[workload], replicas);
                let fact = |replicas| Fact::Desired { workload: workload as u32, replicas };
                vec![(fact(before), -1), (fact(replicas), 1)]
            }
            12..16 => self.current(),
            16..20 => self.node(),
            20..40 => self.sighting(),
            _ => self.pod(),
        }
    }

    fn current(&mut self) -> Vec<(Fact, isize)> {
        let workload = self.rng.random_range(0..self.current.len());
        let new = self.rng.random_bool(0.9).then(|| self.rng.random_range(0..3));
        let before = std::mem::replace(&mut self.current[workload], new);
        let fact = |revision| Fact::Current { workload: workload as u32, revision };
        replaced(before.map(fact), new.map(fact))
    }

    fn node(&mut self) -> Vec<(Fact, isize)> {
        let node = self.rng.random_range(0..self.nodes.len());
        let new = self.rng.random_bool(0.8).then(|| NodeFact {
            node: node as u32,
            cpu_milli: self.rng.random_range(0..64_000),
            memory_bytes: self.rng.random_range(0..1 << 38),
            pods: 110,
        });
        let before = std::mem::replace(&mut self.nodes[node], new);
        replaced(before.map(Fact::Node), new.map(Fact::Node))
    }

    /// A node has a pod or has it no more; mostly one that is placed there.
    fn sighting(&mut self) -> Vec<(Fact, isize)> {
        let slot = self.rng.random_range(0..self.pods.len());
        let anywhere = (self.rng.random_range(0..20), slot as u32);
        let sighting = match self.pods[slot] {
            Some(pod) if self.rng.random_bool(0.8) => pod.place(),
            _ => anywhere,
        };
        if self.seen.remove(&sighting) {
            return vec![(Fact::Seen(sighting), -1)];
        }
        self.seen.insert(sighting);
        vec![(Fact::Seen(sighting), 1)]
    }

    fn pod(&mut self) -> Vec<(Fact, isize)> {
        let slot = self.rng.random_range(0..self.pods.len());
        let before = self.pods[slot];
        let ends = before.is_some() && self.rng.random_bool(0.2);
        let standings = [
            Standing::Starting,
            Standing::Ready,
            Standing::Available,
            Standing::Stopping,
            Standing::Ended,
            Standing::Finished,
            Standing::Leaving,
        ];
        self.pods[slot] = (!ends).then(|| {
            let place = |rng: &mut StdRng| PodFact {
                node: rng.random_range(0..20),
                pod: slot as u32,
                workload: rng.random_range(0..10),
                revision: rng.random_range(0..3),
                namespace: rng.random_range(0..3),
                standing: Standing::Starting,
                cpu_milli: rng.random_range(0..4000),
                memory_bytes: rng.random_range(0..1 << 34),
            };
            let standing = standings[self.rng.random_range(0..standings.len())];
            PodFact { standing, ..before.unwrap_or_else(|| place(&mut self.rng)) }
        });
        replaced(before.map(Fact::Pod), self.pods[slot].map(Fact::Pod))
    }
}

fn replaced(before: Option<Fact>, new: Option<Fact>) -> Vec<(Fact, isize)> {
    let ceases = before.map(|fact| (fact, -1));
    let begins = new.map(|fact| (fact, 1));
    ceases.into_iter().chain(begins).collect()
}

/// All rows that a maintainer told of, as they stand.
#[derive(Debug, Default, PartialEq)]
struct Rows {
    tallies: BTreeMap<WorkloadRevision, Tally>,
    stranded: BTreeSet<u32>,
    statuses: BTreeMap<u32, Status>,
    stale: BTreeMap<WorkloadRevision, i64>,
    orphans: BTreeSet<Sighting>,
    nodes: BTreeMap<u32, NodeRollup>,
    namespaces: BTreeMap<u32, Rollup>,
    fleet: Fleet,
}

impl Rows {
    fn take(&mut self, hot: &Changes, cold: &ColdChanges) {
        apply(&mut self.tallies, &hot.tallies);
        flag(&mut self.stranded, &hot.stranded);
        apply(&mut self.statuses, &cold.statuses);
        apply(&mut self.stale, &cold.stale);
        flag(&mut self.orphans, &cold.orphans);
        apply(&mut self.nodes, &cold.nodes);
        apply(&mut self.namespaces, &cold.namespaces);
        self.fleet = cold.fleet.unwrap_or(self.fleet);
    }
}

fn apply<K: Ord + Copy, V: Copy>(rows: &mut BTreeMap<K, V>, changes: &[(K, Option<V>)]) {
    for (key, row) in changes {
        match row {
            Some(row) => rows.insert(*key, *row),
            None => rows.remove(key),
        };
    }
}

fn flag<K: Ord + Copy>(rows: &mut BTreeSet<K>, changes: &[(K, bool)]) {
    for (key, is) in changes {
        if *is {
            rows.insert(*key)
        } else {
            rows.remove(key)
        };
    }
}

/// How often the three are held against each other, in epochs.
struct Pace {
    /// The cold views of the dataflow and by hand.
    cold: usize,
    /// All rows, against those from scratch. That costs as much as there are facts.
    scratch: usize,
}

/// Over this many events the dataflow and the views by hand tell the same changes, and what they
/// told comes to the rows that a recomputation from scratch has.
fn agree(seed: u64, events: usize, pace: &Pace) {
    let mut facts = Facts::new(seed, 300, 10, 20);
    let mut dataflow = Differential::new();
    let mut by_hand = HandWritten::new();
    let mut scratch = Scratch::new();
    let (mut told, mut recomputed) = (Rows::default(), Rows::default());
    let mut done = 0;
    for epoch in 1.. {
        let batch = 1 + (epoch * 7) % 13;
        for (fact, difference) in (0..batch).flat_map(|_| facts.next()).collect::<Vec<_>>() {
            dataflow.update(fact, difference);
            by_hand.update(fact, difference);
            scratch.update(fact, difference);
        }
        done += batch;
        let at = format!("seed {seed}, epoch {epoch}");
        let hot = dataflow.settle();
        assert_eq!(by_hand.settle(), hot, "{at}: by hand against the dataflow");
        let mut cold = ColdChanges::default();
        if epoch % pace.cold == 0 {
            cold = dataflow.settle_cold();
            assert_eq!(by_hand.settle_cold(), cold, "{at}: cold by hand against the dataflow");
        }
        told.take(&hot, &cold);
        if epoch % pace.scratch == 0 {
            recomputed.take(&scratch.settle(), &scratch.settle_cold());
            assert_eq!(told, recomputed, "{at}: the dataflow against scratch");
        }
        if done >= events {
            return;
        }
    }
}

/// One million random events; ten million in `make test-long`.
#[test]
fn the_three_agree_on_a_million_events() {
    let events = if is_long() { 10_000_000 } else { 1_000_000 };
    agree(1, events, &Pace { cold: 3, scratch: 300 });
}

#[test]
fn all_three_agree_after_every_epoch() {
    for seed in 2..6 {
        agree(seed, 10_000, &Pace { cold: 1, scratch: 1 });
    }
}

/// Between two cold steps most of what changed has changed back or once more.
#[test]
fn all_three_agree_when_cold_steps_are_rare() {
    for (seed, every) in [(7, 10), (8, 97), (9, 1_000)] {
        agree(seed, 50_000, &Pace { cold: every, scratch: every });
    }
}

/// Cold steps that take in a few workloads each come to the same, and say of no workload what is not
/// so: of each that they tell they tell what the hot views do.
#[test]
fn a_few_workloads_at_a_time_come_to_the_same() {
    let epochs = if is_long() { 30_000 } else { 600 };
    let mut facts = Facts::new(13, 300, 10, 20);
    let (mut some, mut all) = (Differential::new(), HandWritten::new());
    let (mut told_some, mut told_all) = (Rows::default(), Rows::default());
    let (mut left, mut tallies) = (0, BTreeMap::<u32, Tally>::new());
    for epoch in 1..=epochs {
        for (fact, difference) in (0..5).flat_map(|_| facts.next()).collect::<Vec<_>>() {
            some.update(fact, difference);
            all.update(fact, difference);
        }
        let mut hot = some.settle();
        assert_eq!(all.settle(), hot, "epoch {epoch}");
        told_all.take(&hot, &all.settle_cold());
        let rounds = if epoch % 50 == 0 { usize::MAX } else { 1 };
        for _ in 0..rounds {
            let (cold, is_left) = some.settle_cold_some(2);
            told_some.take(&std::mem::take(&mut hot), &cold);
            tallies.clear();
            for ((workload, _), tally) in &told_some.tallies {
                tallies.entry(*workload).or_default().add(tally, 1);
            }
            for (workload, status) in &cold.statuses {
                let counted = tallies.get(workload).copied().unwrap_or_default();
                assert_eq!(status.unwrap_or_default().pods, counted, "epoch {epoch}");
            }
            left += usize::from(is_left);
            if !is_left {
                break;
            }
        }
        if rounds > 1 {
            assert_eq!(told_some, told_all, "epoch {epoch}");
        }
    }
    assert!(left > epochs / 2, "only {left} steps left some over");
}

/// Two and three workers tell what one tells, hot and cold, change by change.
#[test]
fn how_many_workers_count_changes_no_answer() {
    for (seed, workers) in [(10, 2), (11, 3)] {
        let workers = NonZeroUsize::new(workers).expect("some");
        tell_the_same(seed, 300, Differential::with_workers(workers));
    }
}

/// Two processes of two workers each tell what one worker tells: here both in this process, with a
/// real line between them.
#[test]
fn in_how_many_processes_changes_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = TcpStream::connect(listener.local_addr().expect("its address")).expect("a line");
    let (here, _) = listener.accept().expect("its other end");
    let workers = NonZeroUsize::new(2).expect("some");
    let gone = Arc::default();
    let seat = Seat { process: 1, workers, lines: vec![Some(there), None], gone };
    let beside = std::thread::spawn(move || serve(seat));
    let seat = Seat { process: 0, workers, lines: vec![None, Some(here)], gone: Arc::default() };
    tell_the_same(12, 60, Differential::in_cluster(seat).expect("the line holds"));
    beside.join().expect("it ends well").expect("the line held");
}

/// What these views tell is what one worker tells.
fn tell_the_same(seed: u64, epochs: usize, mut several: Differential) {
    let epochs = if is_long() { 1_000 * epochs } else { epochs };
    let mut facts = Facts::new(seed, 300, 10, 20);
    let mut one = Differential::new();
    for epoch in 1..=epochs {
        let batch = 1 + (epoch * 7) % 13;
        for (fact, difference) in (0..batch).flat_map(|_| facts.next()).collect::<Vec<_>>() {
            one.update(fact, difference);
            several.update(fact, difference);
        }
        assert_eq!(several.settle(), one.settle(), "seed {seed}, epoch {epoch}");
        if epoch % 5 == 0 {
            assert_eq!(several.settle_cold(), one.settle_cold(), "seed {seed}, epoch {epoch}");
        }
    }
}

/// Who loses a process says which, and does not wait for it.
#[test]
fn a_process_that_is_gone_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = TcpStream::connect(listener.local_addr().expect("its address")).expect("a line");
    let (here, _) = listener.accept().expect("its other end");
    let (workers, gone) = (NonZeroUsize::MIN, Arc::new(Gone::default()));
    let seat = Seat { process: 0, workers, lines: vec![None, Some(here)], gone: gone.clone() };
    let first = std::thread::spawn(move || {
        let mut views = Differential::in_cluster(seat).expect("the line holds");
        views.settle_cold();
    });
    // Only what it sends ends: a line that is gone both ways is as often seen by who writes to it.
    there.shutdown(Shutdown::Write).expect("it closes");
    assert!(first.join().is_err(), "it cannot go on");
    assert_eq!(gone.why(), Some("process 1 of the cluster is gone: it closed the connection"),);
}
