//! Placing: one pod, one node, or the reasons why not.
//!
//! Guarantee: the same fleet, pod and epoch give the same node; a pod that fits anywhere is placed.
//! Absent: reserving. Whoever asked reserves.

use std::borrow::Cow;
use std::sync::Arc;

use setpoint_schemas::PodUid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::NodeId;
use crate::eligible::Eligible;
use crate::filters::{self, Stage};
use crate::fleet::Fleet;
use crate::reasons::Reasons;
use crate::scores::{self, Considered};
use crate::shape::PodShape;
use crate::view::View;

/// What became of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placing {
    /// It goes to this node.
    Placed {
        /// The node.
        node: NodeId,
        /// The best of the nodes compared, this one first; empty when the pod names its node.
        considered: Vec<Considered>,
    },
    /// It fits nowhere.
    Unplaceable(Arc<Reasons>),
}

/// Samples that suffice on every fleet measured; beyond eight the fill hardly improves.
pub const SAMPLES_DEFAULT: usize = 8;
/// Nodes named as considered: what a person reads of an answer.
const CONSIDERED_MAX: usize = 8;
/// Draws for each sample wanted: with one node in eight feasible, half of the samples are found.
const DRAWS_PER_SAMPLE: usize = 4;
/// Odd, for stepping through 64-bit hashes (2^64 over the golden ratio).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Fleet {
    /// Chooses a node for the pod, reserving nothing: the best of `samples` nodes drawn by the hash
    /// of uid and epoch, of all nodes where the pod weighs nodes by preference or looks at other
    /// pods, where the draw finds none that fits, and where the fleet is small.
    pub fn place(
        &mut self,
        uid: &PodUid,
        shape: &Arc<PodShape>,
        epoch: u64,
        samples: usize,
    ) -> Placing {
        if let Some(name) = &shape.node_name {
            return self.forced(name);
        }
        if let Some(reasons) = self.refusal(shape) {
            return Placing::Unplaceable(reasons);
        }
        if let Some(considered) = self.named(shape) {
            return placed(considered);
        }
        self.prepare(shape);
        let eligible = self.eligible(shape);
        let view = self.view(shape, &eligible);
        if !self.is_hopeless(shape) {
            let seed = xxh3_64_with_seed(uid.as_str().as_bytes(), epoch);
            let considered = choose(&view, &eligible, seed, samples.max(1));
            if !considered.is_empty() {
                return placed(considered);
            }
        }
        let reasons = Arc::new(reasons(&view, &eligible));
        self.remember_refusal(shape, &reasons);
        Placing::Unplaceable(reasons)
    }

    /// Whether this one node takes the pod, reserving nothing: a DaemonSet's pods each have theirs.
    /// `None` when the node's own marks (readiness, cordon, taints, labels) refuse it: then the pod
    /// is not meant for it.
    pub fn place_on(&mut self, node: NodeId, shape: &Arc<PodShape>) -> Option<Placing> {
        let slot = self.nodes.slot(node).filter(|slot| self.nodes.node(*slot).info.is_some())?;
        let asked = shape.looks_at_pods();
        if asked {
            self.prepare(shape);
        }
        let eligible = if asked { self.eligible(shape) } else { Cow::Owned(Eligible::unasked()) };
        let mut view = self.view(shape, &eligible);
        if filters::first_refusal(&view, slot, Stage::Static).is_some() {
            return None;
        }
        // Bound to its node as by an affinity: where a spread honors that, no other node counts for
        // it, and one alone is always even.
        view.spread_hard
            .retain(|state| !state.spread.honors_affinity || state.domains.of(slot).is_none());
        let Some(refusal) = filters::first_refusal(&view, slot, Stage::Dynamic) else {
            return Some(placed(ranked(&view, &[slot])));
        };
        let nodes = self.nodes.order().len();
        let mut reasons = Reasons { nodes, ..Reasons::default() };
        refusal.reasons(&view, slot).into_iter().for_each(|reason| reasons.count(reason, 1));
        if nodes > 1 {
            reasons.count(filters::NOT_MATCHED.to_owned(), nodes - 1);
        }
        Some(Placing::Unplaceable(Arc::new(reasons)))
    }

    /// `spec.nodeName` goes past every filter; the node must exist.
    fn forced(&self, name: &str) -> Placing {
        if let Some(slot) = self.nodes.find(name) {
            return Placing::Placed { node: self.nodes.node(slot).id, considered: Vec::new() };
        }
        let nodes = self.nodes.order().len();
        let mut reasons = Reasons { nodes, ..Reasons::default() };
        reasons.count("node(s) didn't match the requested node name".to_owned(), nodes);
        Placing::Unplaceable(Arc::new(reasons))
    }

    /// The shortcut of a pod that names the nodes it may go to, as a DaemonSet's pods do: only
    /// those are looked at. `None` when it does not apply or finds nothing.
    fn named(&self, shape: &PodShape) -> Option<Vec<Considered>> {
        let names = shape.demand.names.as_ref().filter(|_| !shape.has_constraints())?;
        let eligible = Eligible::unasked();
        let view = self.view(shape, &eligible);
        let mut slots: Vec<u32> = names.iter().filter_map(|name| self.nodes.find(name)).collect();
        slots.retain(|slot| {
            let refused = |stage| filters::first_refusal(&view, *slot, stage).is_some();
            !refused(Stage::Static) && !refused(Stage::Dynamic)
        });
        (!slots.is_empty()).then(|| ranked(&view, &slots))
    }
}

