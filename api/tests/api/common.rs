//! A tiny leader behind the ports: it accepts requests and applies them to the model.
//!
//! Absent: placement, ownership, strategic merging beyond what the crate's own functions do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use setpoint_api::ports::{
    Explain, Foreseen, Gate, Gated, Ignored, ItemVerdict, LogReads, Observations, Outcome,
    PortError, PortFuture, Requests, SubmitError, Verdict, Wanted,
};
use setpoint_api::{
    ApiState, Change, KindInfo, NodeServed, Parts, ReadModel, Sealer, ServeOptions, TlsFiles, serve,
};
use setpoint_schemas::{
    Condition, ConditionStatus, ContainerObserved, ContainerState, Decision, FleetId, Lease,
    Namespace, NodeName, NodeRecord, NodeReport, Pattern, Placement, PodObserved, PodPhase, PodUid,
    Request, RequestItem, Resource, ResourceName, Resources, SessionId, Standing, UsageSample,
    Verb,
};
use tokio_util::sync::CancellationToken;

/// More connections than any test opens.
const CONNECTIONS: usize = 1_024;

/// The engine time at which every test begins.
pub(crate) const T0: i64 = 1_700_000_000_000;

/// The tiny leader.
pub(crate) struct Leader {
    pub(crate) model: Arc<ReadModel>,
    accepted: Mutex<BTreeMap<String, Arc<Resource>>>,
    epoch: Mutex<i64>,
    /// Everything that was handed to a port, as text: what would stand on the log.
    pub(crate) log: Mutex<Vec<String>>,
}

impl Leader {
    pub(crate) fn new() -> Arc<Leader> {
        let leader = Leader {
            model: Arc::new(ReadModel::new()),
            accepted: Mutex::default(),
            epoch: Mutex::new(1),
            log: Mutex::default(),
        };
        leader.model.apply(Vec::new(), 1, 1, T0);
        leader.model.set_role("leader");
        leader.model.set_ready(true);
        Arc::new(leader)
    }

    /// Commits changes as the next epoch.
    pub(crate) fn commit(&self, changes: impl FnOnce(i64) -> Vec<Change>) -> i64 {
        let mut epoch = self.epoch.lock().unwrap();
        *epoch += 1;
        self.model.apply(changes(*epoch), *epoch, 1, T0 + *epoch * 1000);
        *epoch
    }

    fn decide(&self, request: &Request) -> Verdict {
        let mut accepted = self.accepted.lock().unwrap();
        let (verdict, draft, changes) = self.judge(&accepted, request);
        if !verdict.accepted {
            return verdict;
        }
        *accepted = draft;
        drop(accepted);
        let epoch = self.commit(|_| changes);
        Verdict { epoch, ..verdict }
    }

    /// The verdict, the resources after it and what changes.
    fn judge(
        &self,
        accepted: &BTreeMap<String, Arc<Resource>>,
        request: &Request,
    ) -> (Verdict, BTreeMap<String, Arc<Resource>>, Vec<Change>) {
        let mut draft = accepted.clone();
        let mut items = Vec::new();
        let mut changes = Vec::new();
        let next = *self.epoch.lock().unwrap() + 1;
        for item in &request.items {
            match decide_item(&mut draft, item, request, next) {
                Ok((outcome, change)) => {
                    changes.extend(change);
                    items.push(verdict(item, outcome, "", 200));
                }
                Err((code, message)) => items.push(verdict(item, Outcome::Refused, &message, code)),
            }
        }
        let sound = items.iter().all(|item| item.outcome != Outcome::Refused);
        let reason = if sound { "accepted" } else { "refused" }.to_owned();
        (Verdict { accepted: sound, reason, epoch: next - 1, items }, draft, changes)
    }
}

type Refused = (u16, String);

