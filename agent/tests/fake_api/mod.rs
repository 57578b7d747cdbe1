//! An API that answers agents as the real one does, and remembers what they said.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use setpoint_schemas::call::{Deed, NodeCall, NodeCalls};
use setpoint_schemas::{
    FleetId, Lease, NodeAnswer, NodeName, NodeRecord, NodeReport, NodeSnapshot, Placement,
    PlacementList, PodObserved, PodUid, RUNTIME_LABEL, UsageSample,
};
use tokio::sync::oneshot;

/// How long a test waits for what must happen: long for a machine that builds beside it.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The real one holds a poll for 20 s; a test wants to see several.
const POLL_HELD: Duration = Duration::from_millis(300);

/// An API in this process.
#[derive(Clone)]
pub(crate) struct FakeApi {
    url: String,
    state: Arc<Mutex<Seen>>,
}

/// What agents said, and what they are answered.
pub(crate) struct Seen {
    list: PlacementList,
    down: bool,
    hangs: bool,
    loses_polls: bool,
    unregistrable: bool,
    polls: usize,
    lease_renew_ms: i64,
    /// Whether lists tell which renewal was taken in.
    tells_leases: bool,
    config_maps: BTreeMap<String, Value>,
    /// Calls that wait for the node, and who waits for their connections.
    calls: Vec<NodeCall>,
    lines: BTreeMap<String, oneshot::Sender<WebSocket>>,
    /// Observations of a session that nobody knew.
    pub(crate) strangers: usize,
    pub(crate) node: Option<NodeRecord>,
    pub(crate) leases: usize,
    pub(crate) pods: BTreeMap<String, PodObserved>,
    pub(crate) snapshots: Vec<NodeSnapshot>,
    pub(crate) usage: Vec<UsageSample>,
}

impl Seen {
    pub(crate) fn snapshot_names(&self, uid: &str) -> bool {
        self.snapshots.last().is_some_and(|s| s.uids.iter().any(|u| *u == *uid))
    }

    fn register(&mut self, record: NodeRecord) {
        self.list.session = Some(record.session.clone());
        self.list.session_started_ms = record.started_ms;
        self.list.runtime_id = record.labels.get(RUNTIME_LABEL).cloned().unwrap_or_default();
        self.node = Some(record);
    }

    fn take(&mut self, pod: PodObserved) {
        if self.node.as_ref().map(|node| &node.session) != Some(&pod.session) {
            self.strangers += 1;
            return;
        }
        if let Some(known) = self.pods.get(&*pod.uid.text())
            && known.session == pod.session
        {
            assert!(pod.sequence >= known.sequence, "reports arrive in order");
        }
        self.pods.insert(pod.uid.to_string(), pod);
    }

    fn take_snapshot(&mut self, snapshot: NodeSnapshot) {
        if let Some(last) = self.snapshots.last()
            && last.session == snapshot.session
        {
            assert!(snapshot.sequence > last.sequence, "snapshots arrive in order");
        }
        self.snapshots.push(snapshot);
    }
}

impl FakeApi {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let list = PlacementList {
            fleet: FleetId::parse("ours").expect("valid"),
            node: NodeName::parse("node-1").expect("valid"),
            term: 0,
            epoch: 0,
            complete: true,
            session: None,
            session_started_ms: 0,
            runtime_id: String::new(),
            lease: None,
            placements: Vec::new(),
            ended: Vec::new(),
            volumes_leaving: Vec::new(),
        };
        let state = Arc::new(Mutex::new(Seen {
            list,
            down: false,
            hangs: false,
            loses_polls: false,
            unregistrable: false,
            polls: 0,
            lease_renew_ms: 0,
            tells_leases: true,
            config_maps: BTreeMap::new(),
            calls: Vec::new(),
            lines: BTreeMap::new(),
            strangers: 0,
            node: None,
            leases: 0,
            pods: BTreeMap::new(),
            snapshots: Vec::new(),
            usage: Vec::new(),
        }));
        let api = FakeApi { url, state };
        tokio::spawn(axum::serve(listener, api.router()).into_future());
        api
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers this complete list from now on.
    pub(crate) fn place(&self, term: i64, epoch: i64, placements: Vec<Placement>) {
        self.change_list(|list| {
            (list.term, list.epoch, list.placements) = (term, epoch, placements);
            (list.complete, list.fleet) = (true, FleetId::parse("ours").expect("valid"));
        });
    }

