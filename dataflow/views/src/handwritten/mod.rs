//! The views kept by hand in hash maps: the yardstick, and one half of the oracle.
//!
//! For a fixed set of views this is faster than the dataflow; it composes with nothing and every
//! new view is a chance for a mistake, which is why it is the yardstick and not the engine.

mod cold;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use self::cold::Cold;
use super::Views;
use super::facts::{Fact, PodFact};
use super::rows::{Changes, ColdChanges, Tally, WorkloadRevision};

/// The hand-written maintainer.
#[derive(Debug, Default)]
pub struct HandWritten {
    pods_of_node: HashMap<u32, HashMap<u32, PodFact>>,
    lost: HashSet<u32>,
    tallies: View<WorkloadRevision, Tally>,
    stranded: View<u32, i64>,
    cold: Cold,
}

/// A view's rows, and the rows as they stood at the last settle of those touched since.
#[derive(Debug)]
struct View<K, V> {
    rows: HashMap<K, V>,
    before: BTreeMap<K, V>,
}

impl<K, V> Default for View<K, V> {
    fn default() -> Self {
        View { rows: HashMap::new(), before: BTreeMap::new() }
    }
}

impl<K: Ord + Copy + std::hash::Hash, V: Default + Copy + PartialEq> View<K, V> {
    fn change(&mut self, key: K, change: impl FnOnce(&mut V)) {
        let row = self.rows.entry(key).or_default();
        self.before.entry(key).or_insert(*row);
        change(row);
        if *row == V::default() {
            self.rows.remove(&key);
        }
    }

    fn row(&self, key: &K) -> V {
        self.rows.get(key).copied().unwrap_or_default()
    }

    fn settle(&mut self) -> Vec<(K, Option<V>)> {
        let rows = &self.rows;
        std::mem::take(&mut self.before)
            .into_iter()
            .filter_map(|(key, before)| {
                let now = rows.get(&key).copied();
                (now.unwrap_or_default() != before).then_some((key, now))
            })
            .collect()
    }
}

impl HandWritten {
    /// Empty views.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn pod(&mut self, pod: PodFact, sign: i64) {
        if sign > 0 {
            self.pods_of_node.entry(pod.node).or_default().insert(pod.pod, pod);
        } else if let Some(pods) = self.pods_of_node.get_mut(&pod.node)
            && pods.get(&pod.pod) == Some(&pod)
        {
            pods.remove(&pod.pod);
        }
        let is_lost = self.lost.contains(&pod.node);
        self.count(&pod, is_lost, sign);
        self.cold.pod(&pod, sign);
    }

    /// What depends on whether the node is lost.
    fn count(&mut self, pod: &PodFact, is_lost: bool, sign: i64) {
        let tally = if is_lost { pod.tally_lost() } else { pod.tally() };
        let revision = (pod.workload, pod.revision);
        self.cold.tally(revision, self.tallies.row(&revision));
        self.tallies.change(revision, |row| row.add(&tally, sign));
        if is_lost && pod.is_live() {
            self.stranded.change(pod.pod, |row| *row += sign);
        }
    }

    fn node(&mut self, node: u32, is_lost: bool) {
        if is_lost {
            self.lost.insert(node);
        } else {
            self.lost.remove(&node);
        }
        let pods: BTreeSet<PodFact> = self
            .pods_of_node
            .get(&node)
            .into_iter()
            .flat_map(|pods| pods.values().copied())
            .collect();
        for pod in pods {
            self.count(&pod, !is_lost, -1);
            self.count(&pod, is_lost, 1);
        }
    }
}

impl Views for HandWritten {
    fn update(&mut self, fact: Fact, difference: isize) {
        let sign = difference as i64;
        match fact {
            Fact::Desired { workload, replicas } => self.cold.desired(workload, sign * replicas),
            Fact::Current { workload, revision } => {
                self.cold.current((workload, revision), sign);
            }
            Fact::Pod(pod) => self.pod(pod, sign),
            Fact::Lost { node } => {
                self.node(node, sign > 0);
                self.cold.lost(node, sign);
            }
            Fact::Node(node) => self.cold.node(&node, sign),
            Fact::Seen(sighting) => self.cold.seen(sighting, sign),
        }
    }

    fn settle(&mut self) -> Changes {
        Changes {
            tallies: self.tallies.settle(),
            stranded: self.stranded.settle().into_iter().map(|(k, v)| (k, v.is_some())).collect(),
        }
    }

    fn settle_cold(&mut self) -> ColdChanges {
        self.cold.settle(&self.tallies)
    }
}
