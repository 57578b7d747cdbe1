//! What was committed, told to the read model.

use std::sync::Arc;

use setpoint_api::{Change, DECISIONS_KEPT_MAX, NodeServed, ReadModel, WaitingPod};
use setpoint_dataflow::views::Views;
use setpoint_dataflow::{Engine, Outcome, Served};
use setpoint_ingest::Log;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Decision, Topic};

use super::ports::Revisions;

/// Who sees what was committed.
#[derive(Clone)]
pub(super) struct Audience {
    pub(super) model: Arc<ReadModel>,
    pub(super) revisions: Arc<Revisions>,
}

/// Shows an outcome to readers.
pub(super) fn show(audience: &Audience, outcome: &Outcome) {
    let mut changes = Vec::new();
    for (key, resource) in &outcome.resources {
        changes.push(Change::Resource(key.clone(), resource.clone()));
    }
    for change in &outcome.placements {
        changes.push(Change::Placement(change.uid.clone(), change.placement.clone()));
    }
    for served in &outcome.served {
        match served {
            Served::Revisions(key, history) => audience.revisions.put(key, history),
            served => changes.extend(change_of(served, outcome)),
        }
    }
    let decisions = outcome.decisions.iter().map(|d| Change::Decision(Arc::new(d.clone())));
    changes.extend(decisions);
    audience.model.apply(changes, outcome.number, outcome.term, outcome.time_ms);
}

fn change_of(served: &Served, outcome: &Outcome) -> Option<Change> {
    Some(match served {
        Served::Pod(observed) => Change::Pod(observed.clone()),
        Served::PodGone(uid) => Change::PodGone(uid.clone()),
        Served::Node(name, node) => Change::Node(
            name.clone(),
            node.as_ref().map(|node| {
                Arc::new(NodeServed {
                    record: Arc::new(node.record.clone()),
                    lost: node.lost,
                    requested: node.requested.clone(),
                    last_epoch: outcome.number,
                })
            }),
        ),
        Served::Waiting(pod) => Change::Waiting(
            pod.uid.clone(),
            Some(Arc::new(WaitingPod {
                uid: pod.uid.clone(),
                workload: pod.workload.clone(),
                namespace: pod.workload.namespace.to_string(),
                name: pod.name.clone(),
                reason: "Unschedulable".to_owned(),
                message: pod.reason.clone(),
                since_ms: outcome.time_ms,
            })),
        ),
        Served::WaitingGone(uid) => Change::Waiting(uid.clone(), None),
        Served::Hold(reason) => Change::Holds(reason.iter().cloned().collect()),
        Served::Revisions(..) => return None,
    })
}

/// Shows the latest decisions of the log, so that `explain` knows what came before this start.
pub(super) fn history<V: Views>(
    model: &ReadModel,
    log: &dyn Log,
    engine: &Engine<V>,
) -> anyhow::Result<()> {
    let ends = log.ends(&[Topic::Decisions])?;
    let codec = Codec::single_object();
    let mut decisions: Vec<Decision> = Vec::new();
    for (topic, partition, end) in ends.iter() {
        let kept = i64::try_from(DECISIONS_KEPT_MAX).unwrap_or(i64::MAX);
        let from = (end - kept).max(0);
        let records = log.read_at(topic, partition, from, DECISIONS_KEPT_MAX)?;
        let decoded = records.iter().filter_map(|r| codec.decode(r.value.as_deref()?).ok());
        decisions.extend(decoded);
    }
    decisions.sort_by_key(|decision| (decision.epoch, decision.sequence));
    let changes = decisions.into_iter().map(|d| Change::Decision(Arc::new(d))).collect();
    model.apply(changes, engine.number(), engine.term(), engine.time_ms());
    Ok(())
}
