//! An engine from what the compacted topics hold, where the epochs behind them are no longer kept.
//!
//! Guarantee: every placement that stands is kept as it is; nothing is decided here. What the topics
//! do not say begins anew, so that haste is never the result: pacing with an empty bucket, leases
//! and progress with their full time, backoff and holds as if there were none.
//! Absent: reading the log.

mod observed;
mod owners;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use setpoint_rules::pacing::Bucket;
use setpoint_schemas::{
    NodeName, NodeRecord, Placement, Policy, Position, RequestId, Resource, ResourceKey, Resources,
    SessionId, Sourced,
};

use crate::causes::Cause;
use crate::decide::{NodeStatus, is_cron_job, node_key};
use crate::state::{
    CronRow, DevicesRow, Meta, NodeRow, Pod, RestoreError, Rows, WorkloadKind, WorkloadMemo,
};
use crate::views::Standing;

/// What the compacted topics hold as of an epoch.
#[derive(Debug, Clone, Default)]
pub struct Compacted {
    /// The last epoch.
    pub number: i64,
    /// Its reign.
    pub term: i64,
    /// Its engine time, milliseconds since 1970.
    pub time_ms: i64,
    /// The resources, each with where it stands.
    pub resources: Vec<(Resource, Position)>,
    /// The nodes as they reported themselves, each with where it stands.
    pub nodes: Vec<(NodeRecord, Position)>,
    /// The placements that stand, and the withdrawn ones that are still kept.
    pub placements: Vec<Placed>,
    /// The latest observations and snapshots, in the order of each partition.
    pub observed: Vec<Sourced>,
    /// Requests that the ledger says were answered, and whether accepted; the latest last.
    pub answered: Vec<(RequestId, bool)>,
}

/// The last that is kept of a pod's placement.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The placement.
    pub placement: Placement,
    /// Where it stands.
    pub position: Position,
    /// Whether it was withdrawn since: its node may still have the pod.
    pub withdrawn: bool,
}

/// The rows of a checkpoint that say the same.
pub(crate) fn rows(policy: &Policy, compacted: Compacted) -> Result<Rows, RestoreError> {
    let time_ms = compacted.time_ms;
    let placed = compacted.placements.iter().map(|placed| &placed.placement);
    let last = (compacted.number, compacted.term);
    let meta = Meta {
        policy: policy.clone(),
        bucket: Bucket { tokens_milli: 0, filled_ms: time_ms },
        time_ms,
        number: compacted.number,
        term: compacted.term,
        reigns: placed.map(|p| (p.epoch, p.term)).chain([last]).collect(),
        heard_ms: time_ms,
        inexact: true,
        ..Meta::default()
    };
    let resources: BTreeMap<ResourceKey, (Resource, Position)> =
        compacted.resources.into_iter().map(|(r, at)| (r.key(), (r, at))).collect();
    let mut nodes: BTreeMap<NodeName, NodeRow> = BTreeMap::new();
    for (record, position) in compacted.nodes {
        let cause =
            Cause::told(position, format!("node {} as it last reported itself", record.node));
        let status = resources.get(&node_key(&record.node)).map(|(r, _)| NodeStatus::of(r));
        let row = node_row(record, status.unwrap_or_default(), time_ms, cause);
        nodes.insert(row.record.node.clone(), row);
    }
    let mut pods = observed::join(&nodes, compacted.placements, &compacted.observed);
    let remains = observed::remains(&nodes, &pods, &compacted.observed);
    let mut unheard: BTreeMap<NodeName, Position> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !nodes.contains_key(&pod.placement.node)) {
        unheard.entry(pod.placement.node.clone()).or_insert(pod.position);
    }
    for (node, position) in unheard {
        let cause = Cause::told(position, format!("node {node} is named by a placement only"));
        if let Some(record) = nameless(&node) {
            nodes.insert(node, node_row(record, NodeStatus::default(), time_ms, cause));
        }
    }
    pods.retain(|pod| nodes.contains_key(&pod.placement.node));
    let devices = pods.iter().filter(|pod| !pod.placement.devices.is_empty());
    let devices = devices.map(|pod| DevicesRow {
        uid: pod.placement.uid.clone(),
        taken: pod.placement.devices.to_vec(),
    });
    let devices = devices.collect();
    // Numbers as an engine would give them: from one on, nodes first.
    let numbers: BTreeMap<NodeName, u32> = nodes.keys().cloned().zip(1..).collect();
    let made = workloads::rows(&resources, pods, &numbers, time_ms)?;
    let (workloads, mut pods, observed) = (made.workloads, made.pods, made.observed);
    await_proofs(&workloads, &mut pods, compacted.number);
    let crons = crons(&resources, time_ms);
    let owners = owners::rows(&resources);
    let resources = resources.into_values().map(|(resource, _)| resource).collect();
    let nodes = (1..).zip(nodes.into_values()).collect();
    // Orphans are named anew by the next two snapshots of their nodes.
    let rows = Rows {
        meta,
        resources,
        workloads,
        nodes,
        pods,
        observed,
        remains,
        devices,
        crons,
        owners,
        ..Rows::default()
    };
    Ok(rows)
}

/// Every CronJob is looked at.
fn crons(resources: &BTreeMap<ResourceKey, (Resource, Position)>, time_ms: i64) -> Vec<CronRow> {
    let crons = resources.iter().filter(|(key, _)| is_cron_job(key));
    let row = |(key, (resource, position)): (&ResourceKey, &(Resource, Position))| CronRow {
        key: key.clone(),
        look_ms: Some(time_ms),
        cause: Cause::told(*position, format!("CronJob {} as it was last told", resource.name)),
    };
    crons.map(row).collect()
}

/// When a pod was withdrawn is not known: of one that may run at most once only what its node says as of
/// now proves that it ended.
fn await_proofs(workloads: &[(u32, ResourceKey, WorkloadMemo)], pods: &mut [Pod], number: i64) {
    let kind = |key: &ResourceKey| WorkloadKind::of(&key.kind.kind);
    let sets = workloads.iter().filter(|(_, key, _)| kind(key) == Some(WorkloadKind::Stateful));
    let sets: BTreeSet<u32> = sets.map(|(id, ..)| *id).collect();
    let stops = |pod: &&mut Pod| pod.standing == Standing::Stopping && sets.contains(&pod.workload);
    pods.iter_mut().filter(stops).for_each(|pod| pod.note_withdrawn(number));
}

fn node_row(record: NodeRecord, status: NodeStatus, time_ms: i64, cause: Cause) -> NodeRow {
    NodeRow {
        record: Arc::new(record),
        renewed_ms: time_ms,
        sequence: 0,
        lost: status.lost,
        confirmed_lost: status.confirmed_lost,
        silent: false,
        cause,
    }
}

/// A node of which nothing is known but that pods are placed on it. It is not ready, and lost after
/// a full grace period unless it reports itself: then its pods are replaced as any lost node's.
fn nameless(node: &NodeName) -> Option<NodeRecord> {
    Some(NodeRecord {
        node: node.clone(),
        session: SessionId::parse("unheard").ok()?,
        started_ms: 0,
        time_ms: 0,
        runtime: String::new(),
        runtime_version: String::new(),
        agent_version: String::new(),
        address: String::new(),
        capacity: Resources::default(),
        allocatable: Resources::default(),
        labels: BTreeMap::new(),
        conditions: Vec::new(),
        devices: Vec::new(),
    })
}
