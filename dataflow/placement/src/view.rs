//! The fleet as one pod sees it: what filters and scores read, summed up by domain beforehand.
//!
//! Guarantee: asking about a node costs the same however many pods and nodes there are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::census::{Census, Counts};
use crate::eligible::Eligible;
use crate::nodes::Nodes;
use crate::query::{Force, NamespaceLabels, PodTerm};
use crate::shape::PodShape;
use crate::spread::Spread;
use crate::topology::{NO_DOMAIN, Topology};

/// What filters and scores may read.
pub(crate) struct View<'a> {
    pub(crate) nodes: &'a Nodes,
    pub(crate) shape: &'a PodShape,
    pub(crate) spread_hard: Vec<SpreadView<'a>>,
    pub(crate) spread_soft: Vec<SpreadView<'a>>,
    pub(crate) affinity: Option<AffinityView<'a>>,
    /// Pods that this pod keeps away from, a domain count for each term.
    pub(crate) anti_affinity: Vec<DomainCounts<'a>>,
    /// Pods that keep this pod away, a domain count for each topology key.
    pub(crate) repelled: Vec<DomainCounts<'a>>,
    /// The weights of all preferences about pods, this pod's and theirs, by topology key.
    pub(crate) weights: Vec<DomainCounts<'a>>,
    /// Whether there may be `PreferNoSchedule` taints that the pod does not bear.
    pub(crate) soft_taints: bool,
}

/// Where the fleet keeps what a view is made from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) nodes: &'a Nodes,
    pub(crate) census: &'a Census,
    pub(crate) namespaces: &'a NamespaceLabels,
}

/// A number for each domain of a topology key.
pub(crate) struct DomainCounts<'a> {
    topology: Cow<'a, Topology>,
    counts: Vec<i64>,
}

/// A spread constraint and how it stands.
pub(crate) struct SpreadView<'a> {
    pub(crate) spread: &'a Spread,
    pub(crate) domains: DomainCounts<'a>,
    /// The smallest count of a domain; 0 when there are too few domains.
    pub(crate) smallest: i64,
}

/// Required pod affinity and how it stands.
pub(crate) struct AffinityView<'a> {
    /// A domain count for each term.
    pub(crate) terms: Vec<DomainCounts<'a>>,
    /// Nobody matches yet, and the pod matches its own terms: it may be the first.
    pub(crate) may_be_first: bool,
}

impl<'a> View<'a> {
    /// The view of a pod that does not look at other pods and that no pod has terms about.
    pub(crate) fn bare(nodes: &'a Nodes, shape: &'a PodShape) -> View<'a> {
        View {
            nodes,
            shape,
            spread_hard: Vec::new(),
            spread_soft: Vec::new(),
            affinity: None,
            anti_affinity: Vec::new(),
            repelled: Vec::new(),
            weights: Vec::new(),
            soft_taints: true,
        }
    }

    pub(crate) fn new(from: Sources<'a>, shape: &'a PodShape, eligible: &Eligible) -> View<'a> {
        let (repelled, weights) = from.weights(shape);
        View {
            spread_hard: from.spreads(&shape.spread_hard, eligible),
            spread_soft: from.spreads(&shape.spread_soft, eligible),
            affinity: from.affinity(shape),
            anti_affinity: shape.anti_affinity.iter().map(|term| from.term(term)).collect(),
            repelled,
            weights,
            soft_taints: eligible.soft_taints,
            ..View::bare(from.nodes, shape)
        }
    }

    /// Whether resources are all that a node's answer depends on, beside the node itself.
    pub(crate) fn is_plain(&self) -> bool {
        self.shape.ports.is_empty() && self.repelled.is_empty() && !self.shape.looks_at_pods()
    }
}

