//! Placing: one pod, one node, or the reasons why not.
//!
//! Guarantee: the same fleet, pod and epoch give the same node; a pod that fits anywhere is placed.
//! Absent: reserving. Whoever asked reserves.

use std::sync::Arc;

use setpoint_schemas::PodUid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::NodeId;
use crate::eligible::Eligible;
use crate::filters::{self, Refusal, Stage};
use crate::fleet::{Fleet, make_room};
use crate::ids::digest_of;
use crate::inclination;
use crate::outlook::Interest;
use crate::reasons::Reasons;
use crate::scores::Considered;
use crate::search::ranked;
use crate::shape::PodShape;
use crate::shortages::Shortages;
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
/// Nodes that have some of what a pod asks for and are then asked one by one: as many as a search
/// would look at.
const NAMED_MAX: usize = 32;
/// Kinds of refused pods whose shortages are kept; beyond this all are forgotten. One takes a byte a node.
const SHORTAGES_MAX: usize = 256;

impl Fleet {
    /// Chooses a node for the pod, reserving nothing. Nodes that other pods and the pod's own
    /// preferences tell apart are compared with each other; of nodes that only their reservations
    /// tell apart, the best of `samples` drawn by the hash of uid and epoch stands for all. A small
    /// fleet is looked at node by node.
    pub fn place(
        &mut self,
        uid: &PodUid,
        shape: &Arc<PodShape>,
        epoch: u64,
        samples: usize,
    ) -> Placing {
        self.nodes.boards.appraisal.refresh();
        if let Some(name) = &shape.node_name {
            return self.forced(name, shape);
        }
        if let Some(home) = &shape.home {
            return self.go_home(home, shape);
        }
        let mut interest = self.interest(shape);
        let kind = digest_of(&(interest.digest, shape.room));
        if let Some(reasons) = self.refusal(kind) {
            return Placing::Unplaceable(reasons);
        }
        if let Some(considered) = self.named(shape, &mut interest) {
            return placed(considered);
        }
        let soft_taints = self.prepare(shape, &mut interest);
        if !self.is_hopeless(shape, kind) {
            let seed = xxh3_64_with_seed(uid.text().as_bytes(), epoch);
            let considered = self.compared(shape, &interest, seed, samples.max(1));
            if !considered.is_empty() {
                return placed(considered);
            }
        }
        let reasons = match self.asks_for_amounts(shape, &interest) {
            true => self.short(shape, kind),
            false => reasons(&self.view(shape, &interest, soft_taints), &self.eligible(shape)),
        };
        let reasons = Arc::new(reasons);
        self.remember_refusal(kind, &reasons);
        Placing::Unplaceable(reasons)
    }

    /// Whether eligible nodes can refuse the pod for lack of plain resources only.
    fn asks_for_amounts(&self, shape: &PodShape, interest: &Interest) -> bool {
        !shape.looks_at_pods()
            && interest.held.is_empty()
            && shape.ports.is_empty()
            && shape.requests.extended.is_empty()
            && self.eligible(shape).scarce.is_empty()
    }

    /// Why no node takes a pod that asks for plain resources.
    fn short(&mut self, shape: &PodShape, kind: u128) -> Reasons {
        let known = self.shortages.remove(&kind);
        let (version, eligible) = (self.nodes.version, self.eligible(shape));
        let view = View::bare(&self.nodes, shape);
        let lacks = |slot| filters::lacks(&view, slot);
        let caught_up = known.and_then(|mut known| {
            known.catch_up(version, &self.levels, &eligible, lacks).then_some(known)
        });
        let shortages =
            caught_up.unwrap_or_else(|| Shortages::new(version, &self.levels, &eligible, lacks));
        let nodes = self.nodes.order().len();
        let mut reasons = Reasons { nodes, counts: eligible.refused.clone() };
        for (set, nodes) in shortages.sets() {
            filters::lacking(set).into_iter().for_each(|reason| reasons.count(reason, nodes));
        }
        drop(eligible);
        make_room(&mut self.shortages, kind, SHORTAGES_MAX);
        self.shortages.insert(kind, shortages);
        reasons
    }

    /// Keeps all that a search for the pod reads. Whether eligible nodes have taints that the pod
    /// would rather not bear.
    pub(crate) fn prepare(&mut self, shape: &PodShape, interest: &mut Interest) -> bool {
        self.prepare_eligible(shape);
        let soft_taints = self.eligible(shape).soft_taints;
        if shape.has_constraints() || !interest.held.is_empty() || soft_taints {
            self.prepare_outlook(shape, interest);
        }
        soft_taints
    }

    /// Keeps what a look at one node reads, and whether there are taints that the pod would rather not bear.
    pub(crate) fn prepare_one(&mut self, shape: &Arc<PodShape>) -> (Interest, bool) {
        self.count_asked(1);
        let mut interest = self.interest(shape);
        let mut soft_taints = true;
        if shape.looks_at_pods() {
            soft_taints = self.prepare(shape, &mut interest);
        } else if !interest.held.is_empty() {
            self.prepare_outlook(shape, &mut interest);
        }
        (interest, soft_taints)
    }

