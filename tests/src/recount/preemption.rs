//! Preemption, counted anew: that it was needed, that it helps, that nobody goes in vain, and that
//! budgets are kept wherever there is a choice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use setpoint_dataflow::{Outcome, Served};
use setpoint_schemas::{Action, Decision, LabelSelector, NodeName, PodSpec, PodUid};

use super::claims::awaits_its_claims;
use super::needs::takes;
use super::world::{PodSeen, Promise, Wanted, World};

/// Who had to go for one pod, as the ledger says.
#[derive(Debug, Clone)]
pub(super) struct Preempted {
    uid: String,
    workload: String,
    node: NodeName,
    /// The devices that it was promised, by id.
    devices: Vec<Arc<str>>,
    victims: BTreeSet<PodUid>,
    /// Whether some went beyond their budgets, as it says.
    is_beyond: bool,
}

/// All of an epoch, in their order.
pub(super) fn told(outcome: &Outcome) -> Vec<Preempted> {
    let mut all = Vec::new();
    let mut victims = BTreeSet::new();
    for decision in outcome.ledger().into_iter().filter(|d| d.rule == "preemption") {
        if decision.action == Action::Stop {
            victims.extend(PodUid::parse(&decision.pod));
        } else if is_promise(&decision) {
            let Ok(node) = NodeName::parse(&decision.node) else { continue };
            all.push(Preempted {
                devices: devices_of(outcome, &decision.pod, &node),
                uid: decision.pod,
                workload: decision.resource,
                node,
                victims: std::mem::take(&mut victims),
                is_beyond: decision.reason.contains("beyond"),
            });
        }
    }
    all
}

/// Whose promise went to another in this epoch, though a like one may have been made to it after.
pub(super) fn outbid(outcome: &Outcome) -> BTreeSet<PodUid> {
    let ledger = outcome.ledger();
    let outbid = ledger.iter().filter(|d| d.rule == "preemption" && d.reason.contains(OUTBID));
    outbid.filter_map(|d| PodUid::parse(&d.pod).ok()).collect()
}

/// The devices that readers were told that the pod is promised on this node.
fn devices_of(outcome: &Outcome, uid: &str, node: &NodeName) -> Vec<Arc<str>> {
    let told = outcome.served.iter().rev().find_map(|served| match served {
        Served::Waiting(pod) if pod.uid == *uid => Some(pod),
        _ => None,
    });
    let told = told.filter(|pod| pod.nominated.as_ref() == Some(node));
    told.map(|pod| pod.devices.clone()).unwrap_or_default()
}

/// How the ledger says that a promise goes to another.
const OUTBID: &str = "that was kept for it goes to";

fn is_promise(decision: &Decision) -> bool {
    decision.action == Action::Wait && decision.reason.contains(" preemption: ")
}

impl Preempted {
    /// The promise that it ends in.
    pub(super) fn promise(&self, world: &World) -> Option<(PodUid, Promise)> {
        let promise = world.promise(&self.workload, self.node.clone(), self.devices.clone())?;
        Some((PodUid::parse(&self.uid).ok()?, promise))
    }

    /// Held already: only its promise is left.
    pub(super) fn answered(mut self) -> Preempted {
        self.victims.clear();
        self
    }

    /// Whether this pod had to go for it.
    pub(super) fn has(&self, uid: &PodUid) -> bool {
        self.victims.contains(uid)
    }