    pub(crate) fn change_list(&self, change: impl FnOnce(&mut PlacementList)) {
        change(&mut self.lock().list);
    }

    pub(crate) fn put_config_map(&self, name: &str, key: &str, value: &str) {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": name}, "data": {key: value}});
        self.lock().config_maps.insert(name.to_owned(), object);
    }

    /// From now on lists tell no renewal: as those of an engine that hears nothing of the node.
    pub(crate) fn grant_nothing(&self) {
        let mut seen = self.lock();
        (seen.tells_leases, seen.list.lease) = (false, None);
    }

    /// Answers 503 to everything, or no longer.
    pub(crate) fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Accepts calls and answers none, from now on.
    pub(crate) fn hang(&self) {
        self.lock().hangs = true;
    }

    /// Polls that wait and that come are never answered, as on a line that is cut; or no longer are those
    /// that come.
    pub(crate) fn lose_polls(&self, loses: bool) {
        self.lock().loses_polls = loses;
    }

    /// Answers 503 to registrations, or no longer.
    pub(crate) fn set_unregistrable(&self, unregistrable: bool) {
        self.lock().unregistrable = unregistrable;
    }

    /// Tells nodes that register to renew their leases so often.
    pub(crate) fn expect_leases_every(&self, ms: i64) {
        self.lock().lease_renew_ms = ms;
    }

    /// Another agent has the node, whose clock is far ahead.
    pub(crate) fn register_far_ahead(&self, started_ms: i64) {
        let record = NodeRecord { started_ms, ..setpoint_schemas::samples::node() };
        self.lock().register(record);
    }

    /// Forgets the node, as when it was removed.
    pub(crate) fn forget_node(&self) {
        let mut seen = self.lock();
        (seen.node, seen.list.session) = (None, None);
    }

