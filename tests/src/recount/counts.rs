//! What the engine counts, counted again.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use setpoint_dataflow::views::Fleet;
use setpoint_dataflow::{Outcome, Served};
use setpoint_schemas::NodeName;

use super::needs::{desired, is_current};
use super::world::{PodSeen, Wanted, World};

/// A workload's pods, counted one by one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    desired: i64,
    live: i64,
    ready: i64,
    available: i64,
    updated: i64,
}

impl Count {
    fn of(world: &World, workload: &str, wanted: Option<&Wanted>) -> Count {
        let mut count = Count::default();
        for pod in world.live(workload) {
            count.live += 1;
            count.ready += i64::from(pod.ready_since.is_some());
            count.available += i64::from(pod.available);
            count.updated += i64::from(wanted.is_some_and(|wanted| is_current(pod, wanted)));
        }
        count.desired = match wanted {
            None => 0,
            Some(wanted) if wanted.kind == "DaemonSet" => daemon_wants(world, workload, wanted),
            Some(wanted) if wanted.kind == "Job" => job_wants(wanted),
            Some(wanted) => desired(wanted),
        };
        count
    }
}

/// A DaemonSet wants a pod on each node that has one or waits for one. Of those that may not be made nobody is
/// told one by one: as many as its status says, and no more than there are nodes without any.
fn daemon_wants(world: &World, workload: &str, wanted: &Wanted) -> i64 {
    let placed = world.pods_of(workload).filter(|pod| !pod.stopping).count() as i64;
    let waiting = world.waiting.values().filter(|waiting| *waiting == workload).count() as i64;
    let (least, nodes) = (placed + waiting, world.nodes.len() as i64);
    if !world.bounded.contains(&wanted.namespace) {
        return least;
    }
    let told = wanted.status["desiredNumberScheduled"].as_i64().unwrap_or(least);
    told.clamp(least, least.max(nodes))
}

/// How many pods a Job is to have, by what it says of what became of it.
fn job_wants(wanted: &Wanted) -> i64 {
    let (spec, status) = (&wanted.job, &wanted.status);
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut over = conditions
        .filter(|c| ["FailureTarget", "SuccessCriteriaMet"].map(Value::from).contains(&c["type"]));
    if spec["suspend"] == true || over.next().is_some() {
        return 0;
    }
    let failed = status["failedIndexes"].as_str().unwrap_or_default();
    let failed = failed.split(',').filter(|run| !run.is_empty()).map(|run| {
        let (from, to) = run.split_once('-').unwrap_or((run, run));
        to.parse::<i64>().unwrap_or(0) - from.parse::<i64>().unwrap_or(0) + 1
    });
    let left = spec["completions"].as_i64().unwrap_or(1)
        - status["succeeded"].as_i64().unwrap_or(0)
        - failed.sum::<i64>();
    left.min(spec["parallelism"].as_i64().unwrap_or(1)).max(0)
}

/// A DaemonSet never has two pods on a node.
pub(super) fn daemons_are_single(world: &World) -> Result<(), String> {
    for (workload, wanted) in world.workloads.iter().filter(|(_, w)| w.kind == "DaemonSet") {
        let mut on: BTreeMap<&NodeName, usize> = BTreeMap::new();
        let placed = world.pods_of(workload).filter(|pod| !pod.stopping);
        placed.for_each(|pod| *on.entry(&pod.placement.node).or_default() += 1);
        if let Some((node, count)) = on.iter().find(|(_, count)| **count > 1) {
            return Err(format!("{} {workload} has {count} pods on {node}", wanted.kind));
        }
    }
    Ok(())
}

/// An identity never has two pods of which something may be left.
pub(super) fn identities_are_single(world: &World) -> Result<(), String> {
    let mut names: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let guarded = world.pods.values().filter(|pod| pod.placement.at_most_one);
    for pod in guarded {
        let (set, name) = (&*pod.placement.pattern.workload, pod.placement.name.as_str());
        *names.entry((set, name)).or_default() += 1;
    }
    match names.into_iter().find(|(_, count)| *count > 1) {
        Some(((set, name), count)) => Err(format!("{name} of {set} has {count} pods")),
        None => Ok(()),
    }
}

/// What a node is said to have reserved is what its pods ask for.
pub(super) fn nodes_tell_what_is_reserved(world: &World, outcome: &Outcome) -> Result<(), String> {
    for served in &outcome.served {
        let Served::Node(name, Some(node)) = served else { continue };
        let counted = world.reserved(name);
        if node.requested != counted {
            let told = &node.requested;
            return Err(format!("{name} is said to have {told:?} reserved, not {counted:?}"));
        }
    }
    Ok(())
}

