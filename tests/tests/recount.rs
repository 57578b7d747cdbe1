//! The recount finds what it is for: each of its filters refuses what it should, and nothing else.

#![allow(clippy::unwrap_used, reason = "tests may, helpers of tests too")]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_dataflow::{Decided, Epoch, NodeServed, Outcome, PlacementChange, Served};
use setpoint_schemas::{
    Action, Decision, GroupKind, Input, NodeName, Pattern, Placement, PodUid, Policy, Position,
    Resource, ResourceKey, ResourceName, SessionId, Sourced, Topic, samples,
};
use setpoint_tests::manifests;
use setpoint_tests::recount::Recount;

/// Nodes `a` and `b` of a core each, in the zones north and south, with what is placed on them.
#[derive(Default)]
struct Fleet {
    placed: Vec<(&'static str, &'static str, Value)>,
    /// The spec of the resource of node `a`.
    node: Value,
    lost: bool,
}

impl Fleet {
    fn with(mut self, on: &'static str, app: &'static str, spec: Value) -> Fleet {
        self.placed.push((on, app, spec));
        self
    }

    /// What the recount says to a pod of the application `web` that is placed on `a`.
    fn why(&self, spec: Value) -> Option<String> {
        let mut recount = Recount::new(Policy::default());
        let mut number = 0;
        let mut commit = |inputs, mut outcome: Outcome| {
            number += 1;
            let time_ms = 1_000_000 * number;
            (outcome.number, outcome.time_ms) = (number, time_ms);
            let epoch = Epoch { number, time_ms, complete: true, inputs, ..Epoch::default() };
            recount.committed(&epoch, &outcome)
        };
        commit(vec![joins("a", "north"), joins("b", "south")], self.nodes()).expect("two nodes");
        for (number, (on, app, spec)) in self.placed.iter().enumerate() {
            commit(Vec::new(), placement(number, on, app, spec)).expect("what is there fits");
        }
        commit(Vec::new(), placement(self.placed.len(), "a", "web", &spec)).err()
    }

    fn nodes(&self) -> Outcome {
        let key = ResourceKey::new(GroupKind::new("", "Node"), "", "a");
        let body = json!({"metadata": {"name": "a"}, "spec": self.node});
        let (kind, name) = ("Node".to_owned(), "a".to_owned());
        let body = Arc::from(body.to_string());
        let resource = Resource { kind, name, body, ..samples::desired() };
        let mut outcome = Outcome::default();
        outcome.resources.push((key, Some(Arc::new(resource))));
        if self.lost {
            let record = manifests::node(&node("a"), &session(), 1_000);
            let requested = setpoint_schemas::Resources::default();
            let record = Arc::new(record);
            let served = NodeServed {
                record,
                lost: true,
                doubt: None,
                requested,
                devices: vec![],
                lease: None,
            };
            outcome.served.push(Served::Node(node("a"), Some(Arc::new(served))));
        }
        outcome
    }

    fn refuses(&self, spec: Value, expected: &str) {
        let why = self.why(spec).unwrap_or_default();
        assert!(why.contains(expected), "{why:?} is not about {expected:?}");
    }
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

fn session() -> SessionId {
    SessionId::parse("s1").unwrap()
}

fn joins(name: &str, zone: &str) -> Sourced {
    let mut record = manifests::node(&node(name), &session(), 1_000);
    record.labels.insert("zone".to_owned(), zone.to_owned());
    let position = Position { topic: Topic::Nodes, partition: 0, offset: 0 };
    Sourced { position, input: Input::Node(Box::new(record)) }
}

/// A pod of this application is placed.
fn placement(number: usize, on: &str, app: &str, spec: &Value) -> Outcome {
    let uid = PodUid::parse(&format!("00000000-0000-8000-8000-{number:012}")).unwrap();
    let pattern = Pattern {
        labels: Arc::new(BTreeMap::from([("app".to_owned(), app.to_owned())])),
        spec: spec.to_string().into(),
        ..samples::pattern()
    };
    let placement = Placement {
        uid: uid.clone(),
        node: node(on),
        name: ResourceName::parse(app).unwrap(),
        pattern: Arc::new(pattern),
        devices: Box::default(),
        ..samples::placement()
    };
    let placement = Some(Arc::new(placement));
    let change = PlacementChange { uid, node: node(on), placement };
    Outcome { placements: vec![change], ..Outcome::default() }
}

/// A pod spec that asks for `cpu` thousandths of a core, and for the rest.
fn asks(cpu: i64, rest: &Value) -> Value {
    let requests = json!({"cpu": format!("{cpu}m")});
    let mut spec = json!({"containers": [{"name": "main", "resources": {"requests": requests}}]});
    for (key, value) in rest.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

fn plain(cpu: i64) -> Value {
    asks(cpu, &json!({}))
}

fn near(app: &str) -> Value {
    json!({"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": "zone"},
    ]})
}

