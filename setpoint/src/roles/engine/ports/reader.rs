//! The API's ports out of the log and the engine: why, what was, what stands there.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_api::ports::{Explain, LogReads, PortError, PortFuture, Wanted};
use setpoint_api::{Kept, ReadModel};
use setpoint_dataflow::{Explanation, NodeSays};
use setpoint_ingest::{LogError, LogRecord};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Decision, GroupKind, PodUid, ResourceKey, Topic};

use super::inbox::Inbox;
use super::looks::Looks;
use super::questions::Questions;
use super::revisions::{self, Revisions};
use crate::roles::engine::SharedLog;

/// Decisions of one explanation, the latest.
const EXPLAINED_MAX: usize = 50;
/// Records of one page of the log.
pub(crate) const PAGE_RECORDS_MAX: usize = 1_000;
/// Kinds whose objects the engine can explain.
const WORKLOADS: &[&str] = &[
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "DaemonSet",
    "StatefulSet",
    "Job",
    "Pod",
];

/// Answers from the model, the log and the engine's state.
pub(crate) struct Reader {
    pub(crate) pages: Pages,
    pub(crate) looks: Looks,
    pub(crate) model: Arc<ReadModel>,
    pub(crate) revisions: Arc<Revisions>,
    pub(crate) questions: Arc<Questions>,
    pub(crate) inbox: Arc<Inbox>,
}

/// The log as people read it. Its calls wait for the log: they are for [`Looks`].
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) log: SharedLog,
    pub(crate) codec: Codec,
}

/// What is asked about.
struct Subject {
    key: ResourceKey,
    /// Of a pod: all that have or had its name, the one that is served last.
    uids: Vec<PodUid>,
}

impl Reader {
    async fn explained(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, PortError> {
        let subject = self.subject(kind, namespace, name);
        let workload = self.explanation(&subject).await?;
        let decisions = self.decisions_about(&subject, name);
        let is_pod = &*subject.key.kind.kind == "Pod";
        let own = match &*subject.key.kind.kind {
            "Node" => self.model.node_reason(name),
            _ => subject.uids.iter().rev().find_map(|uid| self.model.pod_reason(uid)),
        };
        let known = workload.is_some() || own.is_some() || !decisions.is_empty();
        if !known {
            return Err(PortError::NotFound(format!(
                "nothing is known of {} {name:?}{}: it is not there, and the kept ledger has no \
                 decision about it",
                kind.to_lowercase(),
                if namespace.is_empty() { String::new() } else { format!(" in {namespace}") },
            )));
        }
        let of_workload = workload.as_ref().filter(|_| !is_pod || own.is_none());
        let latest = || decisions.first().map(|decision| decision.record().reason);
        let reason = own.or_else(|| of_workload.map(|w| w.reason.clone())).or_else(latest);
        let mut told = json!({
            "kind": kind, "namespace": namespace, "name": name,
            "reason": reason.unwrap_or_default(),
            "decisions": decisions.iter().map(|kept| self.model.told(&kept.record())).collect::<Vec<_>>(),
        });
        if let Some(workload) = &workload {
            add_workload(&mut told, workload, is_pod);
        }
        Ok(told)
    }

    fn subject(&self, kind: &str, namespace: &str, name: &str) -> Subject {
        let key = key_of(kind, namespace, name);
        if &*key.kind.kind != "Pod" {
            return Subject { key, uids: Vec::new() };
        }
        let mut uids = self.model.pod_uids(Some(namespace), name);
        uids.extend(PodUid::parse(name).ok().filter(|_| uids.is_empty()));
        uids.sort_by_key(|uid| self.model.pod_reason(uid).is_some());
        Subject { key, uids }
    }

    /// How the workload stands, or the workload of the pod.
    async fn explanation(&self, subject: &Subject) -> Result<Option<Explanation>, PortError> {
        if !WORKLOADS.contains(&&*subject.key.kind.kind) {
            return Ok(None);
        }
        let of_pod = subject.uids.iter().rev().find_map(|uid| self.model.pod_workload(uid));
        let key = of_pod.unwrap_or_else(|| subject.key.clone());
        let answer = self.questions.explain(key).await;
        answer.map_err(|error| PortError::Unavailable(error.to_string()))
    }

    fn decisions_about(&self, subject: &Subject, name: &str) -> Vec<Arc<dyn Kept>> {
        let key = subject.key.to_string();
        let is_node = &*subject.key.kind.kind == "Node";
        self.model.decisions(EXPLAINED_MAX, |decision| {
            let about = decision.about();
            about.pod.is_some_and(|uid| subject.uids.contains(&uid))
                || about.resource == key
                || (is_node && about.node == name)
        })
    }
}

impl Pages {
    fn page(&self, topic: &str, partition: i32, from: i64, max: usize) -> Result<Value, PortError> {
        let topic = topic_of(topic)?;
        let max = max.min(PAGE_RECORDS_MAX);
        let records = self.log.read_at(topic, partition, from, max).map_err(unread)?;
        let records: Vec<Value> =
            records.iter().map(|record| rendered(&self.codec, record)).collect();
        let end = self.log.ends(&[topic]).map_err(unread)?.next(topic, partition);
        Ok(json!({"topic": topic.name(), "partition": partition, "end": end, "records": records}))
    }
}

/// The topic of a name, with or without `setpoint.` before it.
pub(crate) fn topic_of(name: &str) -> Result<Topic, PortError> {
    Topic::of_name(name)
        .or_else(|| Topic::of_name(&format!("setpoint.{name}")))
        .ok_or_else(|| PortError::NotFound(format!("there is no topic {name:?}")))
}

/// A partition that is not there is the caller's mistake; all else is the log's.
pub(crate) fn unread(error: LogError) -> PortError {
    match error {
        LogError::NoPartition { .. } => PortError::NotFound(error.to_string()),
        _ => PortError::Unavailable(error.to_string()),
    }
}

/// Counts of the workload, and what the nodes say to a pod that has no place.
fn add_workload(told: &mut Value, workload: &Explanation, is_pod: bool) {
    if !is_pod {
        told["settled"] = json!(workload.settled);
        told["pods"] = json!({
            "desired": workload.desired, "live": workload.live, "ready": workload.ready,
            "available": workload.available, "stopping": workload.stopping,
        });
    }
    // A pod that has its place does not ask the nodes.
    let waits = told["reason"].as_str().is_some_and(|reason| workload.reason.starts_with(reason));
    if !is_pod || waits {
        told["nodes"] = workload.nodes.iter().map(node).collect();
        told["nodesLeftOut"] = json!(workload.nodes_left_out);
    }
}

fn node(says: &NodeSays) -> Value {
    let refusal =
        |(filter, reasons): &(&str, Vec<String>)| json!({"filter": filter, "reasons": reasons});
    let refusals: Vec<Value> = says.refusals.iter().map(refusal).collect();
    json!({"node": says.node, "fits": says.fits, "refusals": refusals, "score": says.score})
}

fn key_of(kind: &str, namespace: &str, name: &str) -> ResourceKey {
    let found = setpoint_ingest_manifest::KINDS.iter().find(|known| {
        let short = known.short_names.iter().any(|s| s.eq_ignore_ascii_case(kind));
        known.kind.eq_ignore_ascii_case(kind) || known.plural.eq_ignore_ascii_case(kind) || short
    });
    let group_kind =
        found.map_or_else(|| GroupKind::new("", kind), |k| GroupKind::new(k.group, k.kind));
    let namespaced = found.is_none_or(|k| k.namespaced);
    ResourceKey::new(group_kind, if namespaced { namespace } else { "" }, name)
}

/// A record for people: where it stands, its key, its value as JSON where its schema is known.
fn rendered(codec: &Codec, record: &LogRecord) -> Value {
    let decoded = |bytes| super::gate::decoded(codec, record.position.topic, bytes);
    let value = record.value.as_deref().map(decoded);
    json!({
        "offset": record.position.offset,
        "partition": record.position.partition,
        "timestamp": record.timestamp_ms,
        "key": String::from_utf8_lossy(&record.key),
        "value": value,
    })
}

impl Explain for Reader {
    fn explain(
        &self,
        kind: String,
        namespace: String,
        name: String,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move { self.explained(&kind, &namespace, &name).await })
    }

