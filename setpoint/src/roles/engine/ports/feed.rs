//! What was committed, told to the read model.

use std::sync::Arc;

use setpoint_api::{
    About, Change, DECISIONS_KEPT_MAX, DeviceServed, Kept, NodeServed, ReadModel, WaitingPod,
};
use setpoint_dataflow::{Decided, DeviceLeft, Outcome, Served};
use setpoint_schemas::{Decision, PodUid};

use super::revisions::Revisions;
use crate::roles::engine::metrics::Metrics;

/// A decision whose words are written when a reader asks for them.
#[derive(Debug)]
struct InParts(Decided);

impl Kept for InParts {
    fn epoch(&self) -> i64 {
        self.0.epoch()
    }

    fn about(&self) -> About<'_> {
        let InParts(decided) = self;
        About { pod: decided.pod(), resource: decided.resource(), node: decided.node() }
    }

    fn record(&self) -> Decision {
        self.0.record()
    }
}

/// Who sees what was committed.
#[derive(Clone)]
pub(crate) struct Audience {
    pub(crate) model: Arc<ReadModel>,
    pub(crate) revisions: Arc<Revisions>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Audience {
    /// Whoever shows things to it follows the log anew: what went away meanwhile is not told.
    pub(crate) fn begin_anew(&self) {
        self.model.begin_anew();
        self.revisions.begin_anew();
    }
}

/// Shows an outcome to readers.
pub(crate) fn show(audience: &Audience, outcome: &Outcome) {
    show_all(audience, outcome, |_| None);
}

/// Shows an outcome to readers that may have seen nothing before it, with since when pods are ready, where
/// that is known.
pub(crate) fn show_all(
    audience: &Audience,
    outcome: &Outcome,
    ready_since: impl Fn(&PodUid) -> Option<i64>,
) {
    // What is shown before all of it was, is old: nobody did it now.
    if audience.model.is_ready() {
        outcome.served.iter().for_each(|served| count(audience, served));
    }
    if let Some(overview) = &outcome.overview {
        audience.metrics.overview(overview);
    }
    audience.revisions.take(outcome);
    let mut changes = changes(&audience.model, outcome);
    for change in &mut changes {
        if let Change::Pod(seen) = change
            && let Some(since_ms) = ready_since(seen.uid())
        {
            *change = Change::PodSince(seen.clone(), since_ms);
        }
    }
    audience.model.apply(changes, outcome.number, outcome.term, outcome.time_ms);
}

/// What an outcome changes of what this model serves.
#[must_use]
pub fn changes(model: &ReadModel, outcome: &Outcome) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, resource) in &outcome.resources {
        changes.push(Change::Resource(key.clone(), resource.clone()));
    }
    for change in &outcome.placements {
        changes.push(Change::Placement(change.uid.clone(), change.placement.clone()));
    }
    for served in &outcome.served {
        match served {
            Served::WatchedAll(snapshot) => {
                let had = model.watched(&snapshot.node).into_iter();
                let gone = had.filter(|uid| !snapshot.uids.contains(uid));
                changes.extend(gone.map(Change::PodGone));
            }
            Served::Node(node, None) => {
                changes.extend(model.watched(node).into_iter().map(Change::PodGone));
                changes.push(Change::Node(node.clone(), None));
            }
            served => changes.extend(change_of(served, outcome)),
        }
    }
    let latest = outcome.decisions.len().saturating_sub(DECISIONS_KEPT_MAX);
    let decisions = outcome.decisions[latest..].iter().cloned();
    changes.extend(decisions.map(|decided| Change::Decision(Arc::new(InParts(decided)))));
    changes
}

fn count(audience: &Audience, served: &Served) {
    match served {
        Served::Pod(now) => {
            let (model, uid) = (&audience.model, now.uid());
            audience.metrics.observed(model.progress(uid), now, || model.observed(uid));
        }
        Served::PodGone(_) => audience.metrics.pod_gone(),
        _ => {}
    }
}

fn device_of(device: &DeviceLeft) -> DeviceServed {
    let DeviceLeft { id, model, milli, left } = device.clone();
    DeviceServed { id, model, milli, left }
}

fn change_of(served: &Served, outcome: &Outcome) -> Option<Change> {
    Some(match served {
        Served::Pod(observed) => Change::Pod(observed.clone()),
        Served::PodGone(uid) | Served::WatchedGone(uid) => Change::PodGone(uid.clone()),
        Served::Watched(observed) => Change::Watched(observed.clone()),
        Served::Node(name, node) => Change::Node(
            name.clone(),
            node.as_ref().map(|node| {
                Arc::new(NodeServed {
                    record: node.record.clone(),
                    lost: node.lost,
                    doubt: node.doubt.clone(),
                    requested: node.requested.clone(),
                    devices: node.devices.iter().map(device_of).collect(),
                    last_epoch: outcome.number,
                    lease: node.lease,
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
                reason: if pod.gated { "SchedulingGated" } else { "Unschedulable" }.to_owned(),
                message: pod.reason.clone(),
                nominated: pod.nominated.as_ref().map(ToString::to_string),
                since_ms: outcome.time_ms,
            })),
        ),
        Served::WaitingGone(uid) => Change::Waiting(uid.clone(), None),
        Served::Hold(reason) => Change::Holds(reason.iter().cloned().collect()),
        Served::Revisions(..) | Served::WatchedAll(_) => return None,
    })
}
