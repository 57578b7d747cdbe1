use expect_test::expect;
use serde_json::{Value, json};

use crate::failure::Ended;
use crate::verbs::tests::{Fake, pod, run};

const PODS: &str = "GET /api/v1/namespaces/default/pods";

/// Pods with these names, ages and nodes, as a list of version 7.
fn pods(of: &[(&str, &str, &str)]) -> Value {
    let one = |(name, created, node): &(&str, &str, &str)| {
        let mut one = pod(name, node, "ReplicaSet");
        one["metadata"]["creationTimestamp"] = json!(created);
        one["metadata"]["resourceVersion"] = json!("7");
        one
    };
    let items: Vec<Value> = of.iter().map(one).collect();
    json!({"metadata": {"resourceVersion": "7"}, "items": items})
}

async fn printed(fake: &Fake, line: &str) -> String {
    let (ended, printed) = run(&fake.start().await, line).await;
    assert_eq!(ended, Ok(Ended::Well), "{line}");
    printed
}

#[tokio::test]
async fn a_template_is_filled_with_a_list_or_with_the_one_object_that_was_named() {
    let three = [
        ("web-10", "2026-01-02T00:00:00Z", "n1"),
        ("web-9", "2026-01-03T00:00:00Z", "n2"),
        ("db", "2026-01-01T00:00:00Z", "n1"),
    ];
    let fake = Fake::default().answer(PODS, 200, pods(&three)).answer(
        &format!("{PODS}/db"),
        200,
        pods(&three[2..])["items"][0].clone(),
    );
    for (line, text) in [
        ("get pods -o jsonpath={.items[*].metadata.name}", "web-10 web-9 db"),
        (
            r#"get pods -o jsonpath={range.items[*]}{.metadata.name}{"\n"}{end}"#,
            "web-10\nweb-9\ndb\n",
        ),
        ("get pod db -o jsonpath={.spec.nodeName}", "n1"),
        ("get pod/db -o=jsonpath={.status.phase}", "Running"),
        ("get pods -o jsonpath={.items[0].kind}", "Pod"),
        ("get pod db -o jsonpath={.spec.none}", ""),
        ("get pods --sort-by .metadata.name -o name", "pod/db\npod/web-9\npod/web-10\n"),
        (
            "get pods --sort-by={.metadata.creationTimestamp} -o jsonpath={.items[*].metadata.name}",
            "db web-10 web-9",
        ),
        (
            "get pods -o custom-columns=NAME:.metadata.name,NODE:{.spec.nodeName} --no-headers",
            "web-10   n1\nweb-9    n2\ndb       n1\n",
        ),
    ] {
        assert_eq!(printed(&fake, line).await, text, "{line}");
    }
    let columns = "custom-columns=NAME:.metadata.name,IP:.status.podIP";
    let line = format!("get pods --sort-by metadata.name -o {columns}");
    expect![[r#"
        NAME     IP
        db       <none>
        web-9    <none>
        web-10   <none>
    "#]]
    .assert_eq(&printed(&fake, &line).await);
}

#[tokio::test]
async fn a_list_of_one_object_is_a_list_whatever_its_version() {
    let fake = Fake::default().answer(PODS, 200, pods(&[("web", "2026-01-01T00:00:00Z", "n1")]));
    let printed = printed(&fake, "get pods -o json").await;
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(printed["kind"], "List");
    assert_eq!(printed["items"][0]["metadata"]["name"], "web");
}

#[tokio::test]
async fn a_watch_fills_the_template_for_each_object() {
    let enough = json!({"code": 403, "message": "enough"});
    let c = json!({"metadata": {"name": "c", "resourceVersion": "8"}});
    let event = format!("{}\n", json!({"type": "ADDED", "object": c}));
    let two = [("a", "2026-01-01T00:00:00Z", "n1"), ("b", "2026-01-01T00:00:00Z", "n1")];
    let watch = |version: &str| format!("{PODS}?resourceVersion={version}&watch=true");
    for (form, text) in [
        (r#"jsonpath={.metadata.name}{"\n"}"#, "a\nb\nc\n"),
        ("name", "pod/a\npod/b\npod/c\n"),
        ("custom-columns=N:.metadata.name", "N\na\nb\nc\n"),
    ] {
        let fake = Fake::default()
            .answer(PODS, 200, pods(&two))
            .answer_text(&watch("7"), 200, event.clone())
            .answer(&watch("8"), 403, enough.clone());
        let (ended, printed) = run(&fake.start().await, &format!("get pods -w -o {form}")).await;
        assert!(ended.is_err(), "the second watch is forbidden");
        assert_eq!(printed, text, "{form}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_says_where_and_what_to_do() {
    let status = json!({"code": 400, "message": "field label not supported: spec.color"});
    let fake = Fake::default()
        .answer(PODS, 200, pods(&[("web", "2026-01-01T00:00:00Z", "n1")]))
        .answer(&format!("{PODS}?fieldSelector=spec.color%3Dred"), 400, status);
    let server = fake.start().await;
    for (line, code, why) in [
        ("get pods --sort-by .spec.none", 1, "no object here has this field"),
        ("get pods -o jsonpath={.items[4]}", 1, "index 4, length 1"),
        (
            "get pods -o jsonpath={.items[*].none} --allow-missing-template-keys=false",
            1,
            "none is not found",
        ),
        ("get pods -o jsonpath-file=nosuch", 2, "nosuch"),
        ("get pods --template={{.items}}", 2, "-o jsonpath="),
        ("get pods --field-selector spec.color=red", 1, "do:    `setpoint get --help`"),
    ] {
        let (ended, _) = run(&server, line).await;
        let failure = ended.expect_err(line);
        assert_eq!(failure.code(), code, "{line}");
        assert!(failure.to_string().contains(why), "{line}: {failure}");
    }
}
