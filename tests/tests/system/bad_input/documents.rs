//! Documents and bodies that are not what they should be, through `setpoint apply` and raw HTTP.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use futures::stream;
use reqwest::Method;
use serde_json::{Value, json};

use super::{LEADS_WITHIN, still_works};
use crate::api::{Api, deployment};
use crate::house::{House, alone};

/// A refusal takes no longer, on a busy machine too; the 100 MB cases among them.
const REFUSED_WITHIN: Duration = Duration::from_secs(20);
const LARGE_BYTES: u64 = 100 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_document_is_refused_with_its_reason_and_the_loop_goes_on() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    let mut wrong = Vec::new();
    for (name, text, why) in documents() {
        fs::write(house.path.join(name), text).expect("the document is written");
        wrong.extend(wrong_by_apply(&house, &api, name, why));
    }
    let large = File::create(house.path.join("large.yaml")).expect("a file");
    large.set_len(LARGE_BYTES).expect("its length");
    wrong.extend(wrong_by_apply(&house, &api, "large.yaml", "bytes, the bound for one source"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(api.get("/apis/apps/v1/deployments").await.expect("a list")["items"], json!([]));
    still_works(&mut house, &api, "after-documents").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_call_is_answered_with_its_reason_and_the_loop_goes_on() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    still_works(&mut house, &api, "web").await;
    let mut wrong = Vec::new();
    for call in calls() {
        let Call { method, path, kind, body, status, why } = call;
        let shown: String = String::from_utf8_lossy(&body).chars().take(60).collect();
        let what = format!("{method} {path} ({kind}) {shown}");
        let began = Instant::now();
        let (found, answer) = api.call(method, path, kind, body).await.expect(&what);
        let is_right = found.as_u16() == status && answer.to_string().contains(why);
        if !is_right || began.elapsed() > REFUSED_WITHIN {
            let took = began.elapsed();
            wrong.push(format!(
                "{what}: not {status} with {why:?} but {found} in {took:?}: {answer}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    still_works(&mut house, &api, "after-calls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_bound_is_refused_with_the_bound_named_and_never_held() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    let path = "/setpoint/v1/apply";
    let length = usize::try_from(LARGE_BYTES).expect("it fits");
    let whole = api.call(Method::POST, path, "application/json", vec![b' '; length]).await;
    refused_as_too_large(whole, 1_048_576);
    let chunk = bytes_of(1 << 20);
    let chunks = stream::iter((0..LARGE_BYTES >> 20).map(move |_| Ok::<_, String>(chunk.clone())));
    let streamed = reqwest::Body::wrap_stream(chunks);
    refused_as_too_large(
        api.call(Method::POST, path, "application/json", streamed).await,
        1_048_576,
    );
    let report = "/setpoint/v1/nodes/node-1/pods";
    let whole = api.call(Method::POST, report, "application/json", vec![b' '; length]).await;
    refused_as_too_large(whole, 8_388_608);
    // Within the bound as a body and over it as a request: sealing lengthens a Secret's values.
    let data: serde_json::Map<String, Value> =
        (0..20_000).map(|n| (format!("k{n}"), json!("YQ=="))).collect();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "large"},
        "data": data});
    let body = json!({"items": [secret]}).to_string();
    assert!(body.len() < 1 << 20, "{} bytes", body.len());
    refused_as_too_large(api.call(Method::POST, path, "application/json", body).await, 1_048_576);
    still_works(&mut house, &api, "after-large").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_node_can_hold_waits_with_the_schedulers_sentence() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    still_works(&mut house, &api, "before").await;
    let mut greedy = deployment("greedy", 2);
    let resources = "/spec/template/spec/containers/0/resources";
    *greedy.pointer_mut(resources).expect("resources") = json!({
        "requests": {"cpu": "1000000", "memory": "900Pi", "example.com/gpu": "1"},
        "limits": {"example.com/gpu": "1"},
    });
    api.apply(&[greedy]).await.expect("it is accepted: nodes may come");
    let said = house
        .until("the reason is told", LEADS_WITHIN, async || {
            let pods = api.get("/api/v1/pods").await?;
            let of_it = |pod: &&Value| {
                pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("greedy-"))
            };
            let pod = pods["items"].as_array().and_then(|pods| pods.iter().find(of_it));
            let conditions = pod.and_then(|pod| pod["status"]["conditions"].as_array());
            let scheduled = |c: &&Value| c["type"] == "PodScheduled" && c["status"] == "False";
            let condition = conditions.and_then(|all| all.iter().find(scheduled));
            condition.cloned().ok_or_else(|| pods.to_string())
        })
        .await;
    assert_eq!(said["reason"], "Unschedulable");
    let sentence = said["message"].as_str().unwrap_or_default();
    assert!(sentence.starts_with("0/1 nodes are available: "), "{sentence}");
    for part in ["1 Insufficient cpu", "1 Insufficient memory", "1 Insufficient example.com/gpu"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    still_works(&mut house, &api, "after-greedy").await;
}

/// What is wrong with the refusal of a file.
fn wrong_by_apply(house: &House, api: &Api, name: &str, why: &str) -> Option<String> {
    let began = Instant::now();
    let output = house.run(&["apply", "--server", &api.base, "-f", name]);
    let said = String::from_utf8_lossy(&output.stderr);
    let is_refused = output.status.code() == Some(1) && said.contains(name) && said.contains(why);
    let took = began.elapsed();
    let is_right = is_refused && took < REFUSED_WITHIN;
    (!is_right).then(|| format!("{name}: not {why:?} but {} in {took:?}: {said}", output.status))
}

fn refused_as_too_large(answer: Result<(reqwest::StatusCode, Value), String>, bound: usize) {
    let (status, answer) = answer.expect("an answer, not a broken connection");
    assert_eq!(status.as_u16(), 413, "{answer}");
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(message.contains(&bound.to_string()), "{message}");
}

fn bytes_of(count: usize) -> Vec<u8> {
    vec![b' '; count]
}

/// File name, text, and what the refusal says.
fn documents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let changed = |pointer: &str, value: Value| {
        let mut object = deployment("bad", 1);
        *object.pointer_mut(pointer).expect("the field") = value;
        object.to_string().into_bytes()
    };
    let container = "/spec/template/spec/containers/0";
    let text = |text: &str| text.as_bytes().to_vec();
    let cpu = format!("{container}/resources/requests/cpu");
    vec![
        ("malformed.yaml", text("kind: [Deployment\nspec: {"), "line"),
        ("tabs.yaml", text("kind: Deployment\n\tspec: 1\n"), "line"),
        ("broken.json", text("{\"kind\": \"Deployment\", "), "line"),
        ("latin1.yaml", b"kind: \xe9\xff\n".to_vec(), "not text in UTF-8"),
        ("empty.yaml", Vec::new(), "there is no object in it"),
        ("scalar.yaml", text("42\n"), "expected a map"),
        ("no-kind.yaml", text("metadata: {name: a}\n"), "kind"),
        ("unknown.yaml", text("apiVersion: v1\nkind: Wish\nmetadata: {name: a}\n"), "Wish"),
        ("typed.yaml", changed("/spec/replicas", json!("three")), "spec.replicas"),
        ("listed.yaml", changed("/spec/template", json!([1])), "spec.template"),
        ("named.yaml", changed("/metadata/name", json!("Not A Name")), "metadata.name"),
        ("negative.yaml", changed("/spec/replicas", json!(-1)), "spec.replicas"),
        ("negative-cpu.yaml", changed(&cpu, json!("-1")), "requests"),
        ("no-quantity.yaml", changed(&cpu, json!("plenty")), "requests"),
        ("huge-number.yaml", changed("/spec/replicas", json!(1e30)), "spec.replicas"),
        ("deep.json", nested("[", "]", 100_000), "deep"),
        ("deep.yaml", nested("{a: ", "}", 100_000), "deep"),
        ("bomb.yaml", bomb(), "alias"),
    ]
}

fn nested(open: &str, close: &str, levels: usize) -> Vec<u8> {
    format!("{}{}", open.repeat(levels), close.repeat(levels)).into_bytes()
}

/// Nine levels of aliases, each nine times the one before.
fn bomb() -> Vec<u8> {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let of_last = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{of_last}]\n");
    }
    text.into_bytes()
}

