//! Where other pods are, as pods with the same interest in them see it: by domain, kept from
//! decision to decision.
//!
//! Guarantee: equals what building it anew would give; a decision costs what changed since the last
//! one, not the number of pods or nodes.

use std::borrow::Cow;
use std::sync::Arc;

use crate::camps::Camps;
use crate::census::{Census, Counts, Source};
use crate::domains::{DomainCounts, Included, SpreadCounts};
use crate::eligible::Eligible;
use crate::ground::Ground;
use crate::ids::IdMap;
use crate::nodes::Nodes;
use crate::parts::{Part, Parts};
use crate::query::{Force, NamespaceLabels, PodQuery};
use crate::shape::PodShape;
use crate::spread::Spread;

/// What filters and scores may know of other pods.
#[derive(Debug)]
pub(crate) struct Outlook {
    /// The version of the nodes that this was built from.
    version: u64,
    pub(crate) parts: Parts,
    followed: Vec<Followed>,
    camps: Option<Arc<Camps>>,
    /// What it stands on.
    ground: Option<u128>,
    /// What was counted for it when it was kept.
    pub(crate) weighed: usize,
}

/// Whose changes reach which part, and how far they did.
#[derive(Debug)]
struct Followed {
    source: Source,
    next: u64,
    part: Part,
    times: i64,
}

/// What a pod of this shape looks at, and which placed pods' terms are about it.
#[derive(Debug)]
pub(crate) struct Interest {
    /// Equal for pods that see the same.
    pub(crate) digest: u128,
    /// Terms that placed pods hold, in the order of their digests.
    pub(crate) held: Vec<u128>,
    /// Whether the pod matches its own required affinity.
    pub(crate) matches_itself: bool,
    /// Whether its outlook was brought up to date: without that, other pods are of no interest.
    pub(crate) is_prepared: bool,
}

/// Where the fleet keeps what an outlook is made from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) nodes: &'a Nodes,
    pub(crate) census: &'a Census,
    pub(crate) namespaces: &'a NamespaceLabels,
}

/// The outlook of a pod that looks at no other pod and that no pod has terms about.
pub(crate) static NOBODY: Outlook = Outlook::empty(0);

impl Outlook {
    const fn empty(version: u64) -> Outlook {
        Outlook {
            version,
            parts: Parts::none(),
            followed: Vec::new(),
            camps: None,
            ground: None,
            weighed: 0,
        }
    }

    /// Built anew, on this ground.
    pub(crate) fn new(
        from: Sources<'_>,
        shape: &PodShape,
        interest: &Interest,
        ground: &Ground,
    ) -> Outlook {
        let mut outlook = Outlook::empty(from.nodes.version);
        // Whoever is spoken of by others is told apart by more than what he asks himself.
        if interest.held.is_empty() {
            (outlook.ground, outlook.camps) = (Some(shape.ground), ground.camps.clone());
        }
        let (hard, soft) = ground.included.split_at(shape.spread_hard.len());
        outlook.parts.spread_hard = from.spreads(&shape.spread_hard, hard);
        outlook.parts.spread_soft = from.spreads(&shape.spread_soft, soft);
        for (index, spread) in shape.spread_hard.iter().enumerate() {
            outlook.ask(from, &spread.query, Part::SpreadHard(index), 1);
        }
        for (index, spread) in shape.spread_soft.iter().enumerate() {
            outlook.ask(from, &spread.query, Part::SpreadSoft(index), 1);
        }
        if let Some(affinity) = &shape.affinity {
            for (index, key) in affinity.topology_keys.iter().enumerate() {
                outlook.parts.affinity.push(from.domains(key));
                outlook.ask(from, &affinity.query, Part::Affinity(index), 1);
            }
        }
        for (index, term) in shape.anti_affinity.iter().enumerate() {
            outlook.parts.anti_affinity.push(from.domains(&term.topology_key));
            outlook.ask(from, &term.query, Part::AntiAffinity(index), 1);
        }
        for (weight, term) in &shape.pod_preferences {
            outlook.parts.weights.push(from.domains(&term.topology_key));
            let part = Part::Weights(outlook.parts.weights.len() - 1);
            outlook.ask(from, &term.query, part, *weight);
        }
        interest.held.iter().for_each(|digest| outlook.hear(from, *digest));
        outlook
    }

    /// Takes in what changed since; `false` when it must be built anew.
    pub(crate) fn catch_up(&mut self, from: Sources<'_>) -> bool {
        if self.version != from.nodes.version {
            return false;
        }
        for index in 0..self.followed.len() {
            let Followed { source, next, part, times } = self.followed[index];
            let Some(journal) = from.census.journal(source) else { return false };
            let Some(changes) = journal.since(next) else { return false };
            for (slot, by) in changes {
                self.add(part, *slot, times * by);
            }
            self.followed[index].next = journal.next();
        }
        self.camps.as_ref().is_none_or(|camps| !camps.is_crowded())
    }

