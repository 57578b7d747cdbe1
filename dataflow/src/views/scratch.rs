//! The views recomputed from all facts at every settle: slow, and too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::Views;
use super::facts::{Allocation, Changes, Fact, PodFact, Rollup, Tally, WorkloadRevision};

/// The recomputing maintainer.
#[derive(Debug, Default)]
pub struct Scratch {
    facts: BTreeMap<Fact, isize>,
    before: Rows,
    rollups: BTreeMap<u32, Rollup>,
}

#[derive(Debug, Default, Clone)]
struct Rows {
    tallies: BTreeMap<WorkloadRevision, Tally>,
    drift: BTreeMap<u32, i64>,
    stranded: BTreeMap<u32, ()>,
    allocation: BTreeMap<u32, Allocation>,
}

impl Scratch {
    /// Empty views.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn pods(&self) -> impl Iterator<Item = &PodFact> {
        self.facts.keys().filter_map(|fact| match fact {
            Fact::Pod(pod) => Some(pod),
            _ => None,
        })
    }

    fn rows(&self) -> Rows {
        let lost: BTreeSet<u32> = self
            .facts
            .keys()
            .filter_map(|fact| if let Fact::Lost { node } = fact { Some(*node) } else { None })
            .collect();
        let mut rows = Rows::default();
        for (fact, count) in &self.facts {
            if let Fact::Desired { workload, replicas } = fact {
                *rows.drift.entry(*workload).or_default() += *count as i64 * replicas;
            }
        }
        for pod in self.pods() {
            let is_lost = lost.contains(&pod.node);
            let tally = if is_lost { pod.tally_lost() } else { pod.tally() };
            rows.tallies.entry((pod.workload, pod.revision)).or_default().add(&tally, 1);
            *rows.drift.entry(pod.workload).or_default() -= tally.live;
            if tally.stranded > 0 {
                rows.stranded.insert(pod.pod, ());
            }
            let allocation = rows.allocation.entry(pod.node).or_default();
            allocation.cpu_milli += pod.cpu_milli;
            allocation.memory_bytes += pod.memory_bytes;
            allocation.pods += 1;
        }
        rows.drift.retain(|_, count| *count != 0);
        rows
    }
}

impl Views for Scratch {
    fn update(&mut self, fact: Fact, difference: isize) {
        let count = self.facts.entry(fact).or_default();
        *count += difference;
        if *count == 0 {
            self.facts.remove(&fact);
        }
    }

    fn settle(&mut self) -> Changes {
        let now = self.rows();
        let before = std::mem::replace(&mut self.before, now.clone());
        Changes {
            tallies: changed(&before.tallies, &now.tallies),
            drift: changed(&before.drift, &now.drift),
            stranded: changed(&before.stranded, &now.stranded)
                .into_iter()
                .map(|(pod, row)| (pod, row.is_some()))
                .collect(),
            allocation: changed(&before.allocation, &now.allocation),
        }
    }

    fn settle_cold(&mut self) -> Vec<(u32, Option<Rollup>)> {
        let mut now: BTreeMap<u32, Rollup> = BTreeMap::new();
        for pod in self.pods().filter(|pod| pod.is_live()) {
            let row = now.entry(pod.namespace).or_default();
            row.pods += 1;
            row.ready += i64::from(pod.is_ready());
            row.cpu_milli += pod.cpu_milli;
            row.memory_bytes += pod.memory_bytes;
        }
        let changes = changed(&self.rollups, &now);
        self.rollups = now;
        changes
    }
}

fn changed<K: Ord + Copy, V: PartialEq + Copy>(
    before: &BTreeMap<K, V>,
    now: &BTreeMap<K, V>,
) -> Vec<(K, Option<V>)> {
    let keys: BTreeSet<K> = before.keys().chain(now.keys()).copied().collect();
    keys.into_iter()
        .filter(|key| before.get(key) != now.get(key))
        .map(|key| (key, now.get(&key).copied()))
        .collect()
}