#[test]
fn a_node_that_is_free_takes_a_plain_pod() {
    assert_eq!(Fleet::default().why(plain(1_000)), None);
}

#[test]
fn what_the_node_is_refuses() {
    Fleet { lost: true, ..Fleet::default() }.refuses(plain(1), "not ready");
    let cordoned = Fleet { node: json!({"unschedulable": true}), ..Fleet::default() };
    cordoned.refuses(plain(1), "cordoned");
    let taints = json!({"taints": [{"key": "only", "value": "x", "effect": "NoSchedule"}]});
    let tainted = Fleet { node: taints, ..Fleet::default() };
    tainted.refuses(plain(1), "tainted");
    let bears = json!({"tolerations": [{"key": "only", "operator": "Exists"}]});
    assert_eq!(tainted.why(asks(1, &bears)), None);
}

#[test]
fn what_the_pod_wants_of_a_node_refuses() {
    let free = Fleet::default();
    free.refuses(asks(1, &json!({"nodeSelector": {"zone": "south"}})), "selector");
    let wants = |operator: &str| {
        let expression = json!({"key": "zone", "operator": operator, "values": ["north"]});
        let terms = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": terms});
        asks(1, &json!({"affinity": {"nodeAffinity": required}}))
    };
    free.refuses(wants("NotIn"), "affinity");
    assert_eq!(free.why(wants("In")), None);
}

#[test]
fn what_is_taken_refuses() {
    let port = |number: i64| {
        let mut spec = plain(600);
        spec["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": number}]);
        spec
    };
    let busy = Fleet::default().with("a", "db", port(8080));
    busy.refuses(port(8080), "port");
    busy.refuses(port(9090), "cpu");
    assert_eq!(busy.why(plain(400)), None);
}

#[test]
fn neighbours_refuse() {
    let wants = |kind: &str, app: &str| asks(1, &json!({"affinity": {kind: near(app)}}));
    let empty = Fleet::default();
    empty.refuses(wants("podAffinity", "db"), "nobody that it wants is near");
    assert_eq!(empty.why(wants("podAffinity", "web")), None, "the first of its own kind");
    let with_db = Fleet::default().with("a", "db", plain(1));
    assert_eq!(with_db.why(wants("podAffinity", "db")), None);
    with_db.refuses(wants("podAntiAffinity", "db"), "one that it does not want is near");
    let with_shy = Fleet::default().with("a", "shy", wants("podAntiAffinity", "web"));
    with_shy.refuses(plain(1), "one that does not want it is near");
}

#[test]
fn an_uneven_spread_refuses() {
    let even = asks(
        1,
        &json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}}}]}),
    );
    assert_eq!(Fleet::default().why(even.clone()), None);
    let one = Fleet::default().with("a", "web", plain(1));
    one.refuses(even.clone(), "uneven");
    assert_eq!(one.with("b", "web", plain(1)).why(even), None);
}

#[test]
fn more_starts_than_the_pacing_grants_are_found() {
    let policy = Policy { starts_per_second: 1, starts_burst: 1, ..Policy::default() };
    let mut recount = Recount::new(policy);
    let inputs = vec![joins("a", "north")];
    let mut outcome = placement(1, "a", "web", &plain(1));
    outcome.placements.extend(placement(2, "a", "web", &plain(1)).placements);
    let epoch = Epoch { number: 1, time_ms: 1_000_000, inputs, ..Epoch::default() };
    let why = recount.committed(&epoch, &outcome).unwrap_err();
    assert!(why.contains("more than the pacing grants"), "{why}");
}

