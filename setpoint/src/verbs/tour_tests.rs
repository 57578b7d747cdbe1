//! What happens to those who try things out: pods that come and go meanwhile, names that are mistyped, parts
//! that are missing.

use serde_json::{Value, json};

use crate::failure::Ended;
use crate::verbs::tests::{Fake, pod, run};

/// Where the pods of the namespace are.
const PODS: &str = "GET /api/v1/namespaces/default/pods";

fn refusal(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "code": code, "message": message})
}

#[tokio::test]
async fn logs_of_a_workload_leave_out_pods_that_are_gone_or_have_not_begun() {
    let [one, mut two, three] =
        ["web-1", "web-2", "web-3"].map(|name| pod(name, "n1", "Deployment"));
    two["status"] = json!({"phase": "Pending"});
    let waits = "container \"a\" in pod \"web-2\" is waiting to start: ContainerCreating";
    let fake = Fake::default()
        .answer(PODS, 200, json!({"items": [one, two, three]}))
        .answer(&format!("{PODS}/web-1/log"), 200, json!("hello"))
        .answer(&format!("{PODS}/web-2/log"), 400, refusal(400, waits))
        .answer(&format!("{PODS}/web-2"), 200, two.clone())
        .answer(&format!("{PODS}/web-3/log"), 404, refusal(404, "pods \"web-3\" not found"));
    let (ended, printed) = run(&fake.start().await, "logs deploy/x --prefix").await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), "[pod/web-1] \"hello\""));
    // Where there is nothing to read at all, that is no success.
    let fake = Fake::default()
        .answer(PODS, 200, json!({"items": [two]}))
        .answer(&format!("{PODS}/web-2/log"), 400, refusal(400, waits))
        .answer(&format!("{PODS}/web-2"), 200, two);
    let (ended, _) = run(&fake.start().await, "logs deploy/x").await;
    let shown = ended.expect_err("none has begun").to_string();
    assert!(shown.contains("no container of them runs yet"), "{shown}");
}

#[tokio::test]
async fn logs_are_read_of_the_pods_of_a_service_and_of_those_with_labels() {
    let service = json!({"metadata": {"name": "site"}, "spec": {"selector": {"app": "web"}}});
    let one = json!({"items": [pod("web-1", "n1", "Deployment")]});
    let fake = Fake::default()
        .answer("GET /api/v1/namespaces/default/services/site", 200, service)
        .answer(&format!("{PODS}?labelSelector=app%3Dweb"), 200, one)
        .answer(&format!("{PODS}/web-1/log"), 200, json!("hello"));
    let server = fake.start().await;
    for line in ["logs svc/site", "logs -l app=web"] {
        let (ended, printed) = run(&server, line).await;
        assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), "\"hello\""), "{line}");
    }
}

#[tokio::test]
async fn a_workload_that_was_taken_for_a_pod_is_named() {
    let deployment = "GET /apis/apps/v1/namespaces/default/deployments/web";
    let fake = Fake::default().answer(deployment, 200, json!({}));
    let (ended, _) = run(&fake.start().await, "logs web").await;
    let shown = ended.expect_err("no pod is called so").to_string();
    assert!(shown.contains("do:    no pod is called so; say deployment/web"), "{shown}");
}

#[tokio::test]
async fn a_delete_goes_on_behind_what_is_not_there() {
    let fake =
        Fake::default().answer("DELETE /api/v1/namespaces/default/configmaps/web", 200, json!({}));
    let server = fake.start().await;
    let (ended, printed) = run(&server, "delete cm nosuch web").await;
    assert_eq!(printed, "configmap/web deleted\n");
    let shown = ended.expect_err("one is not there").to_string();
    assert!(shown.starts_with("error: failed to delete configmap/nosuch\n"), "{shown}");
    let (ended, printed) = run(&server, "delete cm nosuch web none").await;
    assert_eq!(printed, "configmap/web deleted\n");
    let shown = ended.expect_err("two are not there").to_string();
    for part in
        ["failed to delete 2 of 3 objects", "where: configmap/nosuch", "where: configmap/none"]
    {
        assert!(shown.contains(part), "{shown}");
    }
    // What was only found by a look may have gone since.
    let pods = json!({"items": [pod("web-1", "n1", "ReplicaSet")]});
    let fake = Fake::default().answer(PODS, 200, pods);
    let (ended, printed) = run(&fake.start().await, "delete pod --all").await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), ""));
}

