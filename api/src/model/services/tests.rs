//! Endpoints as they follow from Services, placements and observations, case by case.

use serde_json::json;
use setpoint_schemas::{
    NodeRecord, Observation, Pattern, PodObserved, PodPhase, Resources, samples,
};

use super::super::inner::Inner;
use super::super::{Change, NodeServed};
use super::*;

const POD_SPEC: &str = r#"{"hostname": "a", "subdomain": "web", "containers": [
    {"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]}"#;

/// A model that is ready, as of some epoch.
struct Model {
    inner: Inner,
    epoch: i64,
}

impl Model {
    fn new() -> Self {
        let mut inner = Inner::default();
        inner.set_ready(true);
        Model { inner, epoch: 0 }
    }

    fn apply(&mut self, change: Change) {
        self.epoch += 1;
        self.inner.apply(vec![change], self.epoch, 1, self.epoch);
    }

    fn service(&mut self, name: &str, spec: Option<&Value>) {
        let key = ResourceKey::new(GroupKind::new("", "Service"), "default", name);
        let resource = spec.map(|spec| {
            Arc::new(Resource {
                api_version: "v1".to_owned(),
                kind: "Service".to_owned(),
                name: name.to_owned(),
                body: Arc::from(json!({"spec": spec}).to_string()),
                ..samples::desired()
            })
        });
        self.apply(Change::Resource(key, resource));
    }

    fn place(&mut self, pod: &str, app: &str) {
        let mut placement = samples::placement_of(pod, POD_SPEC);
        let labels = BTreeMap::from([("app".to_owned(), app.to_owned())]);
        let pattern = Pattern { labels: Arc::new(labels), ..(*placement.pattern).clone() };
        placement.pattern = Arc::new(pattern);
        self.apply(Change::Placement(placement.uid.clone(), Some(Arc::new(placement))));
    }

    fn withdraw(&mut self, pod: &str) {
        self.apply(Change::Placement(uid(pod), None));
    }

    fn observe(&mut self, pod: &str, phase: PodPhase, ready: bool) {
        let observed = PodObserved {
            uid: uid(pod),
            name: pod.parse().expect("a name"),
            phase,
            ready,
            ..samples::pod_observed()
        };
        self.apply(Change::Pod(Observation::of(&observed)));
    }

    fn node(&mut self, lost: bool, ferry: Option<&str>) {
        let mut record = NodeRecord { ..samples::node() };
        if let Some(port) = ferry {
            record.labels.insert(setpoint_schemas::FERRY_LABEL.to_owned(), port.to_owned());
        }
        let name = record.node.clone();
        let served = NodeServed {
            record: Arc::new(record),
            lost,
            doubt: None,
            requested: Resources::default(),
            devices: Vec::new(),
            last_epoch: self.epoch,
            lease: None,
        };
        self.apply(Change::Node(name, Some(Arc::new(served))));
    }

    /// The endpoints of all slices: pod and port, and what holds of `r`eady, `s`erving, `t`erminating.
    fn endpoints(&self) -> Vec<String> {
        let slices = self.inner.services.slices.values();
        let of_slice = |slice: &Arc<Slice>| {
            let ports: Vec<u16> = slice.ports.iter().map(|port| port.port).collect();
            let line = |endpoint: &Endpoint| {
                let flags = [endpoint.ready, endpoint.serving, endpoint.terminating];
                let flags = "rst".chars().zip(flags).filter(|(_, is)| *is);
                let flags: String = flags.map(|(flag, _)| flag).collect();
                format!("{}/{}:{ports:?} {flags}", slice.service, endpoint.pod)
            };
            slice.endpoints.values().map(line).collect::<Vec<_>>()
        };
        slices.flat_map(of_slice).collect()
    }
}

fn uid(text: &str) -> PodUid {
    PodUid::parse(text).expect("a uid")
}

fn selects(app: &str) -> Value {
    json!({"selector": {"app": app}, "ports": [{"port": 80, "targetPort": 8080}]})
}

#[test]
fn an_endpoint_follows_what_is_known_of_its_pod() {
    let mut model = Model::new();
    model.service("web", Some(&selects("web")));
    model.place("a", "web");
    assert_eq!(model.endpoints(), [""; 0], "nobody has seen it run");
    model.observe("a", PodPhase::Running, false);
    assert_eq!(model.endpoints(), ["web/a:[8080] "]);
    model.observe("a", PodPhase::Running, true);
    assert_eq!(model.endpoints(), ["web/a:[8080] rs"]);
    model.node(true, None);
    assert_eq!(model.endpoints(), ["web/a:[8080] "], "its node is lost");
    model.node(false, None);
    assert_eq!(model.endpoints(), ["web/a:[8080] rs"]);
    model.withdraw("a");
    assert_eq!(model.endpoints(), ["web/a:[8080] st"]);
    model.observe("a", PodPhase::Gone, false);
    assert_eq!(model.endpoints(), [""; 0]);
}

#[test]
fn a_pod_with_other_labels_is_an_endpoint_of_who_selects_these() {
    let mut model = Model::new();
    model.service("web", Some(&selects("web")));
    model.service("other", Some(&selects("other")));
    model.place("a", "web");
    model.observe("a", PodPhase::Running, true);
    assert_eq!(model.endpoints(), ["web/a:[8080] rs"]);
    model.place("a", "other");
    assert_eq!(model.endpoints(), ["other/a:[8080] rs"]);
    model.place("a", "nobody's");
    assert_eq!(model.endpoints(), [""; 0]);
    model.place("a", "web");
    assert_eq!(model.endpoints(), ["web/a:[8080] rs"]);
}

#[test]
fn what_comes_first_makes_no_difference_and_what_is_not_selected_is_no_endpoint() {
    let mut model = Model::new();
    for (pod, app) in [("a", "web"), ("b", "web"), ("c", "db")] {
        model.place(pod, app);
        model.observe(pod, PodPhase::Running, true);
    }
    model.service("web", Some(&selects("web")));
    assert_eq!(model.endpoints(), ["web/a:[8080] rs", "web/b:[8080] rs"]);
    model.service("web", Some(&selects("db")));
    assert_eq!(model.endpoints(), ["web/c:[8080] rs"]);
    model.service("all", Some(&selects("web")));
    assert_eq!(model.endpoints().len(), 3);
    model.observe("b", PodPhase::Failed, false);
    assert_eq!(model.endpoints(), ["all/a:[8080] rs", "web/c:[8080] rs"]);
    model.service("all", None);
    model.service("web", Some(&json!({"ports": [{"port": 80}]})));
    assert_eq!(model.endpoints(), [""; 0], "who selects nobody has nobody");
}

#[test]
fn ports_are_found_by_name_and_names_below_a_headless_service() {
    let mut model = Model::new();
    model.place("a", "web");
    model.observe("a", PodPhase::Running, false);
    let named = json!({"selector": {"app": "web"}, "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "ports": [{"name": "h", "port": 80, "targetPort": "http"},
            {"name": "x", "port": 81, "targetPort": "absent"}]});
    model.service("web", Some(&named));
    assert_eq!(model.endpoints(), ["web/a:[8080] r"], "and unready ones are published");
    let slices = model.inner.services.slices.values();
    let names: Vec<_> =
        slices.flat_map(|s| s.endpoints.values().map(|e| e.hostname.clone())).collect();
    assert_eq!(names, [Some(Arc::from("a"))]);
}

#[test]
fn who_watches_slices_hears_what_changed_and_nothing_else() {
    let mut model = Model::new();
    model.place("a", "web");
    model.observe("a", PodPhase::Running, true);
    model.service("web", Some(&selects("web")));
    let kind = slice_kind();
    let from = model.inner.ring(&kind).after(model.epoch).expect("nothing is missing");
    model.observe("a", PodPhase::Running, true);
    model.node(false, Some("7946"));
    model.observe("a", PodPhase::Running, false);
    model.service("web", None);
    let events = model.inner.ring(&kind).read(from, usize::MAX).expect("nothing is lost");
    let told: Vec<(i64, Option<String>)> = events
        .iter()
        .map(|event| {
            let after = event.after.as_ref().map(crate::render::object);
            (event.epoch, after.map(|slice| slice["endpoints"][0].to_string()))
        })
        .collect();
    assert_eq!(told.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [5, 6, 7]);
    assert!(told[0].1.as_ref().is_some_and(|one| one.contains(r#""ferry":"192.0.2.7:7946""#)));
    assert!(told[1].1.as_ref().is_some_and(|one| one.contains(r#""ready":false"#)));
    assert_eq!(told[2].1, None);
}
