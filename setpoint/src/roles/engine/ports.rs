//! The API's ports over the log: what is asked and observed goes in, what is asked about comes out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use setpoint_api::ReadModel;
use setpoint_api::ports::{
    Explain, LogReads, Observations, PortError, PortFuture, Requests, SubmitError, Verdict,
};
use setpoint_ingest::entry::Writer;
use setpoint_ingest::{AppendError, Appender, Entry};
use setpoint_schemas::{
    GroupKind, Lease, NodeName, NodeRecord, NodeReport, REQUEST_BYTES_MAX, Request, ResourceKey,
    Topic, UsageSample,
};

use super::SharedLog;
use super::waiters::Waiters;

/// How long a caller waits for the leader: longer than a takeover, shorter than kubectl's patience.
const VERDICT_MS_MAX: u64 = 25_000;
/// Decisions of one explanation, the latest.
const EXPLAINED_MAX: usize = 50;
/// Records of one page of the log.
const PAGE_RECORDS_MAX: usize = 1_000;

/// Where requests and observations go.
pub(super) struct Inbox {
    appender: Arc<Mutex<Box<dyn Appender>>>,
    writer: Writer,
    waiters: Arc<Waiters>,
}

impl Inbox {
    pub(super) fn new(appender: Box<dyn Appender>, writer: Writer, waiters: Arc<Waiters>) -> Self {
        Inbox { appender: Arc::new(Mutex::new(appender)), writer, waiters }
    }

    /// Appends and waits until it is durable, off the threads that serve.
    async fn append(&self, entries: Vec<Entry>) -> Result<(), AppendFailure> {
        let appender = self.appender.clone();
        let appended = tokio::task::spawn_blocking(move || {
            appender.lock().unwrap_or_else(PoisonError::into_inner).append(entries)
        });
        match appended.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(AppendError::TooLarge { bytes, bytes_max, .. })) => {
                Err(AppendFailure::TooLarge { bytes, max: bytes_max })
            }
            Ok(Err(error)) => Err(AppendFailure::Unavailable(error.to_string())),
            Err(error) => Err(AppendFailure::Unavailable(error.to_string())),
        }
    }

    async fn observe(&self, entries: Result<Vec<Entry>, String>) -> Result<(), PortError> {
        let entries = entries.map_err(PortError::Invalid)?;
        self.append(entries).await.map_err(|failure| match failure {
            AppendFailure::TooLarge { bytes, max } => {
                PortError::Invalid(format!("the record has {bytes} bytes, more than {max}"))
            }
            AppendFailure::Unavailable(why) => PortError::Unavailable(why),
        })
    }
}

enum AppendFailure {
    TooLarge { bytes: usize, max: usize },
    Unavailable(String),
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Requests for Inbox {
    fn submit(&self, request: Request) -> PortFuture<'_, Result<Verdict, SubmitError>> {
        Box::pin(async move {
            let entry =
                self.writer.request(&request).map_err(|e| SubmitError::Unavailable(text(e)))?;
            let bytes = entry.value.as_ref().map_or(0, Vec::len);
            if bytes > REQUEST_BYTES_MAX {
                return Err(SubmitError::TooLarge { bytes, max: REQUEST_BYTES_MAX });
            }
            let verdict = self.waiters.wait(&request.id);
            if let Err(failure) = self.append(vec![entry]).await {
                self.waiters.forget(&request.id);
                return Err(match failure {
                    AppendFailure::TooLarge { bytes, max } => SubmitError::TooLarge { bytes, max },
                    AppendFailure::Unavailable(why) => SubmitError::Unavailable(why),
                });
            }
            match tokio::time::timeout(Duration::from_millis(VERDICT_MS_MAX), verdict).await {
                Ok(Ok(verdict)) => Ok(verdict),
                _ => {
                    self.waiters.forget(&request.id);
                    Err(SubmitError::Timeout(VERDICT_MS_MAX))
                }
            }
        })
    }
}

impl Observations for Inbox {
    fn node(&self, record: NodeRecord) -> PortFuture<'_, Result<(), PortError>> {
        let entries = self.writer.node(&record).map(|e| vec![e]).map_err(text);
        Box::pin(self.observe(entries))
    }

    fn lease(&self, lease: Lease) -> PortFuture<'_, Result<(), PortError>> {
        let entries = self.writer.lease(&lease).map(|e| vec![e]).map_err(text);
        Box::pin(self.observe(entries))
    }

    fn pods(&self, _node: NodeName, report: NodeReport) -> PortFuture<'_, Result<(), PortError>> {
        let observed = report.observed.iter().map(|pod| self.writer.pod(pod));
        let snapshot = report.snapshot.iter().map(|snapshot| self.writer.snapshot(snapshot));
        let entries: Result<Vec<Entry>, _> = observed.chain(snapshot).collect();
        Box::pin(self.observe(entries.map_err(text)))
    }

    fn usage(
        &self,
        _node: NodeName,
        samples: Vec<UsageSample>,
    ) -> PortFuture<'_, Result<(), PortError>> {
        let entries: Result<Vec<Entry>, _> = samples.iter().map(|s| self.writer.usage(s)).collect();
        Box::pin(self.observe(entries.map_err(text)))
    }
}