fn decide_item(
    draft: &mut BTreeMap<String, Arc<Resource>>,
    item: &RequestItem,
    request: &Request,
    epoch: i64,
) -> Result<(Outcome, Option<Change>), Refused> {
    if item.subresource == "status" {
        return Err((422, "its status is the leader's to write".to_owned()));
    }
    let key = item.key();
    let text = key.to_string();
    let present = draft.get(&text).cloned();
    if let (Some(wanted), Some(present)) = (item.expected_version, &present)
        && wanted != present.version
    {
        return Err((409, "the object has been modified".to_owned()));
    }
    let missing = || (404, format!("{text} not found"));
    let old: Value =
        present.as_ref().map_or(Value::Null, |r| serde_json::from_str(&r.body).unwrap());
    let body: Value = serde_json::from_str(&item.body).unwrap_or_default();
    let mut new = old.clone();
    match item.verb {
        Verb::Create if present.is_some() => return Err((409, "it exists".to_owned())),
        Verb::Create => new = body,
        Verb::Apply => setpoint_patch::merge(&mut new, &body),
        Verb::Update => new = present.as_ref().map(|_| body).ok_or_else(missing)?,
        Verb::Delete if !old["metadata"]["finalizers"].is_null() => {
            let marked = present.as_deref().cloned().ok_or_else(missing)?;
            let marked = Arc::new(Resource { deleted_ms: Some(T0), version: epoch, ..marked });
            draft.insert(text, marked.clone());
            return Ok((Outcome::Deleted, Some(Change::Resource(key, Some(marked)))));
        }
        Verb::Delete => {
            draft.remove(&text).ok_or_else(missing)?;
            return Ok((Outcome::Deleted, Some(Change::Resource(key, None))));
        }
        Verb::MergePatch => setpoint_patch::merge(&mut new, &body),
        Verb::StrategicMergePatch => {
            setpoint_patch::strategic(&mut new, &body).map_err(|e| (422, e.to_string()))?
        }
        Verb::JsonPatch => {
            setpoint_patch::operations(&mut new, &body).map_err(|e| (422, e.to_string()))?
        }
        Verb::RolloutUndo | Verb::ConfirmLost | Verb::RestartPod => {
            return Ok((Outcome::Configured, None));
        }
    }
    let replicas = &new["spec"]["replicas"];
    let status = json!({"replicas": replicas, "readyReplicas": replicas});
    if new == old && item.subresource.is_empty() {
        return Ok((Outcome::Unchanged, None));
    }
    let resource = Arc::new(Resource {
        api_version: item.api_version.clone(),
        kind: item.kind.clone(),
        namespace: item.namespace.clone(),
        name: item.name.clone(),
        uid: present.as_ref().map_or(format!("uid-{epoch}-{}", item.name), |r| r.uid.clone()),
        generation: present.as_ref().map_or(1, |r| r.generation + 1),
        version: epoch,
        created_ms: present.as_ref().map_or(T0, |r| r.created_ms),
        body: new.to_string().into(),
        status: status.to_string().into(),
        managers: json!({request.field_manager.clone(): ["/metadata/name"]}).to_string().into(),
        history: "[]".into(),
        deleted_ms: None,
    });
    draft.insert(text, resource.clone());
    let outcome = if present.is_some() { Outcome::Configured } else { Outcome::Created };
    Ok((outcome, Some(Change::Resource(key, Some(resource)))))
}

fn verdict(item: &RequestItem, outcome: Outcome, message: &str, code: u16) -> ItemVerdict {
    ItemVerdict { key: item.key(), outcome, message: message.to_owned(), code }
}

impl Requests for Leader {
    fn submit(&self, request: Request) -> PortFuture<'_, Result<Verdict, SubmitError>> {
        self.log.lock().unwrap().push(serde_json::to_string(&request).unwrap());
        let verdict = self.decide(&request);
        Box::pin(async move { Ok(verdict) })
    }
    fn foresee(&self, request: Request) -> PortFuture<'_, Result<Foreseen, SubmitError>> {
        let (verdict, _, changes) = self.judge(&self.accepted.lock().unwrap(), &request);
        let resource = |change| match change {
            Change::Resource(_, resource) => resource,
            _ => None,
        };
        let resources = changes.into_iter().map(resource).collect();
        Box::pin(async move { Ok(Foreseen { verdict, resources }) })
    }
}

