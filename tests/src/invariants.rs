//! What must hold, in plain words, and the auditor who holds it after every epoch.
//!
//! The auditor counts for itself: it reads placements and resources as they were committed and
//! asks neither the engine nor the placer.

mod owners;
mod rest;
mod services;
mod words;
mod work;

pub use rest::{Fit, Fits};

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use setpoint_dataflow::views::Allocation;
use setpoint_dataflow::{Epoch, Outcome, Served, Verdict};
use setpoint_schemas::{
    Action, Cut, DEVICE_MILLI, Decision, DeploymentStrategy, Input, IntOrPercent, NodeName,
    PodCondition, PodUid, Resource, ResourceKey, Resources, StrategyKind, TakenDevice,
};

use crate::manifests;
use crate::memory_log::MemoryLog;
use crate::plant::{Plant, SimNode};

/// Actions that may name no cause: silence and its end are no records of the log.
const MAY_LACK_CAUSES: [Action; 2] = [Action::Hold, Action::Release];
/// A node without trouble of its own for this long must never be declared lost for silence.
const BLAMELESS_MS: i64 = 5 * SimNode::RENEW_MS;

/// How long a lease holds; the policy of a journey says the same.
pub(crate) const GRACE_MS: i64 = 3 * SimNode::RENEW_MS;

/// A placement that is not withdrawn, as the auditor counts it.
#[derive(Debug, Clone)]
struct Live {
    node: NodeName,
    workload: String,
    cpu_milli: i64,
    devices: Vec<TakenDevice>,
    generation: i64,
    term: i64,
    /// It has finished and holds no room.
    finished: bool,
    /// Until when its eviction waits for another in its place; 0 where nobody evicts it.
    leaving_ms: i64,
    /// What others say of it.
    conditions: Vec<PodCondition>,
    /// What it was made from; of a bare Pod that may change where it runs.
    revision: String,
}

/// Holds the invariants.
#[derive(Debug, Default)]
pub struct Auditor {
    live: BTreeMap<PodUid, Live>,
    /// Every pod that ever was, with its node.
    homes: HashMap<PodUid, NodeName>,
    stopped: BTreeSet<PodUid>,
    resources: BTreeMap<ResourceKey, std::sync::Arc<Resource>>,
    /// Nodes that readers see as lost.
    lost: BTreeSet<NodeName>,
    requested: BTreeMap<NodeName, Resources>,
    waiting: BTreeMap<PodUid, String>,
    cut: Cut,
    last: (i64, i64, i64),
    inputs: usize,
    /// Records of requests, repeated ones as well.
    asked: usize,
    answered: BTreeMap<String, Verdict>,
    words: words::Words,
    work: work::Work,
    /// Engine time at which the last hold ended.
    released_ms: Option<i64>,
}

impl Auditor {
    /// Looks at a committed epoch.
    ///
    /// # Errors
    /// The invariant that does not hold, in a sentence.
    pub fn committed(
        &mut self,
        epoch: &Epoch,
        outcome: &Outcome,
        cut: &Cut,
        log: &MemoryLog,
        plant: &Plant,
        now_ms: i64,
    ) -> Result<(), String> {
        let before = self.counts();
        self.order(epoch)?;
        self.accounted(epoch, outcome, cut, log)?;
        let collected = owners::as_they_went(&self.resources, outcome);
        self.served(outcome);
        owners::nobody_goes_whose_owner_lives(&collected, &self.resources)?;
        self.placements(outcome)?;
        self.work.committed(outcome, &self.resources)?;
        self.capacity(plant)?;
        self.bounds(&before)?;
        self.words.heard(&epoch.inputs, outcome, &self.homes)?;
        let ledger = outcome.ledger();
        for decision in &ledger {
            causes_exist(decision, log, cut)?;
            blameless(decision, plant, now_ms)?;
            self.patient(decision)?;
        }
        if !epoch.complete
            && ledger.iter().any(|d| d.action == Action::NodeLost && d.rule == "lease")
        {
            return Err("a node was declared lost for silence in an incomplete epoch".to_owned());
        }
        Ok(())
    }