    /// Whether this one node takes the pod, reserving nothing: a DaemonSet's pods each have theirs.
    /// `None` when the node's own marks (readiness, cordon, taints, labels) refuse it: then the pod
    /// is not meant for it.
    pub fn place_on(&mut self, node: NodeId, shape: &Arc<PodShape>) -> Option<Placing> {
        self.nodes.boards.appraisal.refresh();
        let slot = self.nodes.slot(node).filter(|slot| self.nodes.node(*slot).info.is_some())?;
        let (interest, soft_taints) = self.prepare_one(shape);
        let mut view = self.view(shape, &interest, soft_taints);
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

    /// `spec.nodeName` goes past every filter; the node must exist, live, and have the devices:
    /// nobody can run on one that is not there, as Kubernetes' node would say, and who was moved away
    /// from a node that is lost must not come back to it again and again.
    fn forced(&self, name: &str, shape: &PodShape) -> Placing {
        let nodes = self.nodes.order().len();
        let mut reasons = Reasons { nodes, ..Reasons::default() };
        let mut others = nodes;
        if let Some(slot) = self.nodes.find(name) {
            let Some(why) = filters::unable(&View::bare(&self.nodes, shape), slot) else {
                return Placing::Placed { node: self.nodes.node(slot).id, considered: Vec::new() };
            };
            reasons.count(why, 1);
            others -= 1;
        }
        if others > 0 || nodes == 0 {
            reasons.count("node(s) didn't match the requested node name".to_owned(), others);
        }
        Placing::Unplaceable(Arc::new(reasons))
    }

    /// The shortcut of a pod that only a few nodes can take, since it names them, as a DaemonSet's
    /// pods do, or asks for a resource that few have: only those are looked at. `None` when it
    /// does not apply or finds nothing.
    fn named(&mut self, shape: &PodShape, interest: &mut Interest) -> Option<Vec<Considered>> {
        if shape.has_constraints() {
            return None;
        }
        let mut slots = self.few(shape)?;
        if !interest.held.is_empty() {
            self.prepare_outlook(shape, interest);
        }
        self.count_asked(slots.len());
        let averse = |slot: &u32| inclination::aversion(&self.nodes, shape, *slot) > 0;
        let soft_taints = shape.demand.names.is_some() || slots.iter().any(averse);
        let view = self.view(shape, interest, soft_taints);
        slots.retain(|slot| {
            let refused = |stage| filters::first_refusal(&view, *slot, stage).is_some();
            !refused(Stage::Static) && !refused(Stage::Dynamic)
        });
        (!slots.is_empty()).then(|| ranked(&view, &slots))
    }

    /// The few nodes that can take the pod, by name; `None` when there may be many.
    fn few(&self, shape: &PodShape) -> Option<Vec<u32>> {
        if let Some(names) = &shape.demand.names {
            return Some(names.iter().filter_map(|name| self.nodes.find(name)).collect());
        }
        let asked = shape.demand.extended.iter().filter(|(_, amount)| **amount > 0);
        let holders = asked.map(|(name, _)| self.nodes.with_extended(name));
        let rarest = holders.min_by_key(|holders| holders.len())?;
        let mut slots = (rarest.len() <= NAMED_MAX).then(|| rarest.to_vec())?;
        slots.sort_unstable_by_key(|slot| self.nodes.name(*slot));
        Some(slots)
    }
}

pub(crate) fn placed(considered: Vec<Considered>) -> Placing {
    Placing::Placed { node: considered[0].node, considered }
}

/// Why no node takes the pod: each node under the first filter that refuses it.
fn reasons(view: &View<'_>, eligible: &Eligible) -> Reasons {
    let nodes = view.nodes.order().len();
    let mut reasons = Reasons { nodes, counts: eligible.refused.clone() };
    let mut alike: Vec<(Refusal, usize)> = Vec::new();
    for slot in eligible.slots.iter().chain(&eligible.scarce) {
        let refusal = filters::first_refusal(view, *slot, Stage::Dynamic);
        let refusal = refusal.expect("a pod that fits somewhere is placed").detailed(view, *slot);
        if matches!(refusal, Refusal::Short) {
            refusal.reasons(view, *slot).into_iter().for_each(|reason| reasons.count(reason, 1));
            continue;
        }
        match alike.iter_mut().find(|(other, _)| *other == refusal) {
            Some((_, count)) => *count += 1,
            None => alike.push((refusal, 1)),
        }
    }
    let any = eligible.slots.iter().chain(&eligible.scarce).next().copied().unwrap_or_default();
    for (refusal, count) in alike {
        refusal.reasons(view, any).into_iter().for_each(|reason| reasons.count(reason, count));
    }
    reasons
}