fn placed(considered: Vec<Considered>) -> Placing {
    Placing::Placed { node: considered[0].node, considered }
}

/// The nodes compared, the best first; empty when none fits.
fn choose(view: &View<'_>, eligible: &Eligible, seed: u64, samples: usize) -> Vec<Considered> {
    let draws = samples.saturating_mul(DRAWS_PER_SAMPLE);
    let weighs_all =
        view.shape.has_constraints() || eligible.soft_taints || !view.weights.is_empty();
    if !weighs_all && eligible.slots.len() > draws {
        let drawn = draw(view, &eligible.slots, seed, samples, draws);
        if !drawn.is_empty() {
            return ranked(view, &drawn);
        }
    }
    let fitting: Vec<u32> = eligible.slots.iter().copied().filter(|s| fits(view, *s)).collect();
    ranked(view, &fitting)
}

/// Up to `samples` different nodes that fit, by name. The slots are in order of names, so what is
/// drawn depends on names, never on slots.
fn draw(view: &View<'_>, slots: &[u32], seed: u64, samples: usize, draws: usize) -> Vec<u32> {
    let mut drawn = Vec::with_capacity(samples);
    let mut hash = seed;
    for _ in 0..draws {
        hash = hash.wrapping_add(STEP);
        let at = below(mixed(hash), slots.len());
        if fits(view, slots[at]) && !drawn.contains(&at) {
            drawn.push(at);
            if drawn.len() == samples {
                break;
            }
        }
    }
    drawn.sort_unstable();
    drawn.into_iter().map(|at| slots[at]).collect()
}

fn fits(view: &View<'_>, slot: u32) -> bool {
    if view.is_plain() {
        return filters::fits(view, slot);
    }
    filters::first_refusal(view, slot, Stage::Dynamic).is_none()
}

/// The slots come in order of names.
fn ranked(view: &View<'_>, slots: &[u32]) -> Vec<Considered> {
    let scores = scores::score(view, slots, slots);
    scores::best_first(view.nodes, slots, &scores, CONSIDERED_MAX)
}

/// Why no node takes the pod: each node under the first filter that refuses it.
fn reasons(view: &View<'_>, eligible: &Eligible) -> Reasons {
    let nodes = view.nodes.order().len();
    let mut reasons = Reasons { nodes, counts: eligible.refused.clone() };
    for slot in eligible.slots.iter().chain(&eligible.scarce) {
        let refusal = filters::first_refusal(view, *slot, Stage::Dynamic);
        let refusal = refusal.expect("a pod that fits somewhere is placed");
        for reason in refusal.reasons(view, *slot) {
            reasons.count(reason, 1);
        }
    }
    reasons
}

/// The finalizer of SplitMix64: every bit depends on every bit.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A hash as an index below the length.
fn below(hash: u64, len: usize) -> usize {
    let product = u128::from(hash) * len as u128;
    (product >> 64) as usize
}