    /// Whoever was silent under a hold has a whole grace period from its end.
    fn patient(&mut self, decision: &Decision) -> Result<(), String> {
        if decision.action == Action::Release {
            self.released_ms = Some(decision.time_ms);
        }
        let is_loss = decision.action == Action::NodeLost && decision.rule == "lease";
        match self.released_ms.filter(|_| is_loss).map(|from| decision.time_ms - from) {
            Some(ms) if ms < GRACE_MS => {
                Err(format!("{} is lost {ms} ms after a hold ended", decision.node))
            }
            _ => Ok(()),
        }
    }

    /// Epochs have no gaps; term and time never fall.
    fn order(&mut self, epoch: &Epoch) -> Result<(), String> {
        let (number, term, time_ms) = self.last;
        self.last = (epoch.number, epoch.term, epoch.time_ms);
        if epoch.number != number + 1 || epoch.term < term || epoch.time_ms < time_ms {
            return Err(format!(
                "epoch {:?} does not follow {:?}",
                self.last,
                (number, term, time_ms)
            ));
        }
        Ok(())
    }

    /// Every record of the log is in one epoch, and every request has one verdict and one entry; a
    /// record that repeats one is answered as before.
    fn accounted(
        &mut self,
        epoch: &Epoch,
        outcome: &Outcome,
        cut: &Cut,
        log: &MemoryLog,
    ) -> Result<(), String> {
        if log.between(&self.cut, cut).len() != epoch.inputs.len() {
            return Err(
                "an epoch does not hold what lies between its cut and the one before".to_owned()
            );
        }
        self.inputs += epoch.inputs.len();
        self.cut = cut.clone();
        let asked = epoch.inputs.iter().filter_map(|sourced| match &sourced.input {
            Input::Request(request) => Some(request.id.to_string()),
            _ => None,
        });
        let asked: Vec<String> = asked.collect();
        let verdicts: Vec<String> =
            outcome.verdicts.iter().map(|v| v.request.to_string()).collect();
        if asked != verdicts {
            return Err(format!("asked {asked:?}, answered {verdicts:?}"));
        }
        self.asked += asked.len();
        let known: BTreeSet<String> = self.answered.keys().cloned().collect();
        let ledger = outcome.ledger();
        for verdict in &outcome.verdicts {
            let request = verdict.request.to_string();
            let entries = ledger.iter().filter(|d| d.request == request).count();
            if entries != usize::from(!known.contains(&request)) {
                return Err(format!("request {request} has {entries} entries in the ledger"));
            }
            let first = self.answered.entry(request).or_insert_with(|| verdict.clone());
            // A rebuilt leader knows from the ledger whether, and not what was answered in detail.
            let is_short = verdict.items.is_empty() && verdict.accepted == first.accepted;
            if first != verdict && !is_short {
                return Err(format!("answered {first:?}, then {verdict:?}"));
            }
        }
        Ok(())
    }

    /// All that a new leader holds: what it does not name is no more.
    pub fn shown(&mut self, everything: &Outcome) {
        self.waiting.clear();
        self.requested.clear();
        self.words.begin_anew();
        self.served(everything);
    }

    /// Readers of nodes read what this new leader holds.
    pub fn reads_from(&mut self, everything: &Outcome) {
        self.requested = requested(everything);
    }

    fn served(&mut self, outcome: &Outcome) {
        for (key, resource) in &outcome.resources {
            match resource {
                Some(resource) => self.resources.insert(key.clone(), resource.clone()),
                None => self.resources.remove(key),
            };
        }
        for served in &outcome.served {
            match served {
                Served::Node(name, Some(node)) => {
                    self.requested.insert(name.clone(), node.requested.clone());
                    if node.lost {
                        self.lost.insert(name.clone())
                    } else {
                        self.lost.remove(name)
                    };
                }
                Served::Node(name, None) => {
                    self.requested.remove(name);
                    self.lost.remove(name);
                }
                Served::Waiting(pod) => {
                    self.waiting.insert(pod.uid.clone(), pod.workload.to_string());
                }
                Served::WaitingGone(uid) => {
                    self.waiting.remove(uid);
                }
                _ => {}
            }
        }
    }