#[test]
fn a_pod_that_leaves_for_a_taint_that_it_bears_is_found() {
    let stopped_with = |seconds: Value| {
        let taint =
            json!({"key": "out", "effect": "NoExecute", "timeAdded": "1970-01-01T00:00:00Z"});
        let fleet = Fleet { node: json!({"taints": [taint]}), ..Fleet::default() };
        let mut recount = Recount::new(Policy::default());
        let mut commit = |number: i64, inputs, outcome: Outcome| {
            let epoch = Epoch { number, time_ms: 1_000 * number, inputs, ..Epoch::default() };
            recount.committed(&epoch, &outcome)
        };
        commit(1, vec![joins("a", "north")], fleet.nodes()).expect("a node");
        let bears = json!({"key": "out", "operator": "Exists", "tolerationSeconds": seconds});
        let mut placed = placement(1, "a", "web", &asks(1, &json!({"tolerations": [bears]})));
        let placement = placed.placements[0].placement.as_mut().map(Arc::make_mut).expect("placed");
        placement.placed_ms = 2_000;
        let uid = placement.uid.clone();
        commit(2, Vec::new(), placed).expect("what is there fits");
        let rule = "taint".to_owned();
        let pod = uid.to_string();
        let stop = Decision { action: Action::Stop, rule, pod, ..samples::decision() };
        let gone = PlacementChange { uid, node: node("a"), placement: None };
        let (placements, decisions) = (vec![gone], vec![Decided::from(stop)]);
        commit(7, Vec::new(), Outcome { placements, decisions, ..Outcome::default() })
    };
    assert_eq!(stopped_with(json!(5)), Ok(()));
    for seconds in [json!(6), Value::Null] {
        let why = stopped_with(seconds).unwrap_err();
        assert!(why.contains("leaves a for a taint"), "{why}");
    }
}

#[test]
fn of_a_leader_that_began_anew_placements_and_pacing_are_still_judged() {
    let policy = Policy { starts_per_second: 1, starts_burst: 5, ..Policy::default() };
    let after = |starts_max: i64, outcome: &Outcome| {
        let mut recount = Recount::new(policy.clone());
        let Input::Node(record) = joins("a", "north").input else { unreachable!("it is one") };
        let requested = record.allocatable.clone();
        let (record, devices) = (Arc::from(record), Vec::new());
        let (doubt, lease) = (None, None);
        let node = NodeServed { record, lost: false, doubt, requested, devices, lease };
        let served = vec![Served::Node(self::node("a"), Some(Arc::new(node)))];
        recount
            .begin_anew(&Outcome { time_ms: 1_000_000, served, ..Outcome::default() }, starts_max);
        let epoch = Epoch { number: 9, time_ms: 1_000_000, ..Epoch::default() };
        recount.committed_anew(&epoch, outcome).err().unwrap_or_default()
    };
    let fits = placement(1, "a", "web", &plain(1));
    assert_eq!(after(1, &fits), "");
    let why = after(0, &fits);
    assert!(why.contains("more than the pacing grants"), "{why}");
    let large = after(1, &placement(1, "a", "web", &plain(2_000)));
    assert!(large.contains("is placed on a, but"), "{large}");
    let nowhere = after(1, &placement(1, "b", "web", &plain(1)));
    assert!(nowhere.contains("is placed on no node"), "{nowhere}");
}

/// An object as the leader holds it.
fn held(object: &Value, status: &Value) -> (ResourceKey, Option<Arc<Resource>>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let resource = Resource {
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        body: Arc::from(object.to_string()),
        status: Arc::from(status.to_string()),
        ..samples::desired()
    };
    (resource.key(), Some(Arc::new(resource)))
}

#[test]
fn claims_that_sets_make_beyond_their_bounds_are_found() {
    let claims = |names: &[&str], made_for: &str| -> Vec<_> {
        let status = json!({"phase": "Pending", "madeFor": made_for});
        let claim = |name: &&str| manifests::claim("default", name, "ReadWriteOnce");
        names.iter().map(|name| held(&claim(name), &status)).collect()
    };
    let after = |bound: &Value, claims| {
        let mut recount = Recount::new(Policy::default());
        let mut commit = |number: i64, resources| {
            let epoch = Epoch { number, time_ms: 1_000 * number, ..Epoch::default() };
            recount.committed(&epoch, &Outcome { resources, ..Outcome::default() })
        };
        commit(1, vec![held(bound, &json!({}))]).expect("a bound");
        commit(2, claims).err().unwrap_or_default()
    };
    let one = manifests::quota(&json!({"persistentvolumeclaims": "1", "requests.storage": "1Gi"}));
    assert_eq!(after(&one, claims(&["data-db-0"], "db")), "");
    let why = after(&one, claims(&["data-db-0", "data-db-1"], "db"));
    assert!(why.contains("persistentvolumeclaims of default is"), "{why}");
    let small = manifests::quota(&json!({"requests.storage": "1500Mi"}));
    let why = after(&small, claims(&["data-db-0", "data-db-1"], "db"));
    assert!(why.contains("requests.storage of default is"), "{why}");
    let people_ask = claims(&["data-db-0", "data-db-1"], "");
    assert_eq!(after(&one, people_ask), "", "people are answered with their requests");
    let limit = json!([{"type": "PersistentVolumeClaim", "max": {"storage": "512Mi"}}]);
    let why = after(&manifests::limit_range("limits", &limit), claims(&["data-db-0"], "db"));
    assert!(why.contains("larger than a LimitRange lets it be"), "{why}");
}
