//! Observations that are well formed and cannot be true: the largest and smallest numbers there
//! are, from a node that lies.

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use setpoint_schemas::{
    Lease, NodeName, NodeRecord, NodeReport, PodObserved, Resources, SessionId, UsageSample,
    samples,
};

use super::{LEADS_WITHIN, still_works};
use crate::api::Api;
use crate::house::{House, alone};

const EXTREMES: [i64; 4] = [i64::MIN, -1, i64::MAX - 1, i64::MAX];

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_in_the_largest_numbers_harms_nobody_else() {
    let _alone = alone();
    let (mut house, api) =
        House::with_nodes(&[("SETPOINT_ENGINE__CHECKPOINT_INTERVAL_MS", "500")], &["node-1"]).await;
    for (index, extreme) in EXTREMES.into_iter().enumerate() {
        let liar = NodeName::parse(&format!("liar-{index}")).expect("a name");
        let refused = say(&api, Method::PUT, &liar, "", &node(&liar, extreme)).await;
        assert!(refused.contains("which is not between 0 and"), "{extreme}: {refused}");
        say(&api, Method::POST, &liar, "/lease", &lease(&liar, extreme)).await;
        say(&api, Method::POST, &liar, "/pods", &report(&liar, extreme)).await;
        say(&api, Method::POST, &liar, "/usage", &[usage(&liar, extreme)]).await;
    }
    still_works(&mut house, &api, "after-lies").await;
    house.kill("engine");
    house.start_engine("engine", api.port);
    house.leads(&api, LEADS_WITHIN).await;
    still_works(&mut house, &api, "after-restart").await;
}

/// Says it as an agent does; the answer is a yes or a reason, never a failure of the server.
async fn say(
    api: &Api,
    method: Method,
    node: &NodeName,
    what: &str,
    body: &(impl Serialize + ?Sized),
) -> String {
    let path = format!("/setpoint/v1/nodes/{node}{what}");
    let body = serde_json::to_string(body).expect("json");
    let (status, answer) =
        api.call(method, &path, "application/json", body).await.expect("an answer");
    assert!(!status.is_server_error(), "{path}: {status} {answer}");
    assert!(status.is_success() || answer["message"] != Value::Null, "{path}: {answer}");
    answer.to_string()
}

fn node(name: &NodeName, extreme: i64) -> NodeRecord {
    let all = Resources {
        cpu_milli: extreme,
        memory_bytes: extreme,
        pods: extreme,
        ..samples::node().capacity
    };
    NodeRecord {
        node: name.clone(),
        time_ms: extreme,
        capacity: all.clone(),
        allocatable: all,
        devices: Vec::new(),
        ..samples::node()
    }
}

fn lease(name: &NodeName, extreme: i64) -> Lease {
    let session = session();
    Lease { node: name.clone(), session, sequence: extreme, time_ms: extreme }
}

fn report(name: &NodeName, extreme: i64) -> NodeReport {
    let mut observed = PodObserved {
        node: name.clone(),
        sequence: extreme,
        time_ms: extreme,
        generation: extreme,
        started_ms: extreme,
        ..samples::pod_observed()
    };
    for container in &mut observed.containers {
        container.started_ms = extreme;
        container.finished_ms = extreme;
        container.restarts = i32::MIN;
    }
    let mut snapshot = samples::node_snapshot();
    snapshot.node = name.clone();
    snapshot.sequence = extreme;
    snapshot.time_ms = extreme;
    NodeReport { observed: vec![observed], snapshot: Some(snapshot) }
}

fn usage(name: &NodeName, extreme: i64) -> UsageSample {
    let mut sample = samples::usage_sample();
    sample.node = name.clone();
    sample.time_ms = extreme;
    sample
}

fn session() -> SessionId {
    samples::node().session
}