    fn history(
        &self,
        kind: &'static str,
        namespace: String,
        name: String,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move {
            let revisions = self.revisions.get(&revisions::key(kind, &namespace, &name));
            revisions.ok_or_else(|| {
                let kind = kind.to_ascii_lowercase();
                PortError::NotFound(format!("{kind} {namespace}/{name} not found"))
            })
        })
    }
}

impl LogReads for Reader {
    fn log(
        &self,
        topic: String,
        partition: i32,
        from: i64,
        max: usize,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        let pages = self.pages.clone();
        Box::pin(self.looks.look(move || pages.page(&topic, partition, from, max)))
    }

    fn extent(&self) -> PortFuture<'_, Result<Value, PortError>> {
        let pages = self.pages.clone();
        Box::pin(self.looks.look(move || pages.extent()))
    }

    fn raw(
        &self,
        topic: String,
        partition: i32,
        from: i64,
        max: usize,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        let pages = self.pages.clone();
        Box::pin(self.looks.look(move || pages.raw(&topic, partition, from, max)))
    }

    fn ledger(
        &self,
        before: (i64, i32),
        max: usize,
        wanted: Wanted,
    ) -> PortFuture<'_, Result<Vec<Decision>, PortError>> {
        let pages = self.pages.clone();
        Box::pin(self.looks.look(move || pages.ledger(before, max, &wanted)))
    }

    fn dead_letters(&self, limit: usize) -> PortFuture<'_, Result<Value, PortError>> {
        let pages = self.pages.clone();
        Box::pin(self.looks.look(move || pages.letters(limit)))
    }

    fn replay(
        &self,
        topic: String,
        partition: i32,
        offset: i64,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move {
            let position =
                setpoint_schemas::Position { topic: topic_of(&topic)?, partition, offset };
            self.replayed(position).await
        })
    }
}
