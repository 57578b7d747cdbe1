//! What services wait for: from `depends_on` to the annotation that the engine reads, and what of it is
//! refused.

use serde_json::{Value, json};
use setpoint_ingest_manifest::{ComposeOptions, GateOptions, gate, read_project};

/// The objects of a project `shop`, or what is wrong with it.
fn project(services: &str) -> Result<Vec<Value>, Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("compose.yaml");
    std::fs::write(&file, services).expect("it is written");
    let options = ComposeOptions { project: Some("shop".into()), ..ComposeOptions::default() };
    let read = read_project(&file, &options);
    let told = |problem: setpoint_ingest_manifest::Problem| {
        let text = problem.to_string();
        text.split_once("document 1: ").map_or(text.clone(), |(_, rest)| rest.to_owned())
    };
    read.map(|project| project.objects).map_err(|problems| problems.into_iter().map(told).collect())
}

/// The workload of a service.
fn workload(objects: &[Value], name: &str) -> Value {
    let is_it = |object: &&Value| {
        object["metadata"]["name"] == *name && object["spec"]["template"].is_object()
    };
    objects.iter().find(is_it).expect("its workload").clone()
}

/// What a workload says that it depends on.
fn depends_on(workload: &Value) -> Value {
    let text = workload["metadata"]["annotations"]["setpoint.dev/depends-on"].as_str();
    text.map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"))
}

const SHOP: &str = "
services:
  db: {image: db}
  agent: {image: agent, deploy: {mode: global}}
  migrate: {image: migrate, depends_on: [db]}
  seed: {image: seed, restart: on-failure}
  extra: {image: extra, profiles: [more]}
  web:
    image: web
    depends_on:
      db: {condition: service_healthy, restart: true}
      agent: {condition: service_started}
      migrate: {condition: service_completed_successfully}
      seed: {condition: service_completed_successfully, required: false}
      extra: {condition: service_healthy, required: false}
";

#[test]
fn a_service_says_for_what_it_waits_and_what_is_waited_for_to_end_does() {
    let objects = project(SHOP).expect("it is right");
    let on = |kind: &str, name: &str, condition: &str, required: bool, restart: bool| {
        json!({"kind": kind, "name": name, "condition": condition, "required": required,
            "restart": restart})
    };
    let web = workload(&objects, "shop-web");
    let mut said = depends_on(&web).as_array().expect("a list").clone();
    said.sort_by_key(|one| one["name"].to_string());
    let expected = [
        on("DaemonSet", "shop-agent", "started", true, false),
        on("Deployment", "shop-db", "healthy", true, true),
        on("Deployment", "shop-migrate", "completed", true, false),
        on("Deployment", "shop-seed", "completed", false, false),
    ];
    assert_eq!(said, expected, "a service that is left out is not waited for");
    let migrate = workload(&objects, "shop-migrate");
    assert_eq!(depends_on(&migrate), json!([on("Deployment", "shop-db", "started", true, false)]));
    assert_eq!(depends_on(&workload(&objects, "shop-db")), Value::Null);
    for (name, policy) in
        [("shop-migrate", "Never"), ("shop-seed", "OnFailure"), ("shop-db", "Always")]
    {
        let workload = workload(&objects, name);
        assert_eq!(workload["spec"]["template"]["spec"]["restartPolicy"], json!(policy), "{name}");
    }
    for object in &objects {
        let judged = gate(object, &GateOptions::default());
        assert!(judged.is_ok(), "{judged:?}");
    }
}

#[test]
fn what_never_ends_is_not_waited_for_to_end_and_nobody_waits_in_a_circle() {
    let services = "
services:
  migrate: {image: migrate, restart: always}
  web: {image: web, depends_on: {migrate: {condition: service_completed_successfully}}}
";
    let why = "services.migrate.restart: starts it again whenever it ends, and web waits until it \
               has ended";
    assert_eq!(project(services), Err(vec![why.to_owned()]));
    let services = "
services:
  a: {image: a, depends_on: {b: {condition: service_healthy}}}
  b: {image: b, depends_on: [a]}
";
    let why = "services.a.depends_on: services wait for each other in a circle: a -> b -> a";
    assert_eq!(project(services), Err(vec![why.to_owned()]));
    let services = "
services:
  a: {image: a}
  b: {image: b, depends_on: {a: {condition: service_happy}}}
";
    let why = "services.b.depends_on.a.condition: is no condition";
    assert_eq!(project(services), Err(vec![why.to_owned()]));
}

#[test]
fn the_annotation_is_read_where_it_is_acted_upon_and_refused_elsewhere() {
    let object = |kind: &str, annotation: &str| {
        json!({"apiVersion": "apps/v1", "kind": kind,
            "metadata": {"name": "web", "annotations": {"setpoint.dev/depends-on": annotation}},
            "spec": {"serviceName": "web", "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "web"}]}}}})
    };
    let deployment = |annotation: &str| {
        let mut object = object("Deployment", annotation);
        object["spec"].as_object_mut().expect("a spec").remove("serviceName");
        gate(&object, &GateOptions::default())
    };
    let db = r#"[{"kind": "StatefulSet", "name": "db", "condition": "healthy"}]"#;
    assert!(deployment(db).is_ok());
    let own = r#"[{"kind": "Deployment", "name": "web", "condition": "healthy"}]"#;
    for (annotation, why) in
        [("db", "is no list of dependencies"), (own, "names the workload itself")]
    {
        let problems = deployment(annotation).expect_err("it is refused");
        let text = problems[0].to_string();
        assert!(text.contains("setpoint.dev/depends-on"), "{text}");
        assert!(text.contains(why), "{text}");
    }
    let problems = gate(&object("StatefulSet", db), &GateOptions::default());
    let problems = problems.expect_err("its pods wait for each other");
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let why = "is acted upon only in a Deployment";
    assert!(texts.iter().any(|text| text.contains(why)), "{texts:?}");
}