#[tokio::test]
async fn the_volumes_of_a_compose_file_stay_unless_they_are_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("compose.yaml");
    let text =
        "name: shop\nservices: {db: {image: a, volumes: [\"data:/d\"]}}\nvolumes: {data: {}}\n";
    std::fs::write(&file, text).expect("written");
    let fake = Fake::default();
    let server = fake.start().await;
    let asked = |fake: &Fake| {
        fake.asked().iter().filter(|call| call.contains("persistentvolumeclaims")).count()
    };
    let line = format!("delete --ignore-not-found -f {}", file.display());
    let (ended, printed) = run(&server, &line).await;
    assert_eq!(ended, Ok(Ended::Well));
    assert!(printed.contains(" kept with its data; --volumes deletes it too\n"), "{printed}");
    assert_eq!(asked(&fake), 0, "{:?}", fake.asked());
    let (ended, printed) = run(&server, &format!("{line} -v")).await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), ""));
    assert_eq!(asked(&fake), 1, "{:?}", fake.asked());
}

#[tokio::test]
async fn a_drain_deletes_what_nothing_replaces_only_where_it_is_told_to() {
    let mut bare = pod("bare", "n1", "");
    bare["metadata"]["ownerReferences"] = json!([]);
    let web = pod("web-1", "n1", "ReplicaSet");
    let path = "/api/v1/namespaces/default/pods/bare";
    let fake = Fake::default()
        .answer("PATCH /api/v1/nodes/n1?fieldManager=setpoint", 200, json!({}))
        .answer(
            "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1",
            200,
            json!({"items": [web, bare]}),
        );
    let (ended, printed) = run(&fake.start().await, "drain n1").await;
    assert_eq!(printed, "node/n1 cordoned\n", "no pod has gone");
    let shown = ended.expect_err("one has no workload").to_string();
    assert!(shown.contains("where: pod/bare in namespace default"), "{shown}");
    assert!(shown.contains("--force deletes these too"), "{shown}");
    // Its budget is asked all the same.
    let fake = Fake::default()
        .answer("PATCH /api/v1/nodes/n1?fieldManager=setpoint", 200, json!({}))
        .answer("GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200, json!({"items": [bare]}))
        .answer(&format!("POST {path}/eviction"), 201, json!({}))
        .answer(&format!("GET {path}"), 404, json!({"code": 404}));
    let (ended, printed) = run(&fake.start().await, "drain n1 --force").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert!(printed.contains("pod/bare deleted: nothing replaces it\n"), "{printed}");
}

#[tokio::test]
async fn a_kind_that_was_mistyped_or_does_not_scale_is_told_so() {
    let server = Fake::default().start().await;
    let (ended, _) = run(&server, "get podz").await;
    let failure = ended.expect_err("there is none");
    assert_eq!(failure.code(), 2);
    let shown = failure.to_string();
    assert!(shown.contains("do:    did you mean pods? `setpoint api-resources`"), "{shown}");
    let (ended, _) = run(&server, "scale job sum --replicas 2").await;
    let shown = ended.expect_err("it does not scale").to_string();
    assert!(shown.contains("a Job has no number of pods to set; a Deployment"), "{shown}");
}

#[tokio::test]
async fn an_undo_says_to_which_revision() {
    let web = "/setpoint/v1/namespaces/default/deployments/web";
    let rows = json!([{"revision": 1}, {"revision": 2, "failed": "no image"}, {"revision": 3}]);
    let fake = Fake::default()
        .answer(&format!("GET {web}/history"), 200, json!({"revisions": rows}))
        .answer(&format!("POST {web}/undo"), 200, json!({}));
    let (ended, printed) = run(&fake.start().await, "rollout undo deploy/web").await;
    let told = "deployment.apps/web rolled back to revision 1\n";
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), told));
}