/// A call, the status of its answer, and what the answer says.
struct Call {
    method: Method,
    path: &'static str,
    kind: &'static str,
    body: Vec<u8>,
    status: u16,
    why: &'static str,
}

const APPLY: &str = "/setpoint/v1/apply";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";
const NODE: &str = "/setpoint/v1/nodes/node-1";
const LEASE: &str = "/setpoint/v1/nodes/node-1/lease";
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";

fn calls() -> Vec<Call> {
    let call = |method: Method, path, kind, body: &[u8], status, why| Call {
        method,
        path,
        kind,
        body: body.to_vec(),
        status,
        why,
    };
    let post =
        |path, kind, body: &[u8], status, why| call(Method::POST, path, kind, body, status, why);
    let patch = |kind, body: &[u8], status, why| call(Method::PATCH, WEB, kind, body, status, why);
    let get = |path, status, why| call(Method::GET, path, JSON, b"", status, why);
    let deep = nested("[", "]", 100_000);
    let deep_map = nested("{\"a\":", "}", 100_000);
    vec![
        post(APPLY, JSON, b"{\"items\": [", 400, "not JSON"),
        post(APPLY, JSON, b"", 400, "not JSON"),
        post(APPLY, JSON, b"\xff\xfe\x00", 400, "not JSON"),
        post(APPLY, JSON, b"7", 400, "items"),
        post(APPLY, JSON, b"{\"items\": 7}", 400, "items"),
        post(APPLY, JSON, b"{\"items\": []}", 400, "no items"),
        post(APPLY, JSON, b"{\"items\": [{}], \"dryRun\": \"maybe\"}", 400, "dryRun"),
        post(APPLY, JSON, b"{\"items\": [7]}", 200, "not an object"),
        post(APPLY, JSON, b"{\"items\": [null]}", 200, "not an object"),
        post(APPLY, JSON, &deep, 400, "not JSON"),
        post(APPLY, JSON, &deep_map, 400, "not JSON"),
        post(APPLY, YAML, &deep, 400, "not YAML"),
        post(APPLY, YAML, &bomb(), 400, "not"),
        post(DEPLOYMENTS, JSON, b"{\"kind\": \"Deployment\"}", 400, "apiVersion"),
        post(DEPLOYMENTS, JSON, &bad_deployment("replicas", json!(-1)), 422, "spec.replicas"),
        post(DEPLOYMENTS, JSON, &bad_deployment("replicas", json!("x")), 422, "spec.replicas"),
        post(DEPLOYMENTS, JSON, &bad_deployment("template", json!(7)), 422, "spec.template"),
        post(DEPLOYMENTS, "application/vnd.kubernetes.protobuf", b"k8s\0", 415, "protocol"),
        patch(JSON, b"{}", 415, ""),
        patch(MERGE, b"7", 400, "a merge patch is an object"),
        patch(MERGE, b"{\"spec\": {\"replicas\": -5}}", 422, "spec.replicas"),
        patch(MERGE, b"{\"spec\": null}", 422, "spec"),
        patch(MERGE, &deep_map, 400, "not JSON"),
        patch(STRATEGIC, b"{\"spec\": {\"$patch\": \"explode\"}}", 422, ""),
        patch(STRATEGIC, b"[[[]]]", 422, ""),
        patch(OPERATIONS, b"{}", 422, ""),
        patch(OPERATIONS, b"[{\"op\": \"explode\", \"path\": \"/spec\"}]", 422, ""),
        patch(OPERATIONS, b"[{\"op\": \"remove\", \"path\": \"/spec/nothing/there\"}]", 422, ""),
        patch(
            OPERATIONS,
            b"[{\"op\": \"add\", \"path\": \"/spec/template/spec/containers/99999999999999999999\", \"value\": 1}]",
            422,
            "",
        ),
        call(Method::PUT, NODE, JSON, b"{}", 400, "does not read"),
        call(Method::PUT, NODE, JSON, &deep, 400, "does not read"),
        post(LEASE, JSON, b"{\"node\": \"node-1\", \"sequence\": \"many\"}", 400, "does not read"),
        post(LEASE, JSON, b"{\"node\": \"node-2\", \"session\": \"s\", \"sequence\": 1, \"time_ms\": 1}", 400, "node-2"),
        get("/apis/apps/v1/deployments?labelSelector=((", 400, ""),
        get("/apis/apps/v1/deployments?fieldSelector=%00=", 400, ""),
        get("/apis/apps/v1/deployments?limit=many", 400, "limit"),
        get("/api/v1/pods?watch=true&resourceVersion=soon", 400, "resourceVersion"),
        get("/setpoint/v1/log/setpoint.nothing/0", 404, "setpoint.nothing"),
        get("/setpoint/v1/log/setpoint.pods/77", 404, "77"),
        get("/setpoint/v1/log/setpoint.pods/0?from=-9223372036854775808", 200, "records"),
        get("/setpoint/v1/log/setpoint.pods/0?from=9223372036854775807", 200, "records"),
        get("/api/v1/namespaces/%2e%2e/pods/%ff%fe", 404, ""),
        get("/%00/%0a", 404, ""),
    ]
}

fn bad_deployment(field: &str, value: Value) -> Vec<u8> {
    let mut object = deployment("bad", 1);
    object["spec"][field] = value;
    object.to_string().into_bytes()
}
