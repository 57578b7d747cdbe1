//! Numbers by domain: of pods that match, of weights; and how a spread stands over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::topology::{NO_DOMAIN, Topology};

/// A number for each domain of a topology key.
#[derive(Debug)]
pub(crate) struct DomainCounts {
    pub(crate) topology: Arc<Topology>,
    counts: Vec<i64>,
    total: i64,
}

/// The pods of a spread constraint by domain.
#[derive(Debug)]
pub(crate) struct SpreadCounts {
    pub(crate) domains: DomainCounts,
    included: Arc<Included>,
    /// How many domains of nodes that count have each number of pods.
    levels: BTreeMap<i64, usize>,
}

/// The nodes that count for a spread constraint: they all have a domain.
#[derive(Debug)]
pub(crate) struct Included {
    by_slot: Vec<bool>,
    domains: usize,
}

impl DomainCounts {
    pub(crate) fn none(topology: Arc<Topology>) -> DomainCounts {
        DomainCounts { counts: vec![0; topology.len()], topology, total: 0 }
    }

    /// The number of the node's domain; `None` when the node has none.
    pub(crate) fn of(&self, slot: u32) -> Option<i64> {
        let domain = self.topology.domain(slot);
        (domain != NO_DOMAIN).then(|| self.counts[domain as usize])
    }

    /// The sum over all domains.
    pub(crate) fn total(&self) -> i64 {
        self.total
    }

    /// How many domains there are.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// How many domains the nodes are in.
    pub(crate) fn distinct(&self, slots: impl Iterator<Item = u32>) -> usize {
        let mut seen = vec![false; self.counts.len()];
        let domains = slots.map(|slot| self.topology.domain(slot)).filter(|d| *d != NO_DOMAIN);
        domains.filter(|d| !std::mem::replace(&mut seen[*d as usize], true)).count()
    }

    pub(crate) fn add(&mut self, slot: u32, amount: i64) {
        let domain = self.topology.domain(slot);
        if domain != NO_DOMAIN {
            self.counts[domain as usize] += amount;
            self.total += amount;
        }
    }
}

impl Included {
    pub(crate) fn new(domains: &DomainCounts, by_slot: Vec<bool>) -> Arc<Included> {
        let slots = (0..).zip(&by_slot).filter(|(_, included)| **included).map(|(slot, _)| slot);
        let domains = domains.distinct(slots);
        Arc::new(Included { by_slot, domains })
    }

    pub(crate) fn has(&self, slot: u32) -> bool {
        self.by_slot.get(slot as usize).is_some_and(|included| *included)
    }

    /// How many domains the nodes that count are in.
    pub(crate) fn domains(&self) -> usize {
        self.domains
    }
}

impl SpreadCounts {
    /// No pods yet.
    pub(crate) fn none(domains: DomainCounts, included: Arc<Included>) -> SpreadCounts {
        let number = included.domains();
        let levels = (number > 0).then_some((0, number)).into_iter().collect();
        SpreadCounts { domains, included, levels }
    }

    pub(crate) fn add(&mut self, slot: u32, amount: i64) {
        if !self.included.has(slot) {
            return;
        }
        let before = self.domains.of(slot).expect("a node that counts has a domain");
        self.domains.add(slot, amount);
        let level = self.levels.get_mut(&before).expect("a domain that counts has a level");
        *level -= 1;
        if *level == 0 {
            self.levels.remove(&before);
        }
        *self.levels.entry(before + amount).or_insert(0) += 1;
    }

    /// The smallest number of a domain; 0 when there are fewer domains than that.
    pub(crate) fn smallest(&self, min_domains: i64) -> i64 {
        let smallest = self.levels.first_key_value().map_or(0, |(level, _)| *level);
        if (self.number() as i64) < min_domains { 0 } else { smallest }
    }

    /// How many domains there are of nodes that count.
    pub(crate) fn number(&self) -> usize {
        self.levels.values().sum()
    }
}