#[tokio::test]
async fn a_history_shows_one_revision_and_which_is_late() {
    let template = json!({"spec": {"containers": [{"name": "a", "image": "web:2"}]}});
    let rows = json!([{"revision": 1, "healthy": true}, {"revision": 2, "template": template}]);
    let late = json!({"status": {"conditions": [
        {"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}});
    let fake = Fake::default()
        .answer(
            "GET /setpoint/v1/namespaces/default/deployments/web/history",
            200,
            json!({"revisions": rows}),
        )
        .answer("GET /apis/apps/v1/namespaces/default/deployments/web", 200, late);
    let server = fake.start().await;
    let (_, printed) = run(&server, "rollout history deploy/web").await;
    let rows: Vec<Vec<&str>> = printed.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[1][..2], ["1", "healthy"], "{printed}");
    assert_eq!(rows[2][..4], ["2", "past", "its", "deadline"], "{printed}");
    let (_, printed) = run(&server, "rollout history deploy/web --revision 2").await;
    assert!(printed.starts_with("revision 2, <none>\n"), "{printed}");
    assert!(printed.contains("web:2"), "{printed}");
    let (ended, _) = run(&server, "rollout history deploy/web --revision 9").await;
    assert!(ended.is_err(), "there is none");
}

#[tokio::test]
async fn an_update_that_fails_names_the_pods_that_keep_it() {
    let failed = json!([{"type": "Progressing", "reason": "ProgressDeadlineExceeded",
        "message": "Deployment \"x\" has timed out progressing."}]);
    let web = json!({"kind": "Deployment", "metadata": {"name": "x", "generation": 1},
        "status": {"observedGeneration": 1, "conditions": failed}});
    let mut one = pod("x-1", "n1", "Deployment");
    one["status"]["containerStatuses"] = json!([{"name": "a",
        "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}]);
    let fake = Fake::default()
        .answer("GET /apis/apps/v1/namespaces/default/deployments/x", 200, web)
        .answer(PODS, 200, json!({"items": [one]}));
    let (ended, _) = run(&fake.start().await, "rollout status deploy/x").await;
    let shown = ended.expect_err("it failed").to_string();
    for part in [
        "why:   Deployment \"x\" has timed out progressing.",
        "why:   pod/x-1: container a is ErrImagePull: no such image",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[tokio::test]
async fn objects_are_described_by_their_labels() {
    let pods =
        json!({"items": [pod("web-1", "n1", "Deployment"), pod("web-2", "n1", "Deployment")]});
    let none = json!({"decisions": []});
    let decisions = |pod: &str| format!("GET /setpoint/v1/decisions?pod=uid-{pod}&limit=10");
    let fake = Fake::default()
        .answer(&format!("{PODS}?labelSelector=app%3Dweb"), 200, pods)
        .answer(&decisions("web-1"), 200, none.clone())
        .answer(&decisions("web-2"), 200, none);
    let (ended, printed) = run(&fake.start().await, "describe pods -l app=web").await;
    assert_eq!(ended, Ok(Ended::Well));
    for name in ["web-1", "web-2"] {
        assert!(printed.contains(name), "{printed}");
    }
}

#[tokio::test]
async fn labels_are_set_and_a_value_that_is_there_is_kept() {
    let node = json!({"metadata": {"name": "n1", "labels": {"disk": "hdd"}}});
    let patch = "PATCH /api/v1/nodes/n1?fieldManager=setpoint";
    let fake =
        Fake::default().answer("GET /api/v1/nodes/n1", 200, node).answer(patch, 200, json!({}));
    let server = fake.start().await;
    let (ended, printed) = run(&server, "label node n1 zone=a old-").await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), "node/n1 labeled\n"));
    let asked = fake.asked();
    for part in [patch, r#"{"metadata":{"labels":{"#, r#""old":null"#, r#""zone":"a""#] {
        assert!(asked[1].contains(part), "{asked:?}");
    }
    let (ended, _) = run(&server, "label node n1 disk=ssd").await;
    let shown = ended.expect_err("it has another one").to_string();
    assert!(shown.contains("it is \"hdd\" already"), "{shown}");
    let (ended, printed) = run(&server, "annotate node n1 disk=ssd").await;
    assert_eq!((ended, printed.as_str()), (Ok(Ended::Well), "node/n1 annotated\n"));
}

#[tokio::test]
async fn kinds_are_listed_and_found_by_the_short_names_that_the_server_says() {
    let groups = json!({"groups": [{"preferredVersion": {"groupVersion": "example.com/v1"}}]});
    let resources = json!({"groupVersion": "example.com/v1", "resources": [
        {"name": "widgets", "kind": "Widget", "namespaced": true, "shortNames": ["wd"]},
        {"name": "widgets/status", "kind": "Widget", "namespaced": true}]});
    let fake = Fake::default()
        .answer("GET /apis", 200, groups)
        .answer("GET /apis/example.com/v1", 200, resources)
        .answer("GET /apis/example.com/v1/namespaces/default/widgets", 200, json!({"items": []}));
    let server = fake.start().await;
    let (ended, printed) = run(&server, "api-resources").await;
    assert_eq!(ended, Ok(Ended::Well));
    assert_eq!(
        printed,
        "NAME      SHORTNAMES   APIVERSION       NAMESPACED   KIND\n\
         widgets   wd           example.com/v1   true         Widget\n"
    );
    let (ended, _) = run(&server, "get wd -o name").await;
    assert_eq!(ended, Ok(Ended::Well));
}
