//! What the demo sees: pods and workloads by the API, processes by the machine itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_actuator_process::outside;

use crate::demo::stage::Stage;
use crate::output::field::{condition, list, name, namespace, number, text};

/// A pod that is placed and not leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) ready: bool,
    pub(crate) restarts: i64,
    /// The labels, for telling whose it is.
    pub(crate) labels: BTreeMap<String, String>,
}

/// The fleet at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fleet {
    pub(crate) pods: Vec<Pod>,
    /// How many pods the workloads ask for.
    pub(crate) desired: i64,
    /// Processes by pod uid, as the machine has them.
    pub(crate) processes: BTreeMap<String, BTreeSet<i32>>,
}

/// The fleet now; what is wrong when the API does not say.
pub(crate) async fn fleet(stage: &Stage) -> Result<Fleet, String> {
    let pods = read(stage, "/api/v1/pods").await?;
    let workloads = read(stage, "/apis/apps/v1/deployments").await?;
    let desired =
        list(&workloads, "/items").iter().map(|w| number(w, "/spec/replicas").max(0)).sum();
    let pods = list(&pods, "/items").iter().filter(|pod| is_present(pod)).map(pod).collect();
    Ok(Fleet { pods, desired, processes: outside::by_pod(&stage.path) })
}

/// The fleet, when every pod that is asked for is placed, is ready and runs as one process.
pub(crate) async fn settled(stage: &Stage) -> Result<Fleet, String> {
    let fleet = fleet(stage).await?;
    let placed = fleet.pods.iter().filter(|pod| !pod.node.is_empty()).count();
    let ready = fleet.pods.iter().filter(|pod| pod.ready).count();
    let running = fleet.pods.iter().filter(|pod| fleet.runs_once(&pod.uid)).count();
    let total = fleet.pods.len();
    let is = i64::try_from(total).unwrap_or(i64::MAX) == fleet.desired
        && [placed, ready, running].iter().all(|count| *count == total);
    if is && total > 0 {
        return Ok(fleet);
    }
    Err(format!(
        "{} pods asked for, {total} there, {placed} placed, {ready} ready, {running} run",
        fleet.desired
    ))
}

/// The nodes, each with whether it is ready.
pub(crate) async fn nodes(stage: &Stage) -> Result<BTreeMap<String, bool>, String> {
    let nodes = read(stage, "/api/v1/nodes").await?;
    let ready = |n: &Value| condition(n, "Ready").is_some_and(|c| text(c, "/status") == "True");
    Ok(list(&nodes, "/items").iter().map(|node| (name(node).to_owned(), ready(node))).collect())
}

/// Reads the API; what is wrong, in a sentence.
pub(crate) async fn read(stage: &Stage, path: &str) -> Result<Value, String> {
    stage.client.get(path, &[]).await.map_err(|error| error.to_string())
}

impl Fleet {
    /// Whether a pod runs as exactly one process.
    pub(crate) fn runs_once(&self, uid: &str) -> bool {
        self.processes.get(uid).is_some_and(|pids| pids.len() == 1)
    }

    /// The process of a pod.
    pub(crate) fn process(&self, uid: &str) -> Option<i32> {
        self.processes.get(uid).and_then(|pids| pids.first().copied())
    }

    /// Where each pod is and what it runs as.
    pub(crate) fn places(&self) -> BTreeMap<String, (String, BTreeSet<i32>)> {
        let place = |pod: &Pod| {
            let pids = self.processes.get(&pod.uid).cloned().unwrap_or_default();
            (pod.uid.clone(), (pod.node.clone(), pids))
        };
        self.pods.iter().map(place).collect()
    }

    /// How many pods each node has, as a sentence.
    pub(crate) fn spread(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for pod in &self.pods {
            *counts.entry(&pod.node).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(node, n)| format!("{node} {n}")).collect();
        counts.join(", ")
    }
}

impl Pod {
    /// Whether it is one of the example web.yaml.
    pub(crate) fn is_web(&self) -> bool {
        self.labels.get("app").is_some_and(|app| app == "web")
    }
}

fn is_present(pod: &Value) -> bool {
    text(pod, "/metadata/deletionTimestamp").is_empty()
        && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

fn pod(object: &Value) -> Pod {
    let labels = object.pointer("/metadata/labels").cloned().unwrap_or_default();
    let statuses = list(object, "/status/containerStatuses");
    Pod {
        uid: text(object, "/metadata/uid").to_owned(),
        namespace: namespace(object).to_owned(),
        name: name(object).to_owned(),
        node: text(object, "/spec/nodeName").to_owned(),
        ready: condition(object, "Ready").is_some_and(|c| text(c, "/status") == "True"),
        restarts: statuses.iter().map(|status| number(status, "/restartCount")).sum(),
        labels: serde_json::from_value(labels).unwrap_or_default(),
    }
}