    /// A pod has at most one live placement and never changes its node; what was withdrawn never
    /// comes back; generation and term never fall.
    fn placements(&mut self, outcome: &Outcome) -> Result<(), String> {
        for change in &outcome.placements {
            let uid = &change.uid;
            if change.placement.as_ref().is_some_and(|placed| placed.at_most_one) {
                self.words.guard(uid);
            }
            let home = self.homes.entry(uid.clone()).or_insert_with(|| change.node.clone());
            if *home != change.node {
                return Err(format!("pod {uid} moved from {home} to {}", change.node));
            }
            let Some(placement) = &change.placement else {
                self.live.remove(uid);
                self.stopped.insert(uid.clone());
                continue;
            };
            if self.stopped.contains(uid) {
                return Err(format!("pod {uid} was withdrawn and is placed again"));
            }
            let live = Live {
                node: placement.node.clone(),
                workload: placement.pattern.workload.to_string(),
                cpu_milli: manifests::cpu_of(&placement.pattern.spec),
                devices: placement.devices.to_vec(),
                generation: placement.generation,
                term: placement.term,
                finished: placement.is_finished(),
                leaving_ms: placement.leaving_ms(),
                conditions: placement.conditions(),
                revision: placement.pattern.revision.to_string(),
            };
            let is_bare = live.workload.starts_with("core/Pod/");
            if let Some(before) = self.live.insert(uid.clone(), live.clone())
                && (live.generation < before.generation
                    || (live.generation == before.generation
                        && live.finished == before.finished
                        && live.conditions == before.conditions
                        && live.revision == before.revision
                        && live.leaving_ms == before.leaving_ms)
                    || (live.revision != before.revision && !is_bare)
                    || (before.finished && !live.finished)
                    || live.term < before.term)
            {
                return Err(format!("pod {uid} went from {before:?} to {live:?}"));
            }
        }
        self.devices()
    }

    /// The live placements of a node never have more of a device than there is.
    fn devices(&self) -> Result<(), String> {
        let mut taken: BTreeMap<(&NodeName, &str), i32> = BTreeMap::new();
        for live in self.live.values().filter(|live| !live.finished) {
            for device in &live.devices {
                *taken.entry((&live.node, &device.id)).or_default() += device.milli;
            }
        }
        match taken.iter().find(|(_, milli)| **milli > DEVICE_MILLI) {
            Some(((node, id), milli)) => {
                Err(format!("device {id} of {node} is given away to {milli} milli"))
            }
            None => Ok(()),
        }
    }

    /// The live placements of a node never need more than it has.
    fn capacity(&self, plant: &Plant) -> Result<(), String> {
        for node in &plant.nodes {
            let used = self.used(&node.name);
            if used > node.cpu_milli {
                return Err(format!(
                    "{} has {} m and is to run {used} m",
                    node.name, node.cpu_milli
                ));
            }
        }
        Ok(())
    }

    fn used(&self, node: &NodeName) -> i64 {
        let here = self.live.values().filter(|live| live.node == *node && !live.finished);
        here.map(|live| live.cpu_milli).sum()
    }

    /// Live pods a workload, those on lost nodes left out.
    fn counts(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        let is_counted = |live: &&Live| !live.finished && !self.lost.contains(&live.node);
        for live in self.live.values().filter(is_counted) {
            *counts.entry(live.workload.clone()).or_default() += 1;
        }
        counts
    }

    /// Running and starting pods never come to exceed desired and surge. Where a request has just
    /// lowered the bound they may stand above it, but their number does not grow.
    fn bounds(&self, before: &BTreeMap<String, i64>) -> Result<(), String> {
        let leaving = |workload: &str| {
            let of_it = self.live.values().filter(|live| live.workload == workload);
            let leaving = of_it.filter(|live| live.leaving_ms > 0);
            leaving.filter(|live| !self.lost.contains(&live.node)).count() as i64
        };
        for (workload, count) in self.counts() {
            // Each that leaves has another beside it.
            let count = count - leaving(&workload);
            let had = before.get(&workload).copied().unwrap_or(0);
            let Some(bound) = self.bound(&workload) else { continue };
            if count > bound.max(had) {
                return Err(format!(
                    "{workload} went from {had} to {count} pods; its bound is {bound}"
                ));
            }
        }
        Ok(())
    }

