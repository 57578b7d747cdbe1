//! The columns of each kind, as kubectl's users know them. Adding a column is one row.
//!
//! Source: the printers of `k8s.io/kubernetes/pkg/printers/internalversion`.

use serde_json::{Value, json};

use super::age::age;

/// One column: its cell is a function of the object and the time.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    /// 0 is always shown, 1 with `-o wide`.
    pub(crate) priority: i32,
    pub(crate) cell: fn(&Value, i64) -> Value,
}

const fn column(name: &'static str, cell: fn(&Value, i64) -> Value) -> Column {
    Column { name, kind: "string", priority: 0, cell }
}

const fn number(name: &'static str, cell: fn(&Value, i64) -> Value) -> Column {
    Column { name, kind: "integer", priority: 0, cell }
}

const fn wide(name: &'static str, cell: fn(&Value, i64) -> Value) -> Column {
    Column { name, kind: "string", priority: 1, cell }
}

const NAME: Column = column("Name", |o, _| o["metadata"]["name"].clone());
const AGE: Column = column("Age", |o, now| json!(age(o, now)));
const CONTAINERS: Column =
    wide("Containers", |o, _| joined(&o["spec"]["template"]["spec"]["containers"], "name"));
const IMAGES: Column =
    wide("Images", |o, _| joined(&o["spec"]["template"]["spec"]["containers"], "image"));
const SELECTOR: Column = wide("Selector", |o, _| selector(&o["spec"]["selector"]));

const PODS: &[Column] = &[
    NAME,
    column("Ready", |o, _| {
        let ready = each(&o["status"]["containerStatuses"]).filter(|c| c["ready"] == true).count();
        json!(format!("{ready}/{}", each(&o["spec"]["containers"]).count()))
    }),
    column("Status", |o, _| json!(pod_status(o))),
    number("Restarts", |o, _| {
        let restarts = each(&o["status"]["containerStatuses"]).map(|c| &c["restartCount"]);
        json!(restarts.filter_map(Value::as_i64).sum::<i64>())
    }),
    AGE,
    wide("IP", |o, _| or_none(&o["status"]["podIP"])),
    wide("Node", |o, _| or_none(&o["spec"]["nodeName"])),
    wide("Nominated Node", |o, _| or_none(&o["status"]["nominatedNodeName"])),
    wide("Readiness Gates", |_, _| json!("<none>")),
];

const NODES: &[Column] = &[
    NAME,
    column("Status", |o, _| json!(node_status(o))),
    column("Roles", |o, _| json!(roles(o))),
    AGE,
    column("Version", |o, _| o["status"]["nodeInfo"]["kubeletVersion"].clone()),
    wide("Internal-IP", |o, _| {
        let internal = each(&o["status"]["addresses"]).find(|a| a["type"] == "InternalIP");
        internal.map_or(json!("<none>"), |a| or_none(&a["address"]))
    }),
    wide("External-IP", |_, _| json!("<none>")),
    wide("OS-Image", |o, _| or_unknown(&o["status"]["nodeInfo"]["osImage"])),
    wide("Kernel-Version", |o, _| or_unknown(&o["status"]["nodeInfo"]["kernelVersion"])),
    wide("Container-Runtime", |o, _| {
        or_unknown(&o["status"]["nodeInfo"]["containerRuntimeVersion"])
    }),
];