/// Answers from the model and the log.
pub(super) struct Reader {
    log: SharedLog,
    model: Arc<ReadModel>,
    revisions: Arc<Revisions>,
}

/// The histories of Deployments, as `rollout history` shows them.
#[derive(Debug, Default)]
pub(super) struct Revisions(Mutex<HashMap<ResourceKey, Value>>);

impl Revisions {
    /// A workload's history is this now.
    pub(super) fn put(&self, key: &ResourceKey, history: &[setpoint_rules::revision::Revision]) {
        let rows = history.iter().map(|r| {
            let template: Value = serde_json::from_str(&r.template).unwrap_or_default();
            json!({"revision": r.number, "hash": r.hash, "template": template})
        });
        let history = json!({"revisions": rows.collect::<Vec<_>>()});
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), history);
    }

    fn get(&self, key: &ResourceKey) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

impl Reader {
    pub(super) fn new(log: SharedLog, model: Arc<ReadModel>, revisions: Arc<Revisions>) -> Self {
        Reader { log, model, revisions }
    }

    fn explained(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, PortError> {
        let is_pod = kind.eq_ignore_ascii_case("pod") || kind.eq_ignore_ascii_case("pods");
        let uids = if is_pod { self.model.pod_uids(name) } else { Vec::new() };
        let key = key_of(kind, namespace, name);
        let about = |d: &setpoint_schemas::Decision| {
            uids.contains(&d.pod)
                || d.resource == key
                || (key.starts_with("core/Node/") && d.node == name)
        };
        let decisions = self.model.decisions(EXPLAINED_MAX, about);
        if decisions.is_empty() {
            return Err(PortError::NotFound(format!(
                "no decision about {kind} {namespace}/{name} is in the kept ledger; `setpoint get {kind}` lists what there is"
            )));
        }
        let latest = decisions.first().map(|d| d.reason.clone()).unwrap_or_default();
        Ok(
            json!({"kind": kind, "namespace": namespace, "name": name, "reason": latest, "decisions": decisions}),
        )
    }

    fn page(&self, topic: &str, partition: i32, from: i64, max: usize) -> Result<Value, PortError> {
        let topic = Topic::of_name(topic)
            .or_else(|| Topic::of_name(&format!("setpoint.{topic}")))
            .ok_or_else(|| PortError::NotFound(format!("there is no topic {topic:?}")))?;
        let unavailable = |e: setpoint_ingest::LogError| PortError::Unavailable(e.to_string());
        let max = max.min(PAGE_RECORDS_MAX);
        let records = self.log.read_at(topic, partition, from, max).map_err(unavailable)?;
        let records: Vec<Value> = records.iter().map(rendered).collect();
        let end = self.log.ends(&[topic]).map_err(unavailable)?.next(topic, partition);
        Ok(json!({"topic": topic.name(), "partition": partition, "end": end, "records": records}))
    }

    fn letters(&self, limit: usize) -> Result<Value, PortError> {
        let unavailable = |e: setpoint_ingest::LogError| PortError::Unavailable(e.to_string());
        let ends = self.log.ends(&[Topic::DeadLetter]).map_err(unavailable)?;
        let limit = limit.min(PAGE_RECORDS_MAX);
        let mut letters = Vec::new();
        for (topic, partition, end) in ends.iter() {
            let from = (end - i64::try_from(limit).unwrap_or(0)).max(0);
            let records = self.log.read_at(topic, partition, from, limit).map_err(unavailable)?;
            letters.extend(records.iter().rev().map(rendered));
        }
        letters.truncate(limit);
        Ok(json!({"deadLetters": letters}))
    }
}

fn key_of(kind: &str, namespace: &str, name: &str) -> String {
    let found = setpoint_ingest_manifest::KINDS.iter().find(|known| {
        let short = known.short_names.iter().any(|s| s.eq_ignore_ascii_case(kind));
        known.kind.eq_ignore_ascii_case(kind) || known.plural.eq_ignore_ascii_case(kind) || short
    });
    let group_kind =
        found.map_or_else(|| GroupKind::new("", kind), |k| GroupKind::new(k.group, k.kind));
    let namespaced = found.is_none_or(|k| k.namespaced);
    ResourceKey::new(group_kind, if namespaced { namespace } else { "" }, name).to_string()
}

/// A record for people: where it stands, its key, its value as JSON where its schema is known.
fn rendered(record: &setpoint_ingest::LogRecord) -> Value {
    let value =
        record.value.as_deref().map(|bytes| super::gate::decoded(record.position.topic, bytes));
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
        Box::pin(async move { self.explained(&kind, &namespace, &name) })
    }

    fn history(&self, namespace: String, name: String) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move {
            let key = ResourceKey::new(GroupKind::new("apps", "Deployment"), &namespace, &name);
            let revisions = self.revisions.get(&key);
            revisions.ok_or_else(|| {
                PortError::NotFound(format!("deployment {namespace}/{name} not found"))
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
        Box::pin(async move { self.page(&topic, partition, from, max) })
    }

    fn dead_letters(&self, limit: usize) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move { self.letters(limit) })
    }
}