impl Observations for Leader {
    fn node(&self, record: NodeRecord) -> PortFuture<'_, Result<(), PortError>> {
        let name = record.node.clone();
        self.commit(|epoch| vec![Change::Node(name, Some(served(record, false, epoch)))]);
        Box::pin(async { Ok(()) })
    }
    fn lease(&self, lease: Lease) -> PortFuture<'_, Result<(), PortError>> {
        self.log.lock().unwrap().push(serde_json::to_string(&lease).unwrap());
        Box::pin(async { Ok(()) })
    }
    fn pods(&self, _: NodeName, report: NodeReport) -> PortFuture<'_, Result<(), PortError>> {
        let observed = report.observed.into_iter().map(|pod| Change::Pod(pod.into()));
        self.commit(|_| observed.collect());
        Box::pin(async { Ok(()) })
    }
    fn usage(
        &self,
        _: NodeName,
        samples: Vec<UsageSample>,
    ) -> PortFuture<'_, Result<(), PortError>> {
        self.log.lock().unwrap().push(serde_json::to_string(&samples).unwrap());
        Box::pin(async { Ok(()) })
    }
}

impl Gate for Leader {
    /// Refuses a field named `nonsense` in a spec and quotes a Secret's values, to see them hidden.
    fn check(&self, object: &Value, ignored: Ignored<'_>) -> Result<Gated, Vec<String>> {
        let allowed = match ignored {
            Ignored::Refused => false,
            Ignored::Allowed => true,
            Ignored::AsStored(stored) => !stored["spec"]["nonsense"].is_null(),
        };
        if object["spec"]["panic"] == true {
            panic!("the gate panics");
        }
        if !object["spec"]["nonsense"].is_null() && !allowed {
            return Err(vec!["spec.nonsense: it has no effect here".to_owned()]);
        }
        if object["kind"] == "Secret" && object["stringData"]["refused"].is_string() {
            return Err(vec![format!(
                "stringData.refused: bad value {}",
                object["stringData"]["refused"]
            )]);
        }
        let kept = object["kind"] == "Ingress";
        let standing = if kept { Standing::Kept } else { Standing::Managed };
        let warnings = kept.then(|| "it is kept without effect".to_owned()).into_iter().collect();
        Ok(Gated { standing, warnings })
    }
    fn kinds(&self) -> Vec<KindInfo> {
        vec![KindInfo {
            group: "networking.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "Ingress".to_owned(),
            plural: "ingresses".to_owned(),
            short_names: vec!["ing".to_owned()],
            namespaced: true,
            standing: Standing::Kept,
        }]
    }
}

impl Explain for Leader {
    fn explain(
        &self,
        kind: String,
        ns: String,
        name: String,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        let missing = name == "missing";
        let told = json!({"kind": kind, "namespace": ns, "name": name, "reason": "because"});
        let missed = || PortError::NotFound("nothing is known of it".to_owned());
        Box::pin(async move { if missing { Err(missed()) } else { Ok(told) } })
    }
    fn history(
        &self,
        _: &'static str,
        _: String,
        name: String,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move { Ok(json!({"name": name, "revisions": []})) })
    }
}