    /// Holds it against the world as it was then, with the promises to others of then; of those that
    /// were given up in this epoch it is not known when. What the pod itself had been promised, before
    /// another revision of it needed more, it has not beside what it is promised now.
    pub(super) fn hold(
        &self,
        world: &mut World,
        promises: &BTreeMap<PodUid, Promise>,
        given_up: &BTreeMap<PodUid, Promise>,
    ) -> Result<(), String> {
        let Some(wanted) = world.workloads.get(&self.workload).cloned() else { return Ok(()) };
        let priority = priority_of(&wanted.spec.template.spec);
        for uid in &self.victims {
            let theirs = world.pods.get(uid).map_or(0, |pod| priority_of(&pod.spec));
            if theirs >= priority {
                return Err(format!("{uid} of priority {theirs} goes for {}", self.workload));
            }
        }
        let promises = self.to_others(promises);
        let mut all = self.to_others(given_up);
        all.extend(promises.clone());
        let free = world.with(&all, |world| {
            let nodes = world.nodes.values();
            let nodes = nodes.filter(|n| wanted.kind != "DaemonSet" || n.record.node == self.node);
            let mut free = nodes.filter(|node| takes(world, &wanted, node));
            free.next().map(|node| node.record.node.clone())
        });
        if let Some(node) = free {
            return Err(format!("others go for {}, which fits on {node}", self.workload));
        }
        let fits_without = |world: &mut World, gone: &BTreeSet<PodUid>, taken: &_| {
            let node = self.node.clone();
            world.without(gone, |world| {
                world.with(taken, |world| {
                    world.nodes.get(&node).is_some_and(|node| takes(world, &wanted, node))
                })
            })
        };
        let mut gone: BTreeSet<PodUid> = stopping_on(world, &self.node);
        gone.extend(self.victims.iter().cloned());
        // What still stands in the end was nobody's to take, a lower one's neither.
        if !fits_without(world, &gone, &promises) {
            let (workload, node) = (&self.workload, &self.node);
            return Err(format!("{workload} does not fit on {node} though {gone:?} go"));
        }
        for victim in &self.victims {
            let mut spared = gone.clone();
            spared.remove(victim);
            if fits_without(world, &spared, &all) {
                return Err(format!("{victim} goes in vain for {}", self.workload));
            }
        }
        self.budgets(world, &wanted, &all)
    }

    fn to_others(&self, promises: &BTreeMap<PodUid, Promise>) -> BTreeMap<PodUid, Promise> {
        let mut promises = promises.clone();
        promises.retain(|uid, _| *uid != *self.uid);
        promises
    }

    /// Nobody goes beyond a budget where others could go within all.
    fn budgets(
        &self,
        world: &mut World,
        wanted: &Wanted,
        promises: &BTreeMap<PodUid, Promise>,
    ) -> Result<(), String> {
        let victims: Vec<&PodSeen> =
            self.victims.iter().filter_map(|uid| world.pods.get(uid)).collect();
        let beyond = beyond_budgets(world, &victims);
        if !beyond.is_empty() && !self.is_beyond {
            return Err(format!("{beyond:?} go beyond their budgets, and nobody says so"));
        }
        if beyond.is_empty() || wanted.kind == "DaemonSet" {
            return Ok(());
        }
        let priority = priority_of(&wanted.spec.template.spec);
        let names: Vec<NodeName> = world.nodes.keys().cloned().collect();
        for name in names {
            let lower = |pod: &&PodSeen| {
                pod.placement.node == name && !pod.stopping && priority_of(&pod.spec) < priority
            };
            let lower: Vec<&PodSeen> = world.pods.values().filter(lower).collect();
            let kept = beyond_budgets(world, &lower);
            let mut gone: BTreeSet<PodUid> =
                lower.iter().map(|pod| pod.placement.uid.clone()).collect();
            gone.retain(|uid| !kept.contains(uid));
            gone.extend(stopping_on(world, &name));
            let is_within = world.without(&gone, |world| {
                world.with(promises, |world| takes(world, wanted, &world.nodes[&name]))
            });
            if is_within {
                let workload = &self.workload;
                return Err(format!(
                    "{beyond:?} go beyond their budgets for {workload}, and on {name} others could go"
                ));
            }
        }
        Ok(())
    }
}