impl<'a> Sources<'a> {
    fn domains(&self, key: &str) -> DomainCounts<'a> {
        let topology = match self.nodes.topology(key) {
            Some(topology) => Cow::Borrowed(topology),
            None => Cow::Owned(self.nodes.build_topology(key)),
        };
        DomainCounts { counts: vec![0; topology.len()], topology }
    }

    fn term(&self, term: &PodTerm) -> DomainCounts<'a> {
        let mut domains = self.domains(&term.topology_key);
        domains.add(&self.census.count(&term.query, self.namespaces), 1);
        domains
    }

    fn affinity(&self, shape: &'a PodShape) -> Option<AffinityView<'a>> {
        let affinity = shape.affinity.as_ref()?;
        let counts = self.census.count(&affinity.query, self.namespaces);
        let mut terms: Vec<_> =
            affinity.topology_keys.iter().map(|key| self.domains(key)).collect();
        terms.iter_mut().for_each(|domains| domains.add(&counts, 1));
        let nobody = terms.iter().all(DomainCounts::is_zero);
        let itself = affinity.query.matches(&shape.namespace, &shape.labels, self.namespaces);
        Some(AffinityView { terms, may_be_first: nobody && itself })
    }

    /// What repels the pod and what weighs for or against it, each by topology key.
    fn weights(&self, shape: &'a PodShape) -> (Vec<DomainCounts<'a>>, Vec<DomainCounts<'a>>) {
        let mut repelled: BTreeMap<&str, DomainCounts<'a>> = BTreeMap::new();
        let mut weights: BTreeMap<&str, DomainCounts<'a>> = BTreeMap::new();
        for (held, counts) in self.census.held_about(shape, self.namespaces) {
            let key = held.term.topology_key.as_str();
            let (map, times) = match held.force {
                Force::Repels => (&mut repelled, 1),
                Force::Weighs(weight) => (&mut weights, weight),
            };
            map.entry(key).or_insert_with(|| self.domains(key)).add(counts, times);
        }
        for (weight, term) in &shape.pod_preferences {
            let key = term.topology_key.as_str();
            let counts = self.census.count(&term.query, self.namespaces);
            weights.entry(key).or_insert_with(|| self.domains(key)).add(&counts, *weight);
        }
        (repelled.into_values().collect(), weights.into_values().collect())
    }

    fn spreads(&self, spreads: &'a [Spread], eligible: &Eligible) -> Vec<SpreadView<'a>> {
        let mut all: Vec<_> = spreads.iter().map(|s| self.domains(&s.topology_key)).collect();
        let included: Vec<Vec<bool>> =
            spreads.iter().map(|spread| self.included(spread, &all, eligible)).collect();
        let mut views = Vec::with_capacity(spreads.len());
        for ((spread, mut domains), included) in spreads.iter().zip(all.drain(..)).zip(included) {
            let counts = self.census.count(&spread.query, self.namespaces);
            domains.add_where(&counts, &included);
            let smallest = self.smallest(spread, &domains, &included);
            views.push(SpreadView { spread, domains, smallest });
        }
        views
    }

    /// The nodes that count for a constraint, by slot: they have every constraint's label and are
    /// not refused by what the constraint honors.
    fn included(
        &self,
        spread: &Spread,
        all: &[DomainCounts<'_>],
        eligible: &Eligible,
    ) -> Vec<bool> {
        let mut included = vec![false; self.nodes.slots_len()];
        for slot in self.nodes.order().iter().copied() {
            included[slot as usize] = all.iter().all(|domains| domains.of(slot).is_some())
                && (!spread.honors_affinity || eligible.matches(slot))
                && (!spread.honors_taints || eligible.tolerated(slot));
        }
        included
    }

    fn smallest(&self, spread: &Spread, domains: &DomainCounts<'_>, included: &[bool]) -> i64 {
        let mut seen = vec![false; domains.counts.len()];
        let (mut number, mut smallest) = (0, i64::MAX);
        for slot in self.nodes.order().iter().copied().filter(|slot| included[*slot as usize]) {
            let domain = domains.topology.domain(slot) as usize;
            if !std::mem::replace(&mut seen[domain], true) {
                number += 1;
                smallest = smallest.min(domains.counts[domain]);
            }
        }
        if number < spread.min_domains { 0 } else { smallest }
    }
}

impl DomainCounts<'_> {
    /// The number of the node's domain; `None` when the node has none.
    pub(crate) fn of(&self, slot: u32) -> Option<i64> {
        let domain = self.topology.domain(slot);
        (domain != NO_DOMAIN).then(|| self.counts[domain as usize])
    }

    /// How many domains the nodes are in.
    pub(crate) fn distinct(&self, slots: impl Iterator<Item = u32>) -> usize {
        let mut seen = vec![false; self.counts.len()];
        let domains = slots.map(|slot| self.topology.domain(slot)).filter(|d| *d != NO_DOMAIN);
        domains.filter(|d| !std::mem::replace(&mut seen[*d as usize], true)).count()
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    fn add(&mut self, counts: &Counts, times: i64) {
        for (slot, count) in counts {
            self.add_one(*slot, times * i64::from(*count));
        }
    }

    fn add_where(&mut self, counts: &Counts, included: &[bool]) {
        for (slot, count) in counts.iter().filter(|(slot, _)| included[**slot as usize]) {
            self.add_one(*slot, i64::from(*count));
        }
    }

    fn add_one(&mut self, slot: u32, amount: i64) {
        let domain = self.topology.domain(slot);
        if domain != NO_DOMAIN {
            self.counts[domain as usize] += amount;
        }
    }
}
