//! A pod with a readiness gate on a real process: ready when somebody says so through the API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, deployment};
use crate::house::{House, beside};

/// A process that starts at once; the machine may be busy.
const SOON: Duration = Duration::from_secs(60);

/// The pod's condition `Ready`.
fn ready(pod: &Value) -> Value {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
}

async fn only_pod(api: &Api) -> Result<Value, String> {
    let list = api.get("/api/v1/namespaces/default/pods").await?;
    list["items"][0].as_object().map(|pod| json!(pod)).ok_or_else(|| "no pod".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_waits_for_its_gate_which_others_open_through_the_api() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["n1"]).await;
    let mut web = deployment("web", 1);
    web["spec"]["template"]["spec"]["readinessGates"] =
        json!([{"conditionType": "example.com/in"}]);
    api.apply(&[web]).await.expect("it is applied");
    let missing =
        "corresponding condition of pod readiness gate \"example.com/in\" does not exist.";
    house
        .until("its gate keeps it from being ready", SOON, async || {
            let pod = only_pod(&api).await?;
            let ready = ready(&pod);
            match ready["reason"] == "ReadinessGatesNotReady" && ready["message"] == missing {
                true => Ok(()),
                false => Err(pod["status"].to_string()),
            }
        })
        .await;
    let pod = only_pod(&api).await.expect("it is there");
    let name = pod["metadata"]["name"].as_str().expect("a name");
    let path = format!("/api/v1/namespaces/default/pods/{name}/status");
    let opens = json!({"status": {"conditions": [{"type": "example.com/in", "status": "True"}]}});
    let answer = api.patch(&path, &opens).await.expect("it is taken");
    assert_eq!(ready(&answer)["status"], "True", "{answer}");
    house
        .until("its workload counts it as ready", SOON, async || {
            let web = api.get("/apis/apps/v1/namespaces/default/deployments/web").await?;
            match web["status"]["readyReplicas"] == 1 {
                true => Ok(()),
                false => Err(web["status"].to_string()),
            }
        })
        .await;
    let wrong =
        json!({"status": {"conditions": [{"type": "example.com/in", "status": "perhaps"}]}});
    let refused = api.patch(&path, &wrong).await.expect_err("it is no status");
    assert!(refused.contains("must be True, False or Unknown"), "{refused}");
}
