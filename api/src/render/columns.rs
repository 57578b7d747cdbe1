//! The columns of each kind, as kubectl's users know them. Adding a column is one row.
//!
//! Source: the printers of `k8s.io/kubernetes/pkg/printers/internalversion`.

use serde_json::{Value, json};

use super::age::age;
use super::job_row::{completions, duration, job_status, since};
use super::pod_row::PodRow;

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

/// Addresses in a row of a table, as kubectl has it.
const ENDPOINTS_SHOWN_MAX: usize = 3;

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
        let PodRow { ready, total, .. } = PodRow::of(o);
        json!(format!("{ready}/{total}"))
    }),
    column("Status", |o, _| json!(PodRow::of(o).status)),
    number("Restarts", |o, _| json!(PodRow::of(o).restarts)),
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

const IDENTITIES: &[Column] = &[
    NAME,
    column("Ready", |o, _| json!(format!("{}/{}", int(&o["status"]["readyReplicas"]), desired(o)))),
    AGE,
    CONTAINERS,
    IMAGES,
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

const JOBS: &[Column] = &[
    NAME,
    column("Status", |o, _| json!(job_status(o))),
    column("Completions", |o, _| json!(completions(o))),
    column("Duration", |o, now| json!(duration(o, now))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const CRON_JOBS: &[Column] = &[
    NAME,
    column("Schedule", |o, _| o["spec"]["schedule"].clone()),
    column("Timezone", |o, _| or_none(&o["spec"]["timeZone"])),
    column("Suspend", |o, _| json!(if o["spec"]["suspend"] == true { "True" } else { "False" })),
    number("Active", |o, _| json!(each(&o["status"]["active"]).count())),
    column("Last Schedule", |o, now| json!(since(&o["status"]["lastScheduleTime"], now))),
    AGE,
    wide("Containers", |o, _| {
        joined(&o["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"], "name")
    }),
    wide("Images", |o, _| {
        joined(&o["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"], "image")
    }),
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

const CLAIMS: &[Column] = &[
    NAME,
    column("Status", |o, _| json!(phase_or_leaving(o))),
    column("Volume", |o, _| json!(o["spec"]["volumeName"].as_str().unwrap_or_default())),
    column("Capacity", |o, _| {
        json!(o["status"]["capacity"]["storage"].as_str().unwrap_or_default())
    }),
    column("Access Modes", |o, _| json!(modes(&o["status"]["accessModes"]))),
    column("StorageClass", |o, _| {
        json!(o["spec"]["storageClassName"].as_str().unwrap_or_default())
    }),
    column("VolumeAttributesClass", |_, _| json!("<unset>")),
    AGE,
    wide("VolumeMode", |_, _| json!("Filesystem")),
];

const VOLUMES: &[Column] = &[
    NAME,
    column("Capacity", |o, _| json!(o["spec"]["capacity"]["storage"].as_str().unwrap_or_default())),
    column("Access Modes", |o, _| json!(modes(&o["spec"]["accessModes"]))),
    column("Reclaim Policy", |o, _| {
        json!(o["spec"]["persistentVolumeReclaimPolicy"].as_str().unwrap_or_default())
    }),
    column("Status", |o, _| json!(phase_or_leaving(o))),
    column("Claim", |o, _| {
        let claim = &o["spec"]["claimRef"];
        let part = |name: &str| claim[name].as_str().unwrap_or_default().to_owned();
        json!(if claim.is_null() { String::new() } else { part("namespace") + "/" + &part("name") })
    }),
    column("StorageClass", |o, _| {
        json!(o["spec"]["storageClassName"].as_str().unwrap_or_default())
    }),
    column("VolumeAttributesClass", |_, _| json!("<unset>")),
    column("Reason", |_, _| json!("")),
    AGE,
    wide("VolumeMode", |_, _| json!("Filesystem")),
];

const STORAGE_CLASSES: &[Column] = &[
    column("Name", |o, _| {
        let name = o["metadata"]["name"].as_str().unwrap_or_default();
        let mark = &o["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"];
        json!(if mark == "true" { format!("{name} (default)") } else { name.to_owned() })
    }),
    column("Provisioner", |o, _| o["provisioner"].clone()),
    column("ReclaimPolicy", |o, _| json!(o["reclaimPolicy"].as_str().unwrap_or("Delete"))),
    column("VolumeBindingMode", |o, _| {
        json!(o["volumeBindingMode"].as_str().unwrap_or("WaitForFirstConsumer"))
    }),
    column("AllowVolumeExpansion", |o, _| json!((o["allowVolumeExpansion"] == true).to_string())),
    AGE,
];

const BUDGETS: &[Column] = &[
    NAME,
    column("Min Available", |o, _| amount(&o["spec"]["minAvailable"])),
    column("Max Unavailable", |o, _| amount(&o["spec"]["maxUnavailable"])),
    number("Allowed Disruptions", |o, _| json!(int(&o["status"]["disruptionsAllowed"]))),
    AGE,
];

const QUOTAS: &[Column] = &[
    NAME,
    column("Request", |o, _| json!(used_of(o, false))),
    column("Limit", |o, _| json!(used_of(o, true))),
    AGE,
];

const LIMIT_RANGES: &[Column] =
    &[NAME, column("Created At", |o, _| o["metadata"]["creationTimestamp"].clone())];

const SERVICES: &[Column] = &[
    NAME,
    column("Type", |o, _| json!(o["spec"]["type"].as_str().unwrap_or("ClusterIP"))),
    column("Cluster-IP", |o, _| or_none(&o["spec"]["clusterIP"])),
    column("External-IP", |o, _| match o["spec"]["type"].as_str() {
        Some("ExternalName") => or_none(&o["spec"]["externalName"]),
        Some("LoadBalancer") => json!("<pending>"),
        _ => json!("<none>"),
    }),
    column("Port(s)", |o, _| json!(service_ports(o))),
    AGE,
    SELECTOR,
];

const SLICES: &[Column] = &[
    NAME,
    column("AddressType", |o, _| o["addressType"].clone()),
    column("Ports", |o, _| {
        let ports: Vec<String> =
            each(&o["ports"]).map(|port| int(&port["port"]).to_string()).collect();
        json!(if ports.is_empty() { "<unset>".to_owned() } else { ports.join(",") })
    }),
    column("Endpoints", |o, _| {
        let addresses = each(&o["endpoints"]).map(|endpoint| &endpoint["addresses"][0]);
        let shown: Vec<&str> =
            addresses.filter_map(Value::as_str).take(ENDPOINTS_SHOWN_MAX).collect();
        let more = each(&o["endpoints"]).count().saturating_sub(shown.len());
        let rest = if more > 0 { format!(" + {more} more...") } else { String::new() };
        json!(if shown.is_empty() { "<unset>".to_owned() } else { shown.join(",") + &rest })
    }),
    AGE,
];

const EVENTS: &[Column] = &[
    column("Last Seen", |o, now| json!(seen(o, now))),
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
        ("batch", "Job") => JOBS,
        ("batch", "CronJob") => CRON_JOBS,
        ("apps", "StatefulSet") => IDENTITIES,
        ("", "Namespace") => NAMESPACES,
        ("", "ConfigMap") => CONFIG_MAPS,
        ("", "Secret") => SECRETS,
        ("", "Event") => EVENTS,
        ("", "Service") => SERVICES,
        ("discovery.k8s.io", "EndpointSlice") => SLICES,
        ("scheduling.k8s.io", "PriorityClass") => PRIORITY_CLASSES,
        ("policy", "PodDisruptionBudget") => BUDGETS,
        ("", "ResourceQuota") => QUOTAS,
        ("", "LimitRange") => LIMIT_RANGES,
        ("", "PersistentVolumeClaim") => CLAIMS,
        ("", "PersistentVolume") => VOLUMES,
        ("storage.k8s.io", "StorageClass") => STORAGE_CLASSES,
        _ => OTHERS,
    }
}

/// When an event was told last; of several, how many and since when.
fn seen(event: &Value, now_ms: i64) -> String {
    let last = since(&event["lastTimestamp"], now_ms);
    match int(&event["count"]) {
        count if count > 1 => {
            format!("{last} (x{count} over {})", since(&event["firstTimestamp"], now_ms))
        }
        _ => last,
    }
}

/// What is used of what a quota bounds: of limits, or of all else.
fn used_of(quota: &Value, limits: bool) -> String {
    let status = &quota["status"];
    let text = |amount: &Value| amount.as_str().unwrap_or("0").to_owned();
    let bounds = status["hard"].as_object().into_iter().flatten();
    let chosen = bounds.filter(|(name, _)| name.starts_with("limits.") == limits);
    let used = chosen
        .map(|(name, hard)| format!("{name}: {}/{}", text(&status["used"][name]), text(hard)));
    used.collect::<Vec<_>>().join(", ")
}

/// The phase of what goes when nobody uses it.
fn phase_or_leaving(object: &Value) -> &str {
    if object["metadata"]["deletionTimestamp"].is_null() {
        object["status"]["phase"].as_str().unwrap_or_default()
    } else {
        "Terminating"
    }
}

/// Access modes by the letters that kubectl has for them.
fn modes(modes: &Value) -> String {
    let short = |mode: &Value| match mode.as_str() {
        Some("ReadWriteOnce") => Some("RWO"),
        Some("ReadOnlyMany") => Some("ROX"),
        Some("ReadWriteMany") => Some("RWX"),
        Some("ReadWriteOncePod") => Some("RWOP"),
        _ => None,
    };
    each(modes).filter_map(short).collect::<Vec<_>>().join(",")
}

/// As kubectl prints them: `80:30080/TCP,53/UDP`.
fn service_ports(service: &Value) -> String {
    let port = |port: &Value| {
        let node = port["nodePort"].as_i64().map_or_else(String::new, |node| format!(":{node}"));
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        format!("{}{node}/{protocol}", int(&port["port"]))
    };
    let ports: Vec<String> = each(&service["spec"]["ports"]).map(port).collect();
    if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }
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