    /// Forgets what was said of pods.
    pub(crate) fn forget(&self) {
        self.lock().pods.clear();
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.lock())
    }

    /// Calls a container of the node, and waits for the agent's connection.
    pub(crate) async fn call(&self, uid: &str, deed: Deed) -> WebSocket {
        let (open, opened) = oneshot::channel();
        let uid = PodUid::parse(uid).expect("valid");
        let id = format!("{uid}-{deed:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let call = NodeCall { id: id.clone(), uid, container: "main".to_owned(), deed };
        let mut seen = self.lock();
        seen.lines.insert(id, open);
        seen.calls.push(call);
        drop(seen);
        let opened = tokio::time::timeout(PATIENCE, opened).await;
        opened.expect("the agent takes the call").expect("it opens its end")
    }

    /// Waits until so many more polls were answered.
    pub(crate) async fn polled(&self, times: usize) {
        let polls = self.seen(|seen| seen.polls) + times;
        self.until("it polls", |seen| seen.polls > polls).await;
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let looks = PATIENCE.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            if self.seen(&holds) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("it never holds that {what}; pods: {:#?}", self.seen(|seen| seen.pods.clone()));
    }

    /// Waits until a pod was reported so.
    pub(crate) async fn reaches(
        &self,
        uid: &str,
        holds: impl Fn(&PodObserved) -> bool,
    ) -> PodObserved {
        self.until(uid, |seen| seen.pods.get(uid).is_some_and(&holds)).await;
        self.seen(|seen| seen.pods[uid].clone())
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn router(&self) -> Router {
        let node = "/setpoint/v1/nodes/{node}";
        Router::new()
            .route(node, put(register))
            .route(&format!("{node}/lease"), post(lease))
            .route(&format!("{node}/placements"), get(placements))
            .route(&format!("{node}/pods"), post(pods))
            .route(&format!("{node}/usage"), post(usage))
            .route(&format!("{node}/calls"), get(calls))
            .route(&format!("{node}/calls/{{id}}"), get(open))
            .route("/api/v1/namespaces/{ns}/configmaps/{name}", get(config_map))
            .layer(from_fn_with_state(self.clone(), outage))
            .with_state(self.clone())
    }
}

async fn outage(State(api): State<FakeApi>, request: Request, next: Next) -> Response {
    let response = answered(&api, request, next).await;
    if api.seen(|seen| seen.hangs) {
        std::future::pending::<()>().await;
    }
    response
}

async fn answered(api: &FakeApi, request: Request, next: Next) -> Response {
    if api.seen(|seen| seen.down) {
        return status(StatusCode::SERVICE_UNAVAILABLE, "down");
    }
    let told = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if told != Some("Bearer token-of-node-1") {
        return status(StatusCode::UNAUTHORIZED, "no token");
    }
    let response = next.run(request).await;
    // What was under way when the outage began is not answered either.
    if api.seen(|seen| seen.down) {
        status(StatusCode::SERVICE_UNAVAILABLE, "down")
    } else {
        response
    }
}

fn status(code: StatusCode, message: &str) -> Response {
    (code, Json(json!({"kind": "Status", "message": message}))).into_response()
}

async fn register(State(api): State<FakeApi>, Json(record): Json<NodeRecord>) -> Response {
    let mut seen = api.lock();
    if seen.unregistrable {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    // As the engine does: what comes from an earlier life is late, and changes nothing.
    let known = seen.node.as_ref().filter(|known| known.session != record.session);
    if known.is_none_or(|known| known.started_ms <= record.started_ms) {
        seen.register(record);
    }
    match seen.lease_renew_ms {
        // As earlier versions did.
        0 => StatusCode::NO_CONTENT.into_response(),
        lease_renew_ms => Json(NodeAnswer { lease_renew_ms }).into_response(),
    }
}

async fn lease(State(api): State<FakeApi>, Json(lease): Json<Lease>) -> StatusCode {
    let mut seen = api.lock();
    seen.leases += 1;
    if seen.tells_leases && seen.list.session.as_ref() == Some(&lease.session) {
        seen.list.lease = Some(lease.sequence);
    }
    StatusCode::NO_CONTENT
}

async fn placements(
    State(api): State<FakeApi>,
    Path(_): Path<String>,
    Query(query): Query<BTreeMap<String, i64>>,
) -> Json<PlacementList> {
    let asked = (query["term"], query["after"]);
    let held = tokio::time::Instant::now() + POLL_HELD;
    loop {
        if api.seen(|seen| seen.loses_polls) {
            std::future::pending::<()>().await;
        }
        let list = api.seen(|seen| seen.list.clone());
        if (list.term, list.epoch) != asked || tokio::time::Instant::now() >= held {
            api.lock().polls += 1;
            return Json(list);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn pods(State(api): State<FakeApi>, Json(report): Json<NodeReport>) -> StatusCode {
    let mut seen = api.lock();
    report.observed.into_iter().for_each(|pod| seen.take(pod));
    if let Some(snapshot) = report.snapshot {
        seen.take_snapshot(snapshot);
    }
    StatusCode::NO_CONTENT
}

async fn usage(State(api): State<FakeApi>, Json(samples): Json<Vec<UsageSample>>) -> StatusCode {
    api.lock().usage.extend(samples);
    StatusCode::NO_CONTENT
}

async fn calls(State(api): State<FakeApi>) -> Json<NodeCalls> {
    let held = tokio::time::Instant::now() + POLL_HELD;
    loop {
        let calls = std::mem::take(&mut api.lock().calls);
        if !calls.is_empty() || tokio::time::Instant::now() >= held {
            return Json(NodeCalls { calls });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn open(
    State(api): State<FakeApi>,
    Path((_, id)): Path<(String, String)>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let waits = api.lock().lines.remove(&id).expect("each call is opened once");
    upgrade.on_upgrade(async move |line| {
        assert!(waits.send(line).is_ok(), "somebody waits for it");
    })
}

async fn config_map(
    State(api): State<FakeApi>,
    Path((_, name)): Path<(String, String)>,
) -> Response {
    match api.seen(|seen| seen.config_maps.get(&name).cloned()) {
        Some(object) => Json(object).into_response(),
        None => status(StatusCode::NOT_FOUND, "configmaps not found"),
    }
}