    fn bound(&self, workload: &str) -> Option<i64> {
        let key = ResourceKey::parse(workload).ok()?;
        if &*key.kind.kind == "DaemonSet" {
            return None;
        }
        // In order an ordinal that is missing comes before one too many goes: each is counted by itself.
        if &*key.kind.kind == "StatefulSet" {
            return None;
        }
        let Some(resource) = self.resources.get(&key) else { return Some(0) };
        let body: Value = serde_json::from_str(&resource.body).ok()?;
        if &*key.kind.kind == "Job" {
            return Some(work::at_once(&body));
        }
        let desired = desired_of(&body);
        Some(if &*key.kind.kind == "Deployment" {
            desired + surge_of(&body, desired)
        } else {
            desired
        })
    }

    /// The dataflow's count of what is reserved equals the placer's.
    ///
    /// # Errors
    /// Both counts.
    pub fn allocations(
        &self,
        views: &BTreeMap<u32, Allocation>,
        known: &Outcome,
    ) -> Result<(), String> {
        let placer = requested(known);
        let mut counted: Vec<(i64, i64, i64)> =
            views.values().map(|a| (a.cpu_milli, a.memory_bytes, a.pods)).collect();
        let reserved = placer.values().map(|r| (r.cpu_milli, r.memory_bytes, r.pods));
        let mut reserved: Vec<(i64, i64, i64)> = reserved.filter(|r| *r != (0, 0, 0)).collect();
        counted.sort_unstable();
        reserved.sort_unstable();
        if counted == reserved {
            return Ok(());
        }
        Err(format!("the views count {counted:?} as reserved, the placer {reserved:?}"))
    }

    /// What readers were told until a cold step of what is reserved is what the engine knows.
    ///
    /// # Errors
    /// Both, by node.
    pub fn told(&self, known: &Outcome) -> Result<(), String> {
        let known = requested(known);
        if known == self.requested {
            return Ok(());
        }
        Err(format!("readers were told that {:?} is reserved, not {known:?}", self.requested))
    }
}

/// What everything that an engine tells says of what is reserved, by node.
fn requested(known: &Outcome) -> BTreeMap<NodeName, Resources> {
    let nodes = known.served.iter().filter_map(|served| match served {
        Served::Node(name, Some(node)) => Some((name.clone(), node.requested.clone())),
        _ => None,
    });
    nodes.collect()
}

/// Every decision names causes that exist on the log, before the cut of its epoch.
fn causes_exist(decision: &Decision, log: &MemoryLog, cut: &Cut) -> Result<(), String> {
    if decision.causes.is_empty() && !MAY_LACK_CAUSES.contains(&decision.action) {
        return Err(format!("a decision without cause: {decision:?}"));
    }
    match decision.causes.iter().find(|cause| !log.holds(cause, cut)) {
        Some(cause) => Err(format!("the cause {cause:?} is not on the log: {decision:?}")),
        None => Ok(()),
    }
}

/// No healthy node is declared lost, whatever befell ourselves.
fn blameless(decision: &Decision, plant: &Plant, now_ms: i64) -> Result<(), String> {
    if decision.action != Action::NodeLost || decision.rule != "lease" {
        return Ok(());
    }
    let healthy = |node: &&SimNode| {
        node.name.as_str() == decision.node && node.trouble_ms + BLAMELESS_MS < now_ms
    };
    match plant.nodes.iter().find(healthy) {
        Some(node) => Err(format!("healthy {} is declared lost: {}", node.name, decision.reason)),
        None => Ok(()),
    }
}

/// How many pods a resource wants; a bare pod is one.
pub(crate) fn desired_of(body: &Value) -> i64 {
    body["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn surge_of(body: &Value, desired: i64) -> i64 {
    let strategy = body["spec"].get("strategy").cloned().unwrap_or_default();
    let strategy: DeploymentStrategy = serde_json::from_value(strategy).unwrap_or_default();
    if strategy.kind == Some(StrategyKind::Recreate) {
        return 0;
    }
    let given = strategy.rolling_update.and_then(|rolling| rolling.max_surge);
    let surge = given.unwrap_or(IntOrPercent::Percent("25%".to_owned()));
    surge.of(desired, true).unwrap_or(0)
}
