//! Preempting: on which node the fewest and least important pods have to go for one pod.
//!
//! Guarantee: the same fleet, roster, pod and epoch give the same victims, and without them the pod
//! fits. For pods that ask for plain amounts of nodes without budgets every node is compared; of the
//! others as many candidates as kube-scheduler compares. What cannot be helped is remembered.
//! Absent: the pod's own fit: a pod that fits somewhere has no need to ask.

use std::sync::Arc;

use setpoint_schemas::PodUid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::NodeId;
use crate::filters::{self, Stage};
use crate::fleet::Fleet;
use crate::hold::Hold;
use crate::ids::digest_of;
use crate::preempt::{Amounts, Below, Cost, Preemption, Ranking, Rated, Roster, select};
use crate::shape::PodShape;
use crate::trial::{AmountsTrial, Bound, FilterTrial};

/// Candidates that are compared, in percent of the eligible nodes: kube-scheduler's
/// `minCandidateNodesPercentage`.
const CANDIDATES_PERCENT: usize = 10;
/// Candidates that are compared at least: kube-scheduler's `minCandidateNodesAbsolute`.
const CANDIDATES_MIN: usize = 100;

/// A node that would do: what it costs, its place by name, and the victims.
type Candidate = (Cost, usize, Preemption);

impl Fleet {
    /// Who has to go for the pod, which fits nowhere; `None` when nobody lower makes room for it, or
    /// it does not preempt.
    pub fn preempt(
        &mut self,
        uid: &PodUid,
        shape: &Arc<PodShape>,
        epoch: u64,
        roster: &dyn Roster,
    ) -> Option<Preemption> {
        if let Some(home) = &shape.home {
            return self.preempt_at(&home.node, shape, roster);
        }
        let rank = i64::from(shape.priority());
        let is_free = shape.preempts() && shape.node_name.is_none();
        if !is_free || !self.levels.is_above_anybody(rank) {
            return None;
        }
        let interest = self.interest(shape);
        let looks_around = shape.looks_at_pods() || !interest.held.is_empty();
        let kind = digest_of(&(interest.digest, shape.room, rank));
        if self.is_futile(kind, looks_around) {
            return None;
        }
        self.prepare_eligible(shape);
        let seed = xxh3_64_with_seed(uid.text().as_bytes(), epoch);
        let is_plain = shape.ports.is_empty() && shape.requests.extended.is_empty();
        let found = match is_plain && !looks_around {
            true => self.cheapest(shape, seed, roster),
            false => self.tried(shape, seed, roster),
        };
        if found.is_none() {
            self.remember_futile(kind);
        }
        found
    }

    /// Who has to go on this one node for a pod that is meant for it.
    pub fn preempt_on(
        &mut self,
        node: NodeId,
        shape: &Arc<PodShape>,
        roster: &dyn Roster,
    ) -> Option<Preemption> {
        let slot = self.nodes.slot(node).filter(|slot| self.nodes.node(*slot).info.is_some())?;
        let rank = i64::from(shape.priority());
        if !shape.preempts() || !self.levels.is_above_some(slot, rank) {
            return None;
        }
        let view = crate::view::View::bare(&self.nodes, shape);
        if filters::first_refusal(&view, slot, Stage::Static).is_some() {
            return None;
        }
        self.try_on(slot, shape, roster, Bound::ToNode).map(|(_, preemption)| preemption)
    }

    /// Who has to go on the one node that a pod's data lives on.
    fn preempt_at(
        &mut self,
        node: &str,
        shape: &Arc<PodShape>,
        roster: &dyn Roster,
    ) -> Option<Preemption> {
        let slot = self.nodes.find(node)?;
        let may = shape.preempts() && shape.node_name.is_none();
        if !may || !self.levels.is_above_some(slot, i64::from(shape.priority())) {
            return None;
        }
        let view = crate::view::View::bare(&self.nodes, shape);
        if filters::first_refusal(&view, slot, Stage::Static).is_some() {
            return None;
        }
        self.try_on(slot, shape, roster, Bound::Free).map(|(_, preemption)| preemption)
    }

    /// Of all nodes the cheapest, for a pod that asks for plain amounts only.
    fn cheapest(&mut self, shape: &PodShape, seed: u64, roster: &dyn Roster) -> Option<Preemption> {
        let kind = digest_of(&(shape.room, shape.priority()));
        let ranking = self.ranked_by_cost(kind, shape, roster);
        let eligible = self.eligible(shape);
        let mut best: Option<Candidate> = None;
        if let Some((cost, at)) = ranking.best() {
            let (_, preemption) = self.look_on(eligible.slots[at], shape, roster)?;
            best = Some((cost, at, preemption));
        }
        let guarded: Vec<usize> = ranking.guarded().iter().collect();
        for at in some_of(&guarded, seed, candidates_max(eligible.slots.len())) {
            if let Some((cost, preemption)) = self.look_on(eligible.slots[at], shape, roster) {
                best = better(best, (cost, at, preemption));
            }
        }
        drop(eligible);
        self.keep_ranking(kind, ranking);
        best.map(|(_, _, preemption)| preemption)
    }