    /// The nodes sorted by what this outlook and the pod's preferences about nodes tell of them.
    pub(crate) fn camps(&self) -> Option<&Camps> {
        self.camps.as_deref()
    }

    /// Sorts the nodes, unless they are; on a ground that others share for them too, where it can be.
    pub(crate) fn pitch(
        &mut self,
        nodes: &Nodes,
        shape: &PodShape,
        eligible: &Eligible,
        grounds: &mut IdMap<u128, Ground>,
    ) {
        if self.camps.is_some() {
            return;
        }
        let camps = Arc::new(Camps::new(&self.parts, nodes, shape, eligible));
        let ground = self.ground.and_then(|ground| grounds.get_mut(&ground));
        if let Some(ground) = ground.filter(|g| g.version == self.version && camps.are_fixed()) {
            ground.camps = Some(Arc::clone(&camps));
        }
        self.camps = Some(camps);
    }

    /// How much is kept of it beside what others share: numbers of domains and nodes.
    pub(crate) fn weight(&self, nodes: usize) -> usize {
        let all = self.parts.all();
        let numbers: usize = all.iter().map(|part| self.parts.domains(*part).len()).sum();
        let own = self.camps.as_ref().is_none_or(|camps| !camps.are_fixed());
        numbers + if own { nodes } else { 0 }
    }

    /// Follows a question of the pod's own.
    fn ask(&mut self, from: Sources<'_>, query: &Arc<PodQuery>, part: Part, times: i64) {
        let counts = from.census.count(query, from.namespaces);
        self.follow(from, Source::Asked(query.digest), &counts, part, times);
    }

    /// Follows the holders of a term that is about the pod.
    fn hear(&mut self, from: Sources<'_>, digest: u128) {
        let (held, counts) = from.census.held(digest);
        let domains = from.domains(&held.term.topology_key);
        let (part, times) = match held.force {
            Force::Repels => {
                self.parts.repelled.push(domains);
                (Part::Repelled(self.parts.repelled.len() - 1), 1)
            }
            Force::Weighs(weight) => {
                self.parts.weights.push(domains);
                (Part::Weights(self.parts.weights.len() - 1), weight)
            }
        };
        self.follow(from, Source::Held(digest), counts, part, times);
    }

    fn follow(
        &mut self,
        from: Sources<'_>,
        source: Source,
        counts: &Counts,
        part: Part,
        times: i64,
    ) {
        for (slot, count) in counts {
            self.add(part, *slot, times * i64::from(*count));
        }
        let next = from.census.journal(source).map_or(0, |journal| journal.next());
        self.followed.push(Followed { source, next, part, times });
    }

    fn add(&mut self, part: Part, slot: u32, amount: i64) {
        self.parts.add(part, slot, amount);
        // Those that others share are fixed.
        if let Some(camps) = self.camps.as_mut().and_then(Arc::get_mut) {
            camps.changed(&self.parts, part, slot);
        }
    }
}

impl Sources<'_> {
    fn domains(&self, key: &str) -> DomainCounts {
        let topology = match self.nodes.topology(key) {
            Some(topology) => Cow::Borrowed(topology),
            None => Cow::Owned(Arc::new(self.nodes.build_topology(key))),
        };
        DomainCounts::none(topology.into_owned())
    }

    fn spreads(&self, spreads: &[Spread], included: &[Arc<Included>]) -> Vec<SpreadCounts> {
        let counts = spreads.iter().zip(included).map(|(spread, included)| {
            SpreadCounts::none(self.domains(&spread.topology_key), Arc::clone(included))
        });
        counts.collect()
    }

    /// The ground of pods of this shape.
    pub(crate) fn ground(&self, shape: &PodShape, eligible: &Eligible) -> Ground {
        let included = [&shape.spread_hard, &shape.spread_soft].into_iter().flat_map(|spreads| {
            let all: Vec<_> = spreads.iter().map(|s| self.domains(&s.topology_key)).collect();
            let included = |(spread, domains): (&Spread, &DomainCounts)| {
                Included::new(domains, self.included(spread, &all, eligible))
            };
            spreads.iter().zip(&all).map(included).collect::<Vec<_>>()
        });
        Ground { version: self.nodes.version, included: included.collect(), camps: None }
    }

    /// The nodes that count for a constraint, by slot: they have every constraint's label and are
    /// not refused by what the constraint honors.
    fn included(&self, spread: &Spread, all: &[DomainCounts], eligible: &Eligible) -> Vec<bool> {
        let mut included = vec![false; self.nodes.slots_len()];
        for slot in self.nodes.order().iter().copied() {
            included[slot as usize] = all.iter().all(|domains| domains.of(slot).is_some())
                && (!spread.honors_affinity || eligible.matches(slot))
                && (!spread.honors_taints || eligible.tolerated(slot));
        }
        included
    }
}