const DEPLOYMENTS: &[Column] = &[
    NAME,
    column("Ready", |o, _| json!(format!("{}/{}", int(&o["status"]["readyReplicas"]), desired(o)))),
    number("Up-to-date", |o, _| json!(int(&o["status"]["updatedReplicas"]))),
    number("Available", |o, _| json!(int(&o["status"]["availableReplicas"]))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const REPLICAS: &[Column] = &[
    NAME,
    number("Desired", |o, _| json!(desired(o))),
    number("Current", |o, _| json!(int(&o["status"]["replicas"]))),
    number("Ready", |o, _| json!(int(&o["status"]["readyReplicas"]))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const DAEMONS: &[Column] = &[
    NAME,
    number("Desired", |o, _| json!(int(&o["status"]["desiredNumberScheduled"]))),
    number("Current", |o, _| json!(int(&o["status"]["currentNumberScheduled"]))),
    number("Ready", |o, _| json!(int(&o["status"]["numberReady"]))),
    number("Up-to-date", |o, _| json!(int(&o["status"]["updatedNumberScheduled"]))),
    number("Available", |o, _| json!(int(&o["status"]["numberAvailable"]))),
    column("Node Selector", |o, _| selector(&o["spec"]["template"]["spec"]["nodeSelector"])),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const NAMESPACES: &[Column] = &[NAME, column("Status", |o, _| o["status"]["phase"].clone()), AGE];

const CONFIG_MAPS: &[Column] = &[NAME, number("Data", |o, _| json!(entries(o))), AGE];

const SECRETS: &[Column] = &[
    NAME,
    column("Type", |o, _| json!(o["type"].as_str().unwrap_or("Opaque"))),
    number("Data", |o, _| json!(entries(o))),
    AGE,
];

const PRIORITY_CLASSES: &[Column] = &[
    NAME,
    number("Value", |o, _| json!(int(&o["value"]))),
    column("Global-Default", |o, _| json!((o["globalDefault"] == true).to_string())),
    AGE,
    column("PreemptionPolicy", |o, _| {
        json!(o["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority"))
    }),
];

const BUDGETS: &[Column] = &[
    NAME,
    column("Min Available", |o, _| amount(&o["spec"]["minAvailable"])),
    column("Max Unavailable", |o, _| amount(&o["spec"]["maxUnavailable"])),
    number("Allowed Disruptions", |o, _| json!(int(&o["status"]["disruptionsAllowed"]))),
    AGE,
];

const EVENTS: &[Column] = &[
    column("Last Seen", |o, now| json!(age(o, now))),
    column("Type", |o, _| o["type"].clone()),
    column("Reason", |o, _| o["reason"].clone()),
    column("Object", |o, _| {
        let kind = o["involvedObject"]["kind"].as_str().unwrap_or_default().to_lowercase();
        json!(format!("{kind}/{}", o["involvedObject"]["name"].as_str().unwrap_or_default()))
    }),
    column("Message", |o, _| o["message"].clone()),
];

const OTHERS: &[Column] = &[NAME, AGE];

/// The columns of a kind.
pub(crate) fn columns_of(group: &str, kind: &str) -> &'static [Column] {
    match (group, kind) {
        ("", "Pod") => PODS,
        ("", "Node") => NODES,
        ("apps", "Deployment") => DEPLOYMENTS,
        ("apps", "ReplicaSet") | ("", "ReplicationController") => REPLICAS,
        ("apps", "DaemonSet") => DAEMONS,
        ("", "Namespace") => NAMESPACES,
        ("", "ConfigMap") => CONFIG_MAPS,
        ("", "Secret") => SECRETS,
        ("", "Event") => EVENTS,
        ("scheduling.k8s.io", "PriorityClass") => PRIORITY_CLASSES,
        ("policy", "PodDisruptionBudget") => BUDGETS,
        _ => OTHERS,
    }
}

/// Why a pod with scheduling gates is not placed.
const GATED: &str = "SchedulingGated";

/// What kubectl prints as the status of a pod: what is wrong with a container, that gates hold it back,
/// or the phase.
fn pod_status(pod: &Value) -> String {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating".to_owned();
    }
    let containers = each(&pod["status"]["containerStatuses"]);
    let reason = |container: &Value| {
        let state = &container["state"];
        let reason = state["waiting"]["reason"].as_str().or(state["terminated"]["reason"].as_str());
        reason.map(str::to_owned)
    };
    let wrong = containers.filter_map(reason).next();
    let is_gated =
        |condition: &Value| condition["reason"] == GATED && condition["type"] == "PodScheduled";
    let gated = each(&pod["status"]["conditions"]).any(is_gated).then(|| GATED.to_owned());
    let phase = pod["status"]["phase"].as_str().unwrap_or("Unknown");
    wrong.or(gated).unwrap_or_else(|| phase.to_owned())
}

fn node_status(node: &Value) -> String {
    let ready = each(&node["status"]["conditions"]).find(|c| c["type"] == "Ready");
    let word = match ready.and_then(|c| c["status"].as_str()) {
        Some("True") => "Ready",
        Some("False") => "NotReady",
        _ => "Unknown",
    };
    let cordoned = node["spec"]["unschedulable"] == true;
    if cordoned { format!("{word},SchedulingDisabled") } else { word.to_owned() }
}

fn roles(node: &Value) -> String {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let role = |(key, _): (&String, &Value)| {
        key.strip_prefix("node-role.kubernetes.io/").map(str::to_owned)
    };
    let roles: Vec<String> = labels.filter_map(role).collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn desired(workload: &Value) -> i64 {
    workload["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn entries(object: &Value) -> usize {
    let count = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
    count("data") + count("binaryData")
}

fn joined(list: &Value, field: &str) -> Value {
    json!(each(list).filter_map(|e| e[field].as_str()).collect::<Vec<_>>().join(","))
}

fn selector(selector: &Value) -> Value {
    let labels = selector.get("matchLabels").unwrap_or(selector);
    let pair = |(key, value): (&String, &Value)| Some(format!("{key}={}", value.as_str()?));
    let pairs: Vec<String> = labels.as_object().into_iter().flatten().filter_map(pair).collect();
    if pairs.is_empty() { json!("<none>") } else { json!(pairs.join(",")) }
}

/// A number or a percentage.
fn amount(value: &Value) -> Value {
    value.as_i64().map_or_else(|| json!(value.as_str().unwrap_or("N/A")), |n| json!(n.to_string()))
}

fn or_none(value: &Value) -> Value {
    json!(value.as_str().filter(|text| !text.is_empty()).unwrap_or("<none>"))
}

fn or_unknown(value: &Value) -> Value {
    json!(value.as_str().filter(|text| !text.is_empty()).unwrap_or("<unknown>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_status_is_what_is_wrong_with_it_or_its_phase() {
        let scheduled = |reason: &str| json!([{"type": "PodScheduled", "reason": reason}]);
        let crashed = json!([{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
        let table = [
            (json!({"phase": "Running"}), "Running"),
            (json!({"phase": "Pending", "conditions": scheduled("Unschedulable")}), "Pending"),
            (json!({"phase": "Pending", "conditions": scheduled(GATED)}), "SchedulingGated"),
            (json!({"phase": "Running", "containerStatuses": crashed}), "CrashLoopBackOff"),
        ];
        for (status, expected) in table {
            assert_eq!(pod_status(&json!({"status": status})), expected, "{status}");
        }
        let stops =
            json!({"metadata": {"deletionTimestamp": "now"}, "status": {"phase": "Running"}});
        assert_eq!(pod_status(&stops), "Terminating");
    }
}