    /// The ranking of this kind, up to date, taken out of those that are kept.
    fn ranked_by_cost(&mut self, kind: u128, shape: &PodShape, roster: &dyn Roster) -> Ranking {
        let known = self.rankings.remove(&kind);
        let eligible = self.eligible(shape);
        let rate = |slot| self.rate(slot, shape, roster);
        let version = self.nodes.version;
        if let Some(mut ranking) = known
            && ranking.catch_up(version, &self.levels, &eligible, rate)
        {
            return ranking;
        }
        Ranking::new(version, &self.levels, &eligible, rate)
    }

    fn rate(&self, slot: u32, shape: &PodShape, roster: &dyn Roster) -> Rated {
        if !self.may_help(slot, shape) {
            return Rated::Hopeless;
        }
        let below = self.below(slot, shape, roster);
        if below.iter().any(|below| !below.leaves && !below.occupant.budgets.is_empty()) {
            return Rated::Guarded;
        }
        let mut trial = AmountsTrial::new(self, slot, shape, &below);
        select(&mut trial, &below, roster).map_or(Rated::Hopeless, |found| Rated::Costs(found.cost))
    }

    /// Who would have to go on a node by plain amounts.
    fn look_on(
        &self,
        slot: u32,
        shape: &PodShape,
        roster: &dyn Roster,
    ) -> Option<(Cost, Preemption)> {
        let below = self.below(slot, shape, roster);
        let mut trial = AmountsTrial::new(self, slot, shape, &below);
        let found = select(&mut trial, &below, roster)?;
        Some((found.cost, self.preemption(slot, &below, &found.victims, found.cost)))
    }

    /// The best of some candidates, asking every filter: for pods that look at more than amounts.
    fn tried(
        &mut self,
        shape: &Arc<PodShape>,
        seed: u64,
        roster: &dyn Roster,
    ) -> Option<Preemption> {
        let slots = self.eligible(shape).slots.clone();
        let positions: Vec<usize> =
            (0..slots.len()).filter(|at| self.may_help(slots[*at], shape)).collect();
        let mut left = candidates_max(slots.len());
        let mut best = None;
        for at in some_of(&positions, seed, usize::MAX) {
            let Some((cost, preemption)) = self.try_on(slots[at], shape, roster, Bound::Free)
            else {
                continue;
            };
            best = better(best, (cost, at, preemption));
            left -= 1;
            if left == 0 {
                break;
            }
        }
        best.map(|(_, _, preemption)| preemption)
    }

    fn try_on(
        &mut self,
        slot: u32,
        shape: &Arc<PodShape>,
        roster: &dyn Roster,
        bound: Bound,
    ) -> Option<(Cost, Preemption)> {
        let below = self.below(slot, shape, roster);
        let mut trial = FilterTrial::new(self, slot, shape, &below, bound);
        let found = select(&mut trial, &below, roster)?;
        Some((found.cost, self.preemption(slot, &below, &found.victims, found.cost)))
    }

    /// Whether there would be enough on the node without anybody lower, as far as plain amounts go.
    fn may_help(&self, slot: u32, shape: &PodShape) -> bool {
        let rank = i64::from(shape.priority());
        if !self.levels.is_above_some(slot, rank) {
            return false;
        }
        let mut free = Amounts::free(self.nodes.hot(slot));
        free.add(self.levels.below(slot, rank), 1);
        free.suffice(&Amounts::of(shape))
    }

    /// Those on the node who stop or are lower.
    fn below<'r>(&self, slot: u32, shape: &PodShape, roster: &'r dyn Roster) -> Vec<Below<'r>> {
        let mut occupants = Vec::new();
        roster.occupants(self.nodes.node(slot).id, &mut occupants);
        let below = occupants.into_iter().filter_map(|occupant| {
            let reserved = self.pods.get(occupant.pod).filter(|r| r.slot == slot)?;
            let priority = reserved.shape.priority();
            let leaves = reserved.hold == Hold::Leaves;
            let is_below = leaves || priority < shape.priority();
            is_below.then_some(Below { occupant, priority, leaves })
        });
        below.collect()
    }

    fn preemption(
        &self,
        slot: u32,
        below: &[Below<'_>],
        victims: &[usize],
        cost: Cost,
    ) -> Preemption {
        Preemption {
            node: self.nodes.node(slot).id,
            victims: victims.iter().map(|number| below[*number].occupant.pod).collect(),
            violations: cost.violations,
        }
    }
}

fn candidates_max(nodes: usize) -> usize {
    (nodes * CANDIDATES_PERCENT / 100).max(CANDIDATES_MIN)
}

/// So many of the positions at most, from a point on that the seed draws, and round again.
fn some_of(positions: &[usize], seed: u64, len_max: usize) -> impl Iterator<Item = usize> {
    let from = usize::try_from(seed % positions.len().max(1) as u64).unwrap_or(0);
    let (before, after) = positions.split_at(from.min(positions.len()));
    after.iter().chain(before).copied().take(len_max)
}

/// The cheaper one, and of equals the first by name.
fn better(best: Option<Candidate>, next: Candidate) -> Option<Candidate> {
    match best {
        Some(best) if (best.0, best.1) <= (next.0, next.1) => Some(best),
        _ => Some(next),
    }
}
