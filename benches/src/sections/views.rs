//! The views by the dataflow beside the views by hand: the same facts, in turns, outputs equal.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use setpoint_dataflow::views::{
    Changes, Differential, Fact, HandWritten, PodFact, Standing, Views,
};

use crate::clock::{per_second, timed};
use crate::measurement::Measurement;
use crate::memory::resident_bytes;
use crate::rounds;
use crate::sizes::Sizes;

/// Pods a node of the views' facts.
const PODS_PER_NODE: usize = 200;
/// Pods a workload.
const PODS_PER_WORKLOAD: usize = 100;
/// Namespaces.
const NAMESPACES: usize = 50;
/// Repeats of a batch at least: with fewer, one disturbance decides.
const REPEATS_MIN: usize = 5;
/// Repeats of a batch at most: more of the smallest ones tell no more.
const REPEATS_MAX: usize = 50_000;
/// Repeats whose time does not count, while maps and arrangements grow to their size.
const WARM_UPS: usize = 3;
/// Changes between two cold settles, as an engine at ten thousand changes a second has them.
const COLD_EVERY: usize = 1_000;

/// Throughput of statuses and moves, in batches.
pub(crate) fn throughput(sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let mut pair = Pair::filled(sizes.views_pods)?;
    let mut rows = Vec::new();
    for (what, change) in [("status", restand as Change), ("move", relocate as Change)] {
        for batch in sizes.batches.iter().filter(|batch| **batch <= sizes.views_pods) {
            let repeats = (sizes.changes / batch).clamp(REPEATS_MIN, REPEATS_MAX);
            let each = repeats.div_ceil(sizes.rounds);
            let measure = |_| pair.measure(what, change, *batch, each);
            rows.extend(rounds::measured(sizes.rounds, measure)?);
        }
    }
    Ok(rows)
}

/// Resident memory of one implementation, a pod.
pub(crate) fn memory(which: &str, sizes: &Sizes) -> anyhow::Result<Vec<Measurement>> {
    let facts = facts(sizes.views_pods);
    let before = resident_bytes()?;
    let mut hand_written = HandWritten::new();
    let mut differential = None;
    let views: &mut dyn Views = match which {
        "hand-written" => &mut hand_written,
        _ => differential.insert(Differential::new()),
    };
    for chunk in facts.chunks(COLD_EVERY) {
        chunk.iter().for_each(|fact| views.update(Fact::Pod(*fact), 1));
        views.settle();
        views.settle_cold();
    }
    let grown = resident_bytes()? - before;
    let name = |which: &str| format!("resident memory of the views, a pod/{which}");
    let row = Measurement::new(name(which), grown / facts.len() as f64, "bytes");
    Ok(vec![if which == "hand-written" { row } else { row.beside(name("hand-written")) }])
}

type Change = fn(&mut StdRng, PodFact, u32) -> PodFact;

/// A status: the pod stands elsewhere in its life.
fn restand(_: &mut StdRng, pod: PodFact, _: u32) -> PodFact {
    let standing = match pod.standing {
        Standing::Available => Standing::Starting,
        _ => Standing::Available,
    };
    PodFact { standing, ..pod }
}

/// A move: the pod is on another node.
fn relocate(rng: &mut StdRng, pod: PodFact, nodes: u32) -> PodFact {
    let node = (pod.node + rng.random_range(1..nodes)) % nodes;
    PodFact { node, ..pod }
}

/// Both implementations over the same facts.
struct Pair {
    differential: Differential,
    hand_written: HandWritten,
    pods: Vec<PodFact>,
    /// The pods in the order in which they change, each once before any twice.
    order: Vec<usize>,
    next: usize,
    nodes: u32,
    rng: StdRng,
}

