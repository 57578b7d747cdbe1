//! The views recomputed from all facts at every settle: slow, and too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::Views;
use super::facts::{Fact, PodFact};
use super::rows::{
    Changes, ColdChanges, Fleet, NodeRollup, Rollup, Sighting, Status, Tally, WorkloadRevision,
};

/// The recomputing maintainer.
#[derive(Debug, Default)]
pub struct Scratch {
    facts: BTreeMap<Fact, isize>,
    before: Rows,
    before_cold: ColdRows,
}

#[derive(Debug, Default, Clone)]
struct Rows {
    tallies: BTreeMap<WorkloadRevision, Tally>,
    stranded: BTreeMap<u32, ()>,
}

#[derive(Debug, Default, Clone)]
struct ColdRows {
    statuses: BTreeMap<u32, Status>,
    stale: BTreeMap<WorkloadRevision, i64>,
    orphans: BTreeMap<Sighting, ()>,
    nodes: BTreeMap<u32, NodeRollup>,
    namespaces: BTreeMap<u32, Rollup>,
    fleet: Fleet,
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

    fn desired(&self) -> impl Iterator<Item = (u32, i64)> {
        self.facts.iter().filter_map(|(fact, count)| match fact {
            Fact::Desired { workload, replicas } => Some((*workload, *count as i64 * replicas)),
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
        for pod in self.pods() {
            let is_lost = lost.contains(&pod.node);
            let tally = if is_lost { pod.tally_lost() } else { pod.tally() };
            rows.tallies.entry((pod.workload, pod.revision)).or_default().add(&tally, 1);
            if tally.stranded > 0 {
                rows.stranded.insert(pod.pod, ());
            }
        }
        rows
    }

    fn cold_rows(&self) -> ColdRows {
        let hot = self.rows();
        let mut rows = ColdRows::default();
        for (workload, replicas) in self.desired() {
            rows.statuses.entry(workload).or_default().desired += replicas;
        }
        for ((workload, revision), tally) in &hot.tallies {
            let current = Fact::Current { workload: *workload, revision: *revision };
            let status = rows.statuses.entry(*workload).or_default();
            status.pods.add(tally, 1);
            if self.facts.contains_key(&current) {
                status.updated.add(tally, 1);
            } else {
                rows.stale.insert((*workload, *revision), tally.live);
            }
        }
        for pod in self.pods() {
            rows.nodes.entry(pod.node).or_default().add(&pod.reservation(), 1);
        }
        for fact in self.facts.keys() {
            match fact {
                Fact::Node(node) => {
                    rows.nodes.entry(node.node).or_default().add(&node.rollup(), 1);
                }
                Fact::Lost { node } => rows.nodes.entry(*node).or_default().lost = 1,
                _ => {}
            }
        }
        self.count_orphans(&mut rows);
        for pod in self.pods().filter(|pod| pod.is_live()) {
            rows.namespaces.entry(pod.namespace).or_default().add(&pod.rollup(), 1);
        }
        rows.statuses.retain(|_, row| *row != Status::default());
        rows.stale.retain(|_, row| *row != 0);
        rows.nodes.retain(|_, row| *row != NodeRollup::default());
        let workloads = rows.statuses.values().map(|row| Fleet::of_workload(*row));
        let nodes = rows.nodes.values().map(|row| Fleet::of_node(*row));
        workloads.chain(nodes).for_each(|row| rows.fleet.add(&row, 1));
        rows
    }

    fn count_orphans(&self, rows: &mut ColdRows) {
        let placed: BTreeSet<Sighting> = self.pods().map(PodFact::place).collect();
        for fact in self.facts.keys() {
            if let Fact::Seen(sighting) = fact
                && !placed.contains(sighting)
            {
                rows.orphans.insert(*sighting, ());
                rows.nodes.entry(sighting.0).or_default().orphans += 1;
            }
        }
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
            stranded: flags(changed(&before.stranded, &now.stranded)),
        }
    }

    fn settle_cold(&mut self) -> ColdChanges {
        let now = self.cold_rows();
        let before = std::mem::replace(&mut self.before_cold, now.clone());
        ColdChanges {
            statuses: changed(&before.statuses, &now.statuses),
            stale: changed(&before.stale, &now.stale),
            orphans: flags(changed(&before.orphans, &now.orphans)),
            nodes: changed(&before.nodes, &now.nodes),
            namespaces: changed(&before.namespaces, &now.namespaces),
            fleet: (before.fleet != now.fleet).then_some(now.fleet),
        }
    }
}

/// Whether a row is there now.
fn flags<K>(changed: Vec<(K, Option<()>)>) -> Vec<(K, bool)> {
    changed.into_iter().map(|(key, row)| (key, row.is_some())).collect()
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