impl LogReads for Leader {
    fn log(
        &self,
        topic: String,
        partition: i32,
        from: i64,
        max: usize,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move {
            Ok(json!({"topic": topic, "partition": partition, "from": from, "max": max}))
        })
    }
    fn extent(&self) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move { Ok(json!({"partitions": []})) })
    }

    fn raw(
        &self,
        topic: String,
        partition: i32,
        from: i64,
        _: usize,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move {
            Ok(json!({"topic": topic, "partition": partition, "next": from, "records": []}))
        })
    }

    /// What was decided before all that is kept: the ledger of this leader holds one decision.
    fn ledger(
        &self,
        before: (i64, i32),
        _: usize,
        wanted: Wanted,
    ) -> PortFuture<'_, Result<Vec<Decision>, PortError>> {
        let old = Decision {
            epoch: 1,
            sequence: 0,
            pod: String::new(),
            reason: "long ago".to_owned(),
            ..setpoint_schemas::samples::decision()
        };
        let is_it = before > (1, 0) && wanted(&old);
        Box::pin(async move { Ok(is_it.then_some(old).into_iter().collect()) })
    }
    fn dead_letters(&self, limit: usize) -> PortFuture<'_, Result<Value, PortError>> {
        Box::pin(async move { Ok(json!({"limit": limit})) })
    }
    /// Letters of odd offsets cannot be read.
    fn replay(
        &self,
        topic: String,
        partition: i32,
        offset: i64,
    ) -> PortFuture<'_, Result<Value, PortError>> {
        let at = json!({"topic": topic, "partition": partition, "offset": offset});
        let odd = || PortError::Unprocessable("it still cannot be used".to_owned());
        Box::pin(async move { if offset % 2 == 1 { Err(odd()) } else { Ok(at) } })
    }
}

/// A server over a tiny leader; it closes when it is dropped.
pub(crate) struct Server {
    pub(crate) leader: Arc<Leader>,
    pub(crate) base: String,
    pub(crate) client: reqwest::Client,
    closing: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

pub(crate) async fn server() -> Server {
    server_with(None, None).await
}

pub(crate) async fn server_with(
    tls: Option<TlsFiles>,
    tokens: Option<std::path::PathBuf>,
) -> Server {
    server_for(CONNECTIONS, tls, tokens).await
}

/// The same with room for so many connections.
pub(crate) async fn server_for(
    connections: usize,
    tls: Option<TlsFiles>,
    tokens: Option<std::path::PathBuf>,
) -> Server {
    let leader = Leader::new();
    let closing = CancellationToken::new();
    let address = "127.0.0.1:0".parse().unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let options = ServeOptions { address, tls, tokens, connections };
    let (address, _) = serve(options, state(&leader), closing.clone()).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .unwrap();
    Server { leader, base: format!("{scheme}://{address}"), client, closing }
}

pub(crate) fn state(leader: &Arc<Leader>) -> ApiState {
    ApiState::new(Parts {
        fleet: FleetId::parse("test").unwrap(),
        model: leader.model.clone(),
        requests: leader.clone(),
        observations: leader.clone(),
        gate: leader.clone(),
        explain: leader.clone(),
        log: leader.clone(),
        sealer: Sealer::new(&[5; 32]),
        registry: prometheus::Registry::new(),
        lease_renew_ms: 1_500,
        version: "0.0.0".to_owned(),
    })
}

impl Server {
    /// Sends and answers (status, body as JSON or as text in a string).
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &str,
    ) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let call = self.client.request(method, format!("{}{path}", self.base));
        let call = call.header("content-type", kind).body(body.to_owned());
        let response = call.send().await.unwrap();
        let code = response.status().as_u16();
        let text = response.text().await.unwrap();
        (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "application/json", "").await
    }
    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, "application/json", &body.to_string()).await
    }
}

pub(crate) fn deployment(name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "busybox:1"}]},
            },
        },
    })
}

