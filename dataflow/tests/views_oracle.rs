//! The oracle of the views: after every epoch the dataflow, the hand-written engine and a
//! recomputation from scratch tell the same changes.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setpoint_dataflow::views::{
    Differential, Fact, HandWritten, PodFact, Scratch, Standing, Views,
};

/// Facts as an engine keeps them: no duplicates, one fact a pod, one desired number a workload.
struct Facts {
    rng: StdRng,
    pods: Vec<Option<PodFact>>,
    desired: Vec<i64>,
    lost: Vec<bool>,
}

impl Facts {
    fn new(seed: u64, pods: usize, workloads: usize, nodes: usize) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Facts { rng, pods: vec![None; pods], desired: vec![0; workloads], lost: vec![false; nodes] }
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
            _ => self.pod(),
        }
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
        let gone = before.map(|pod| (Fact::Pod(pod), -1));
        let new = self.pods[slot].map(|pod| (Fact::Pod(pod), 1));
        gone.into_iter().chain(new).collect()
    }
}

fn agree(seed: u64, events: usize, scratch_every: usize) {
    let mut facts = Facts::new(seed, 300, 10, 20);
    let mut dataflow = Differential::new();
    let mut by_hand = HandWritten::new();
    let mut scratch = Scratch::new();
    let mut done = 0;
    for epoch in 0.. {
        let batch = 1 + (epoch * 7) % 13;
        for (fact, difference) in (0..batch).flat_map(|_| facts.next()).collect::<Vec<_>>() {
            dataflow.update(fact, difference);
            by_hand.update(fact, difference);
            scratch.update(fact, difference);
        }
        done += batch;
        let hot = by_hand.settle();
        assert_eq!(dataflow.settle(), hot, "seed {seed}, epoch {epoch}: dataflow against by hand");
        if scratch_every == 1 {
            assert_eq!(
                scratch.settle(),
                hot,
                "seed {seed}, epoch {epoch}: scratch against by hand"
            );
        }
        if epoch % 10 == 9 {
            let cold = by_hand.settle_cold();
            assert_eq!(dataflow.settle_cold(), cold, "seed {seed}, epoch {epoch}: cold views");
            assert_eq!(scratch.settle_cold(), cold, "seed {seed}, epoch {epoch}: cold scratch");
        }
        if done >= events {
            return;
        }
    }
}

/// One million random events; ten million in `make test-long`.
#[test]
fn the_dataflow_agrees_with_the_hand_written_engine_on_a_million_events() {
    let long = std::env::var_os("SETPOINT_TEST_LONG").is_some();
    agree(1, if long { 10_000_000 } else { 1_000_000 }, 0);
}

#[test]
fn all_three_agree_after_every_epoch() {
    for seed in 2..6 {
        agree(seed, 20_000, 1);
    }
}