/// A pod that waits with nobody's room promised, though lower ones could make some.
pub(super) fn nobody_waits_whom_lower_ones_could_help(world: &mut World) -> Result<(), String> {
    let promised = world.promised.clone();
    let waiting = world.waiting.iter().filter(|(uid, _)| !promised.contains_key(*uid));
    let waiting: BTreeSet<String> = waiting.map(|(_, workload)| workload.clone()).collect();
    for workload in waiting {
        let Some(wanted) = world.workloads.get(&workload).cloned() else { continue };
        let spec = &wanted.spec.template.spec;
        let priority = priority_of(spec);
        let lower = |pod: &&PodSeen| !pod.stopping && priority_of(&pod.spec) < priority;
        let is_above_anybody = world.pods.values().any(|pod| lower(&pod));
        if spec.preemption_policy.as_deref() == Some("Never")
            || wanted.kind == "DaemonSet"
            || !is_above_anybody
            || awaits_its_claims(world, &wanted)
        {
            continue;
        }
        let staying = |promise: &Promise| {
            world
                .workloads
                .get(&promise.workload)
                .is_none_or(|other| priority_of(&other.spec.template.spec) >= priority)
        };
        let promises = promised.iter().filter(|(_, promise)| staying(promise));
        let promises = promises.map(|(uid, promise)| (uid.clone(), promise.clone())).collect();
        let names: Vec<NodeName> = world.nodes.keys().cloned().collect();
        for name in names {
            // Whoever waits is tried again when a pod is gone, not when it begins to stop.
            let goes = |pod: &&PodSeen| pod.placement.node == name && lower(pod);
            let gone: BTreeSet<PodUid> =
                world.pods.values().filter(goes).map(|pod| pod.placement.uid.clone()).collect();
            // One who wants the company of lower ones, or of those who stop, is not helped by their
            // going, in Kubernetes neither.
            let mut all = stopping_on(world, &name);
            all.extend(gone.iter().cloned());
            let could = |world: &mut World, gone: &_| {
                world.without(gone, |world| {
                    world.with(&promises, |world| takes(world, &wanted, &world.nodes[&name]))
                })
            };
            if !gone.is_empty() && could(world, &gone) && could(world, &all) {
                return Err(format!("{workload} waits, and lower ones could make room on {name}"));
            }
        }
    }
    Ok(())
}

fn stopping_on(world: &World, node: &NodeName) -> BTreeSet<PodUid> {
    let stops = |pod: &&PodSeen| pod.stopping && pod.placement.node == *node;
    world.pods.values().filter(stops).map(|pod| pod.placement.uid.clone()).collect()
}

/// Those of the pods that go beyond what budgets let go, if all go, the most important first.
fn beyond_budgets(world: &World, pods: &[&PodSeen]) -> BTreeSet<PodUid> {
    let mut ordered = pods.to_vec();
    ordered.sort_by_key(|pod| {
        (-i64::from(priority_of(&pod.spec)), pod.placement.placed_ms, pod.placement.uid.clone())
    });
    let mut beyond = BTreeSet::new();
    for (namespace, selector, least) in world.budgets() {
        let covers = |pod: &PodSeen| {
            pod.placement.pattern.namespace.as_str() == namespace
                && LabelSelector::matches(&selector, &pod.placement.pattern.labels)
        };
        let healthy = |pod: &&PodSeen| {
            let node = world.nodes.get(&pod.placement.node);
            covers(pod)
                && pod.is_live()
                && pod.ready_since.is_some()
                && node.is_some_and(|node| !node.lost)
        };
        let healthy = world.pods.values().filter(healthy).count() as i64;
        let mut left = (healthy - least).max(0);
        for pod in ordered.iter().filter(|pod| covers(pod)) {
            left -= 1;
            if left < 0 {
                beyond.insert(pod.placement.uid.clone());
            }
        }
    }
    beyond
}

fn priority_of(spec: &PodSpec) -> i32 {
    spec.priority.unwrap_or(0)
}