pub(crate) fn record(node: &str) -> NodeRecord {
    NodeRecord {
        node: NodeName::parse(node).unwrap(),
        session: SessionId::parse("s1").unwrap(),
        started_ms: T0,
        time_ms: T0,
        runtime: "process".to_owned(),
        runtime_version: "1".to_owned(),
        agent_version: "v0.1.0".to_owned(),
        address: "127.0.0.1".to_owned(),
        capacity: Resources {
            cpu_milli: 4000,
            memory_bytes: 8 << 30,
            pods: 110,
            ..Resources::default()
        },
        allocatable: Resources {
            cpu_milli: 3500,
            memory_bytes: 7 << 30,
            pods: 110,
            ..Resources::default()
        },
        labels: BTreeMap::from([("kubernetes.io/hostname".to_owned(), node.to_owned())]),
        conditions: vec![Condition {
            kind: "Ready".to_owned(),
            status: ConditionStatus::True,
            reason: "AgentReady".to_owned(),
            message: String::new(),
            transition_ms: T0,
        }],
        devices: Vec::new(),
    }
}

pub(crate) fn served(record: NodeRecord, lost: bool, epoch: i64) -> Arc<NodeServed> {
    let requested = Resources { cpu_milli: 100, pods: 1, ..Resources::default() };
    Arc::new(NodeServed {
        record: Arc::new(record),
        lost,
        doubt: None,
        requested,
        devices: Vec::new(),
        last_epoch: epoch,
        lease: None,
    })
}

/// A pod of the Deployment `web` in `default`.
pub(crate) fn placement(uid: &str, node: &str, epoch: i64) -> Arc<Placement> {
    let spec = json!({"containers": [{"name": "main", "image": "busybox:1",
        "envFrom": [{"secretRef": {"name": "mounted"}}]}]});
    let pattern = Pattern {
        namespace: Namespace::parse("default").unwrap(),
        workload: "apps/Deployment/default/web".into(),
        revision: "r1".into(),
        labels: Arc::new(BTreeMap::from([("app".to_owned(), "web".to_owned())])),
        annotations: BTreeMap::new(),
        spec: spec.to_string().into(),
    };
    Arc::new(Placement {
        uid: PodUid::parse(uid).unwrap(),
        node: NodeName::parse(node).unwrap(),
        name: ResourceName::parse(uid).unwrap(),
        pattern: Arc::new(pattern),
        generation: 1,
        term: 1,
        epoch,
        placed_ms: T0,
        devices: Box::default(),
        at_most_one: false,
    })
}

pub(crate) fn observed(uid: &str, node: &str, ready: bool) -> PodObserved {
    PodObserved {
        uid: PodUid::parse(uid).unwrap(),
        node: NodeName::parse(node).unwrap(),
        session: SessionId::parse("s1").unwrap(),
        sequence: 1,
        time_ms: T0,
        namespace: Namespace::parse("default").unwrap(),
        name: ResourceName::parse(uid).unwrap(),
        generation: 1,
        phase: PodPhase::Running,
        ready,
        reason: String::new(),
        message: String::new(),
        address: "10.0.0.7".to_owned(),
        started_ms: T0,
        containers: vec![ContainerObserved {
            name: "main".to_owned(),
            id: "process://42".to_owned(),
            image: "busybox:1".to_owned(),
            state: ContainerState::Running,
            ready,
            restarts: 2,
            exit_code: None,
            reason: String::new(),
            message: String::new(),
            started_ms: T0,
            finished_ms: 0,
            started: true,
            last: None,
        }],
    }
}

/// One node, the Deployment `web`, and its pod `web-1` that runs.
pub(crate) async fn furnish(server: &Server) {
    let (code, _) =
        server.post("/apis/apps/v1/namespaces/default/deployments", deployment("web", 2)).await;
    assert_eq!(code, 201);
    server.leader.commit(|epoch| {
        let placed = placement("web-1", "n1", epoch);
        vec![
            Change::Node(NodeName::parse("n1").unwrap(), Some(served(record("n1"), false, epoch))),
            Change::Placement(placed.uid.clone(), Some(placed)),
            Change::Pod(observed("web-1", "n1", true).into()),
        ]
    });
}