/// A status tells what there is.
pub(super) fn statuses_are_right(world: &World) -> Result<(), String> {
    for (workload, wanted) in &world.workloads {
        let count = Count::of(world, workload, Some(wanted));
        let right = match wanted.kind.as_str() {
            "Deployment" => json!({
                "replicas": count.live,
                "updatedReplicas": count.updated,
                "readyReplicas": count.ready,
                "availableReplicas": count.available,
                "unavailableReplicas": (count.desired - count.available).max(0),
            }),
            "Job" => json!({
                "active": if count.live > 0 { json!(count.live) } else { Value::Null },
                "ready": count.ready,
            }),
            "DaemonSet" => json!({
                "desiredNumberScheduled": count.desired,
                "updatedNumberScheduled": count.updated,
                "numberReady": count.ready,
                "numberAvailable": count.available,
            }),
            "StatefulSet" => json!({
                "replicas": count.live,
                "updatedReplicas": count.updated,
                "readyReplicas": count.ready,
                "availableReplicas": count.available,
            }),
            "ReplicaSet" | "ReplicationController" => json!({
                "replicas": count.live,
                "readyReplicas": count.ready,
                "availableReplicas": count.available,
            }),
            _ => continue,
        };
        for (field, right) in right.as_object().into_iter().flatten() {
            let told = &wanted.status[field];
            if told != right {
                return Err(format!("{workload} is told to have {field} {told}, not {right}"));
            }
        }
    }
    Ok(())
}

/// The overview is the sum of all.
pub(super) fn overview_is_right(world: &World, outcome: &Outcome) -> Result<(), String> {
    let Some(overview) = &outcome.overview else {
        return Err("a cold epoch has no overview".to_owned());
    };
    let sums = sums_of(world);
    for (name, told) in told_by(&overview.fleet) {
        let right = sums.get(name).copied().unwrap_or(0);
        if told != right {
            return Err(format!("the overview tells {name} {told}, not {right}"));
        }
    }
    outdated_is_right(world, outcome)?;
    namespaces_are_right(world, outcome)
}

/// What the overview must tell, summed up one by one.
fn sums_of(world: &World) -> BTreeMap<&'static str, i64> {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    let mut add = |name, amount| *sums.entry(name).or_default() += amount;
    let mut names: Vec<&str> = world.workloads.keys().map(String::as_str).collect();
    names.extend(world.pods.values().map(|pod| &*pod.placement.pattern.workload));
    names.sort_unstable();
    names.dedup();
    for workload in names {
        let count = Count::of(world, workload, world.workloads.get(workload));
        add("desired", count.desired);
        add("live", count.live);
        add("ready", count.ready);
        add("available", count.available);
        add("missing", (count.desired - count.live).max(0));
        add("excess", (count.live - count.desired).max(0));
        add("stale", count.live - count.updated);
    }
    for pod in world.pods.values() {
        let asks = pod.spec.requests();
        add("stopping", i64::from(pod.stopping));
        if pod.is_finished() {
            continue;
        }
        add("requested cpu", asks.cpu_milli);
        add("requested memory", asks.memory_bytes);
        add("requested pods", 1);
    }
    for node in world.nodes.values() {
        add("nodes", 1);
        add("lost", i64::from(node.lost));
        add("allocatable cpu", node.record.allocatable.cpu_milli);
    }
    sums
}

/// The same amounts as the overview tells them.
fn told_by(fleet: &Fleet) -> [(&'static str, i64); 14] {
    [
        ("desired", fleet.workloads.desired),
        ("live", fleet.workloads.pods.live),
        ("ready", fleet.workloads.pods.ready),
        ("available", fleet.workloads.pods.available),
        ("stopping", fleet.workloads.pods.stopping),
        ("stale", fleet.workloads.stale()),
        ("missing", fleet.missing),
        ("excess", fleet.excess),
        ("requested cpu", fleet.nodes.requested.cpu_milli),
        ("requested memory", fleet.nodes.requested.memory_bytes),
        ("requested pods", fleet.nodes.requested.pods),
        ("nodes", fleet.nodes.known),
        ("lost", fleet.nodes.lost),
        ("allocatable cpu", fleet.nodes.allocatable.cpu_milli),
    ]
}

fn outdated_is_right(world: &World, outcome: &Outcome) -> Result<(), String> {
    let count = |(workload, wanted): (&String, &Wanted)| {
        let count = Count::of(world, workload, Some(wanted));
        (workload.clone(), count.live - count.updated)
    };
    let right: BTreeMap<String, i64> =
        world.workloads.iter().map(count).filter(|(_, outdated)| *outdated > 0).collect();
    let rows = outcome.overview.iter().flat_map(|overview| &overview.outdated);
    let told: BTreeMap<String, i64> = rows.map(|(key, pods)| (key.to_string(), *pods)).collect();
    if told == right {
        return Ok(());
    }
    Err(format!("workloads are told to have outdated pods {told:?}, not {right:?}"))
}

fn namespaces_are_right(world: &World, outcome: &Outcome) -> Result<(), String> {
    let mut right: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for pod in world.pods.values().filter(|pod: &&PodSeen| pod.is_live()) {
        let row = right.entry(pod.placement.pattern.namespace.to_string()).or_default();
        row.0 += 1;
        // Of one on a lost node nobody knows it.
        let is_heard = !world.is_lost(&pod.placement.node);
        row.1 += i64::from(is_heard && pod.ready_since.is_some());
    }
    let rows = outcome.overview.iter().flat_map(|overview| &overview.namespaces);
    let told: BTreeMap<String, (i64, i64)> =
        rows.map(|(name, row)| (name.to_string(), (row.pods, row.ready))).collect();
    if told == right {
        return Ok(());
    }
    Err(format!("namespaces are told to have {told:?}, not {right:?}"))
}
