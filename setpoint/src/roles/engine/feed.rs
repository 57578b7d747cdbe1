//! What was committed, told to the read model.

use std::sync::Arc;

use setpoint_api::{Change, DECISIONS_KEPT_MAX, NodeServed, ReadModel, WaitingPod};
use setpoint_dataflow::views::Views;
use setpoint_dataflow::{Engine, Outcome, Served};
use setpoint_ingest::{Log, LogRecord};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Decision, Placement, Topic};

use super::metrics::Metrics;
use super::reader::Revisions;

/// Placements of each partition that are read for the names of pods that are gone: some tenths of a
/// second of a start.
const PLACEMENTS_READ_MAX: usize = 5_000;

/// Who sees what was committed.
#[derive(Clone)]
pub(super) struct Audience {
    pub(super) model: Arc<ReadModel>,
    pub(super) revisions: Arc<Revisions>,
    pub(super) metrics: Arc<Metrics>,
}

/// Shows an outcome to readers.
pub(super) fn show(audience: &Audience, outcome: &Outcome) {
    // What is shown before all of it was, is old: nobody did it now.
    if audience.model.is_ready() {
        outcome.served.iter().for_each(|served| count(audience, served));
    }
    if let Some(overview) = &outcome.overview {
        audience.metrics.overview(overview);
    }
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
            Served::WatchedAll(snapshot) => {
                let had = audience.model.watched(&snapshot.node).into_iter();
                let gone = had.filter(|uid| !snapshot.uids.contains(uid));
                changes.extend(gone.map(Change::PodGone));
            }
            Served::Node(node, None) => {
                changes.extend(audience.model.watched(node).into_iter().map(Change::PodGone));
                changes.push(Change::Node(node.clone(), None));
            }
            served => changes.extend(change_of(served, outcome)),
        }
    }
    let decisions = outcome.decisions.iter().map(|d| Change::Decision(Arc::new(d.clone())));
    changes.extend(decisions);
    audience.model.apply(changes, outcome.number, outcome.term, outcome.time_ms);
}

fn count(audience: &Audience, served: &Served) {
    match served {
        Served::Pod(now) => {
            audience.metrics.observed(audience.model.observed(&now.uid).as_deref(), now);
        }
        Served::PodGone(_) => audience.metrics.pod_gone(),
        _ => {}
    }
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
                    record: Arc::new(node.record.clone()),
                    lost: node.lost,
                    doubt: node.doubt.clone(),
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
        Served::Revisions(..) | Served::WatchedAll(_) => return None,
    })
}

/// Records asked for at once.
const RECORDS_READ_MAX: usize = 4096;

/// Shows the latest decisions of the log, so that `explain` knows what came before this start.
pub(super) fn history<V: Views>(
    model: &ReadModel,
    log: &dyn Log,
    codec: &Codec,
    engine: &Engine<V>,
) -> anyhow::Result<()> {
    let ends = log.ends(&[Topic::Decisions])?;
    let mut decisions: Vec<Decision> = Vec::new();
    for (topic, partition, end) in ends.iter() {
        let kept = i64::try_from(DECISIONS_KEPT_MAX).unwrap_or(i64::MAX);
        read_on(log, (topic, partition), end - kept, end, |records| {
            let decoded = records.iter().filter_map(|r| codec.decode(r.value.as_deref()?).ok());
            decisions.extend(decoded);
        })?;
    }
    decisions.sort_by_key(|decision| (decision.epoch, decision.sequence));
    let changes = decisions.into_iter().map(|d| Change::Decision(Arc::new(d))).collect();
    model.apply(changes, engine.number(), engine.term(), engine.time_ms());
    names(model, log, codec)
}

/// Tells the names of pods that may be gone, from their placements, as far as they are on the log.
fn names(model: &ReadModel, log: &dyn Log, codec: &Codec) -> anyhow::Result<()> {
    for (topic, partition, end) in log.ends(&[Topic::Placements])?.iter() {
        let from = end - i64::try_from(PLACEMENTS_READ_MAX).unwrap_or(0);
        read_on(log, (topic, partition), from, end, |records| {
            let placements = records.iter().filter_map(|r| codec.decode(r.value.as_deref()?).ok());
            model.remember_pods(
                placements.map(|p: Placement| (p.uid, p.namespace.to_string(), p.name.to_string())),
            );
        })?;
    }
    Ok(())
}

/// Gives the records of a partition to the caller, some at a time.
pub(super) fn read_on(
    log: &dyn Log,
    (topic, partition): (Topic, i32),
    from: i64,
    end: i64,
    mut each: impl FnMut(&[LogRecord]),
) -> anyhow::Result<()> {
    let mut next = from.max(0);
    while next < end {
        let records = log.read_at(topic, partition, next, RECORDS_READ_MAX)?;
        let Some(last) = records.last() else { break };
        next = last.position.offset + 1;
        each(&records);
    }
    Ok(())
}
