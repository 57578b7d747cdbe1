//! What stays as it was created, asked of the real program by each way in.

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, deployment};
use crate::house::{House, beside};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web";
const CONFIG_MAP: &str = "/api/v1/namespaces/default/configmaps/c";
const SECRET: &str = "/api/v1/namespaces/default/secrets/s";
const POD: &str = "/api/v1/namespaces/default/pods/tool";
const IMMUTABLE: &str = "data: Forbidden: field is immutable when `immutable` is set";

/// Refused with 422 and this, as a dry run and in earnest.
async fn refuses(api: &Api, method: Method, path: &str, kind: &str, body: &Value, why: &str) {
    for query in ["?dryRun=All&force=true&fieldManager=t", "?force=true&fieldManager=t"] {
        let path = format!("{path}{query}");
        let answer = api.call(method.clone(), &path, kind, body.to_string()).await;
        let (code, status) = answer.expect("it answers");
        assert_eq!((code.as_u16(), &status["reason"]), (422, &json!("Invalid")), "{status}");
        let message = status["message"].as_str().unwrap_or_default();
        assert!(message.contains(why), "{method} {path}: {message}");
        assert_eq!(message.matches("is invalid").count(), 1, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_refuses_to_change_what_stays() {
    let _beside = beside();
    let (_house, api) = House::with_nodes(&[], &[]).await;
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        "metadata": {"name": "c", "namespace": "default"}, "data": {"a": "1"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "immutable": true,
        "metadata": {"name": "s", "namespace": "default"}, "stringData": {"a": "hidden-1"}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "tool", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "a:1", "command": ["sleep", "9"]}]}});
    let all = [deployment("web", 1), config.clone(), secret.clone(), pod.clone()];
    api.apply(&all).await.expect("it is applied");
    api.apply(&all).await.expect("the same again changes nothing");

    let (json, merge, apply) =
        ("application/json", "application/merge-patch+json", "application/apply-patch+yaml");
    let mut other = deployment("web", 1);
    other["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");
    let why =
        r#"spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable"#;
    refuses(&api, Method::PUT, DEPLOYMENT, json, &other, why).await;
    refuses(&api, Method::PATCH, DEPLOYMENT, apply, &other, why).await;
    refuses(&api, Method::PATCH, DEPLOYMENT, merge, &json!({"spec": other["spec"]}), why).await;
    let refused = api.apply(std::slice::from_ref(&other)).await.expect_err("it is refused");
    assert!(refused.contains("field is immutable"), "{refused}");

    let data = json!({"data": {"a": "2"}});
    refuses(&api, Method::PATCH, CONFIG_MAP, merge, &data, IMMUTABLE).await;
    let secrets = json!({"stringData": {"a": "hidden-2"}});
    refuses(&api, Method::PATCH, SECRET, merge, &secrets, IMMUTABLE).await;

    let mut newer = pod.clone();
    newer["spec"]["containers"][0]["image"] = json!("a:2");
    let why = "spec.containers[0].image: Forbidden: pod updates may not change";
    refuses(&api, Method::PUT, POD, json, &newer, why).await;
    let served = api.get(POD).await.expect("it is there");
    let again = api.call(Method::PUT, POD, json, served.to_string()).await.expect("it answers");
    assert_eq!(again.0.as_u16(), 200, "what is served can be given back: {}", again.1);
}
