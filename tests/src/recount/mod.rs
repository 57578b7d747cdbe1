//! The whole accepted state counted anew after every epoch, by brute force, and held against what
//! the engine decided and told.
//!
//! Guarantee: no line is shared with the crates that decide; what is right is computed from inputs,
//! accepted resources and placements alone. Absent: choosing. Of many right nodes any will do.
//!
//! Of a leader that was rebuilt, or took over by following, not all is known that it knows: since when
//! pods are ready, and which pods stop that no placement names any more. It is held to what can be
//! known all the same: its placements against the nodes and the pods that stand, pacing, and daemons.

mod bounded;
mod bounded_claims;
mod claims;
mod counts;
mod devices;
mod fits;
mod heard;
mod labels;
mod marks;
mod needs;
mod preemption;
mod reverts;
mod taints;
mod waits;
mod world;
mod asked;

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_dataflow::{Epoch, Outcome, PlacementChange};
use setpoint_schemas::{Action, Decision, NodeName, Placement, PodUid, Policy, ResourceKey};

use crate::invariants::Fit;

use self::fits::{ALL, Asking, Filter, STRICTER_BY_PODS};
use self::world::{PodSeen, Promise, World};

/// Counts anew.
#[derive(Debug, Default)]
pub struct Recount {
    world: World,
    policy: Policy,
    /// Thousandths of a start that the fleet-wide pacing still grants, and as of when.
    tokens_milli: i64,
    tokens_ms: i64,
    /// Placements whose node was asked about.
    asked: usize,
    /// Templates that were whole once.
    whole: reverts::Whole,
    /// Who waits for others no more.
    let_go: waits::LetGo,
}