impl Pair {
    fn filled(count: usize) -> anyhow::Result<Self> {
        let pods = facts(count);
        let mut rng = StdRng::seed_from_u64(1);
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut rng);
        let nodes = u32::try_from(nodes_of(count))?;
        let (differential, hand_written) = (Differential::new(), HandWritten::new());
        let mut pair = Pair { differential, hand_written, pods, order, next: 0, nodes, rng };
        let workloads = u32::try_from(count.div_ceil(PODS_PER_WORKLOAD))?;
        let desired = (0..workloads)
            .map(|workload| (Fact::Desired { workload, replicas: PODS_PER_WORKLOAD as i64 }, 1));
        let pods = pair.pods.iter().map(|pod| (Fact::Pod(*pod), 1));
        let facts: Vec<(Fact, isize)> = desired.chain(pods).collect();
        pair.settle_both(&facts)?;
        pair.settle_cold_both()?;
        Ok(pair)
    }

    fn measure(
        &mut self,
        what: &str,
        change: Change,
        batch: usize,
        repeats: usize,
    ) -> anyhow::Result<Vec<Measurement>> {
        let (mut by_dataflow, mut by_hand) = (Duration::ZERO, Duration::ZERO);
        let mut since_cold = 0;
        for repeat in 0..WARM_UPS + repeats {
            let facts = self.batch(change, batch);
            let (dataflow, hand) = self.settle_both(&facts)?;
            if repeat >= WARM_UPS {
                by_dataflow += dataflow;
                by_hand += hand;
            }
            since_cold += batch;
            if since_cold >= COLD_EVERY {
                since_cold = 0;
                self.settle_cold_both()?;
            }
        }
        let count = batch * repeats;
        let name = |which| format!("views, {what} in batches of {batch}/{which}");
        Ok(vec![
            Measurement::new(name("differential"), per_second(count, by_dataflow), "1/s")
                .beside(name("hand-written")),
            Measurement::new(name("hand-written"), per_second(count, by_hand), "1/s"),
        ])
    }

    /// The next changes: each pod's fact ceases and another begins.
    fn batch(&mut self, change: Change, batch: usize) -> Vec<(Fact, isize)> {
        let mut facts = Vec::with_capacity(2 * batch);
        for _ in 0..batch {
            let pod = self.order[self.next];
            self.next = (self.next + 1) % self.order.len();
            let before = self.pods[pod];
            let now = change(&mut self.rng, before, self.nodes);
            self.pods[pod] = now;
            facts.extend([(Fact::Pod(before), -1), (Fact::Pod(now), 1)]);
        }
        facts
    }

    /// How long either takes to bring its views up to date; an error when they differ, so that no
    /// time of a wrong answer counts.
    fn settle_both(&mut self, facts: &[(Fact, isize)]) -> anyhow::Result<(Duration, Duration)> {
        let (from_dataflow, dataflow) = timed(|| settle(&mut self.differential, facts));
        let (from_hand, hand) = timed(|| settle(&mut self.hand_written, facts));
        anyhow::ensure!(from_dataflow == from_hand, "the two implementations of the views differ");
        Ok((dataflow, hand))
    }

    fn settle_cold_both(&mut self) -> anyhow::Result<()> {
        let equal = self.differential.settle_cold() == self.hand_written.settle_cold();
        anyhow::ensure!(equal, "the two implementations of the cold views differ");
        Ok(())
    }
}

pub(crate) fn settle(views: &mut impl Views, facts: &[(Fact, isize)]) -> Changes {
    for (fact, difference) in facts {
        views.update(*fact, *difference);
    }
    views.settle()
}

fn nodes_of(pods: usize) -> usize {
    pods.div_ceil(PODS_PER_NODE).max(2)
}

/// Pods spread over nodes, workloads and namespaces, all available.
pub(crate) fn facts(count: usize) -> Vec<PodFact> {
    let number = |n: usize| u32::try_from(n).expect("fewer pods than u32 counts");
    let fact = |pod: usize| PodFact {
        node: number(pod % nodes_of(count)),
        pod: number(pod),
        workload: number(pod / PODS_PER_WORKLOAD),
        revision: 1,
        namespace: number(pod / PODS_PER_WORKLOAD % NAMESPACES),
        standing: Standing::Available,
        cpu_milli: 100,
        memory_bytes: 128 << 20,
    };
    (0..count).map(fact).collect()
}