impl Recount {
    /// Counts a fleet of this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Recount { policy, ..Recount::default() }
    }

    /// Looks at a committed epoch.
    ///
    /// # Errors
    /// What is not as it must be, in a sentence.
    pub fn committed(&mut self, epoch: &Epoch, outcome: &Outcome) -> Result<(), String> {
        let before = self.world.promised.clone();
        let borne = taints::borne(&self.world);
        let barred = reverts::barred(&self.world);
        let claims = bounded_claims::known(&self.world);
        self.world.take(epoch, outcome);
        reverts::nothing_barred_returns(&self.world, &barred, epoch)?;
        self.whole.was_gone_back_to(&self.world, outcome)?;
        self.let_go.look(&self.world, outcome);
        self.let_go.nobody_starts_early(&self.world, outcome)?;
        let known = bounded::known(&self.world);
        let started = self.placements(outcome, ALL, &before)?;
        known.map_or(Ok(()), |known| bounded::new_pods_keep_within(&self.world, &known))?;
        bounded_claims::new_ones_keep_within(&self.world, &claims)?;
        self.pace(epoch.time_ms, started)?;
        self.rollouts(outcome)?;
        self.evictions(outcome)?;
        self.whole.look(&self.world);
        self.let_go.look(&self.world, outcome);
        counts::daemons_are_single(&self.world)?;
        counts::identities_are_single(&self.world)?;
        taints::nobody_outstays(&self.world)?;
        claims::data_is_where_pods_are(&self.world)?;
        claims::volumes_are_one_claims(&self.world)?;
        taints::nobody_leaves_in_vain(&self.world, borne, outcome)?;
        counts::nodes_tell_what_is_reserved(&self.world, outcome)?;
        if epoch.cold {
            counts::statuses_are_right(&self.world)?;
            counts::overview_is_right(&self.world, outcome)?;
        }
        let is_pending = outcome.due_ms.is_some_and(|due| due <= epoch.time_ms + PENDING_MS);
        if self.tokens_milli >= 1_000 && !is_pending {
            let promised = self.world.promised.clone();
            self.world.with(&promised, needs::nothing_lacks_that_could_be_had)?;
            preemption::nobody_waits_whom_lower_ones_could_help(&mut self.world)?;
        }
        Ok(())
    }

    /// A leader begins whose state did not come by exact replay: it knows all this, as it tells its
    /// readers, and its pacing grants at most so many starts now.
    pub fn begin_anew(&mut self, known: &Outcome, starts_max: i64) {
        self.world.begin_anew(known);
        (self.tokens_milli, self.tokens_ms) = (starts_max * 1_000, known.time_ms);
    }

    /// Looks at a committed epoch after such a beginning.
    ///
    /// # Errors
    /// What is not as it must be, in a sentence.
    pub fn committed_anew(&mut self, epoch: &Epoch, outcome: &Outcome) -> Result<(), String> {
        let borne = taints::borne(&self.world);
        let claims = bounded_claims::known(&self.world);
        self.world.take(epoch, outcome);
        let known = bounded::known(&self.world);
        let started = self.placements(outcome, STRICTER_BY_PODS, &BTreeMap::new())?;
        known.map_or(Ok(()), |known| bounded::new_pods_keep_within(&self.world, &known))?;
        bounded_claims::new_ones_keep_within(&self.world, &claims)?;
        taints::nobody_leaves_in_vain(&self.world, borne, outcome)?;
        // Whoever stops may be gone for the leader already.
        self.world.forget_who_stops();
        self.pace(epoch.time_ms, started)?;
        taints::nobody_outstays(&self.world)?;
        claims::data_is_where_pods_are(&self.world)?;
        claims::volumes_are_one_claims(&self.world)?;
        counts::identities_are_single(&self.world)?;
        counts::daemons_are_single(&self.world)
    }

    /// Whether one more pod of a workload may go to this node.
    #[must_use]
    pub fn fits(&self, workload: &ResourceKey, node: &NodeName) -> Fit {
        let world = &self.world;
        let wanted = world.workloads.get(&workload.to_string());
        let Some((wanted, node)) = wanted.zip(world.nodes.get(node)) else { return Fit::Full };
        if bounded::forbids(world, wanted) {
            return Fit::Forbidden;
        }
        match needs::takes(world, wanted, node) {
            true => Fit::Takes,
            false if claims::one_may_not_be_made(world, wanted) => Fit::Forbidden,
            false => Fit::Full,
        }
    }

    /// How many placements were asked about.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// Every new placement goes to a node that may take it, as the fleet is at that moment. Says how
    /// many there were.
    fn placements(
        &mut self,
        outcome: &Outcome,
        filters: &[Filter],
        before: &BTreeMap<PodUid, Promise>,
    ) -> Result<i64, String> {
        let mut started = 0;
        let mut preempted = preemption::told(outcome);
        preempted.reverse();
        let (mut promises, mut given_up) = (BTreeMap::new(), BTreeMap::new());
        let outbid = preemption::outbid(outcome);
        for (uid, promise) in before {
            let stands = !outbid.contains(uid) && self.world.promised.get(uid) == Some(promise);
            let kept = if stands { &mut promises } else { &mut given_up };
            kept.insert(uid.clone(), promise.clone());
        }
        // Restarted, deleted and gone within one epoch is no start; the same uid placed anew is one.
        let is_restart = |change: &PlacementChange| {
            let is_again = |p: &Arc<Placement>| {
                let is_told = p.is_finished() || p.leaving_ms() > 0 || !p.conditions().is_empty();
                p.generation > 1 || is_told || p.epoch != outcome.number
            };
            change.placement.as_ref().is_some_and(is_again)
        };
        let is_over =
            |change: &PlacementChange| is_restart(change) && self.world.went.contains(&change.uid);
        let changes = outcome.placements.iter().filter(|change| !is_over(change));
        let changes: Vec<&PlacementChange> = changes.collect();
        for change in changes {
            if let Some(placement) = &change.placement
                && !self.world.pods.contains_key(&change.uid)
            {
                started += 1;
                self.asked += 1;
                let spec = serde_json::from_str(&placement.pattern.spec).unwrap_or_default();
                let namespace = placement.pattern.namespace.as_str();
                let workload = self.world.workloads.get(&*placement.pattern.workload);
                let is_daemon = workload.is_some_and(|wanted| wanted.kind == "DaemonSet");
                let only = is_daemon.then_some(&placement.node);
                let pod =
                    Asking { namespace, labels: &placement.pattern.labels, spec: &spec, only };
                let Some(node) = self.world.nodes.get(&placement.node) else {
                    return Err(format!("{} is placed on no node", placement.name));
                };
                if let Some(why) = fits::refusal(filters, &self.world, pod, node) {
                    let (name, at) = (&placement.name, &placement.node);
                    return Err(format!("{name} is placed on {at}, but {why}"));
                }
                devices::granted(&self.world, placement, &spec, node)
                    .map_err(|why| format!("{} is placed, but {why}", placement.name))?;
            }
            if change.placement.is_none() && filters.len() == ALL.len() {
                while let Some(at) = preempted.iter().rposition(|p| p.has(&change.uid)) {
                    // Those before it found room that came anyway.
                    let earlier = preempted.split_off(at + 1);
                    let earlier: Vec<_> =
                        earlier.iter().filter_map(|p| p.promise(&self.world)).collect();
                    let Some(now) = preempted.pop() else { break };
                    for (uid, promise) in earlier {
                        let stands = self.world.promised.contains_key(&uid);
                        let kept = if stands { &mut promises } else { &mut given_up };
                        kept.insert(uid, promise);
                    }
                    now.hold(&mut self.world, &promises, &given_up)?;
                    preempted.push(now.answered());
                }
            }
            self.world.placed(&change.uid, change.placement.as_ref());
        }
        devices::none_is_given_twice(&self.world)?;
        Ok(started)
    }

    /// Starts are paced over the whole fleet.
    fn pace(&mut self, now_ms: i64, started: i64) -> Result<(), String> {
        let gained = (now_ms - self.tokens_ms).saturating_mul(self.policy.starts_per_second);
        let most = self.policy.starts_burst * 1_000;
        self.tokens_milli = self.tokens_milli.saturating_add(gained).min(most) - started * 1_000;
        self.tokens_ms = now_ms;
        if self.tokens_milli < 0 {
            return Err(format!("{started} pods are started, more than the pacing grants"));
        }
        Ok(())
    }

    /// Who is evicted after another is there in its place leaves as many available as are wanted, but for
    /// those that an update takes after that.
    fn evictions(&self, outcome: &Outcome) -> Result<(), String> {
        let is_replaced =
            |d: &&Decision| d.rule == "eviction" && d.reason.contains("is there in its place");
        for decision in outcome.ledger().iter().filter(is_replaced) {
            let workload = decision.resource.as_str();
            let Some(wanted) = self.world.workloads.get(workload) else { continue };
            let Some(least) = needs::least_available(wanted) else { continue };
            let left = self.world.live(workload).filter(|pod| pod.available).count() as i64;
            if left < least {
                return Err(format!(
                    "{} of {workload} was evicted, and {left} of at least {least} are available",
                    decision.pod
                ));
            }
        }
        Ok(())
    }

    /// An update takes no available pod away where fewer are left than it may leave.
    fn rollouts(&self, outcome: &Outcome) -> Result<(), String> {
        let ledger = outcome.ledger();
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for decision in ledger.iter().filter(|d| d.action == Action::Stop) {
            let is_update = decision.reason == "replaced by the current revision";
            let pod = self.world.pods.values().find(|p| p.placement.uid == *decision.pod);
            if is_update && pod.is_some_and(|pod| pod.available) {
                *taken.entry(&decision.resource).or_default() += 1;
            }
        }
        for (workload, taken) in taken {
            let Some(wanted) = self.world.workloads.get(workload) else { continue };
            let Some(least) = needs::least_available(wanted) else { continue };
            let left = self.world.live(workload).filter(|pod: &&PodSeen| pod.available).count();
            // Who went for a higher one went without asking the update.
            let preempted = ledger.iter().filter(|d| {
                d.action == Action::Stop && d.rule == "preemption" && d.resource == workload
            });
            if ((left + preempted.count()) as i64) < least {
                return Err(format!(
                    "an update took {taken} available pods of {workload} and left {left} of at least {least}"
                ));
            }
        }
        Ok(())
    }
}

/// With a start to grant, what is put off by the bound on rounds is due this soon.
const PENDING_MS: i64 = 1;
