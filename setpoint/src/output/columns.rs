//! The columns of each kind: one row of the table a kind. A kind that is not in it shows its name
//! and its age.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::{age_of, since};
use crate::output::field::{entries, list, name, number, or_none, pairs, text};
use crate::output::jobs::{cron_job, job};
use crate::output::nodes;
use crate::output::pods::{pod, pod_wide};
use crate::output::quotas;
use crate::output::services;
use crate::output::{budgets, claims};

type Cells = fn(&Value, Timestamp) -> Vec<String>;

/// The columns of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    kind: &'static str,
    headers: &'static [&'static str],
    cells: Cells,
    headers_wide: &'static [&'static str],
    cells_wide: Cells,
}

/// Kubectl's columns, kind by kind.
const COLUMNS: &[Columns] = &[
    Columns {
        kind: "Deployment",
        headers: &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
        cells: deployment,
        ..WORKLOAD
    },
    Columns {
        kind: "ReplicaSet",
        headers: &["NAME", "DESIRED", "CURRENT", "READY", "AGE"],
        cells: replicas,
        ..WORKLOAD
    },
    Columns {
        kind: "ReplicationController",
        headers: &["NAME", "DESIRED", "CURRENT", "READY", "AGE"],
        cells: replicas,
        ..WORKLOAD
    },
    Columns {
        kind: "DaemonSet",
        headers: &[
            "NAME",
            "DESIRED",
            "CURRENT",
            "READY",
            "UP-TO-DATE",
            "AVAILABLE",
            "NODE SELECTOR",
            "AGE",
        ],
        cells: daemon_set,
        ..WORKLOAD
    },
    Columns {
        kind: "Job",
        headers: &["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"],
        cells: job,
        ..WORKLOAD
    },
    Columns {
        kind: "CronJob",
        headers: &["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE"],
        cells: cron_job,
        ..PLAIN
    },
    Columns {
        kind: "StatefulSet",
        headers: &["NAME", "READY", "AGE"],
        cells: stateful_set,
        ..WORKLOAD
    },
    Columns {
        kind: "Pod",
        headers: &["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
        cells: pod,
        headers_wide: &["IP", "NODE"],
        cells_wide: pod_wide,
    },
    Columns {
        kind: "Node",
        headers: nodes::HEADERS,
        cells: nodes::node,
        headers_wide: nodes::HEADERS_WIDE,
        cells_wide: nodes::node_wide,
    },
    Columns { kind: "Namespace", headers: &["NAME", "STATUS", "AGE"], cells: namespace, ..PLAIN },
    Columns { kind: "ConfigMap", headers: &["NAME", "DATA", "AGE"], cells: config_map, ..PLAIN },
    Columns {
        kind: "Event",
        headers: &["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
        cells: event,
        headers_wide: &["SOURCE", "NAME"],
        cells_wide: event_wide,
    },
    Columns {
        kind: "PersistentVolumeClaim",
        headers: &["NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS MODES", "STORAGECLASS", "AGE"],
        cells: claims::claim,
        headers_wide: &["NODE"],
        cells_wide: claims::claim_wide,
    },
    Columns {
        kind: "PersistentVolume",
        headers: &[
            "NAME",
            "CAPACITY",
            "ACCESS MODES",
            "RECLAIM POLICY",
            "STATUS",
            "CLAIM",
            "STORAGECLASS",
            "AGE",
        ],
        cells: claims::volume,
        ..PLAIN
    },
    Columns {
        kind: "StorageClass",
        headers: &[
            "NAME",
            "PROVISIONER",
            "RECLAIMPOLICY",
            "VOLUMEBINDINGMODE",
            "ALLOWVOLUMEEXPANSION",
            "AGE",
        ],
        cells: claims::storage_class,
        ..PLAIN
    },
    Columns {
        kind: "Service",
        headers: services::HEADERS,
        cells: services::service,
        headers_wide: &["SELECTOR"],
        cells_wide: services::service_wide,
    },
    Columns {
        kind: "EndpointSlice",
        headers: services::SLICE_HEADERS,
        cells: services::slice,
        ..PLAIN
    },
    Columns {
        kind: "ResourceQuota",
        headers: &["NAME", "REQUEST", "LIMIT", "AGE"],
        cells: quotas::quota,
        ..PLAIN
    },
    Columns {
        kind: "PodDisruptionBudget",
        headers: &["NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"],
        cells: budgets::budget,
        headers_wide: &["COVERED", "HEALTHY", "NEEDED"],
        cells_wide: budgets::budget_wide,
    },
    Columns {
        kind: "LimitRange",
        headers: &["NAME", "CREATED AT"],
        cells: quotas::limit_range,
        ..PLAIN
    },
    Columns { kind: "Secret", headers: &["NAME", "TYPE", "DATA", "AGE"], cells: secret, ..PLAIN },
];

/// What every workload shows more of when asked for it.
const WORKLOAD: Columns = Columns {
    headers_wide: &["CONTAINERS", "IMAGES", "SELECTOR"],
    cells_wide: template_wide,
    ..PLAIN
};

/// What every other kind shows.
const PLAIN: Columns = Columns {
    kind: "",
    headers: &["NAME", "AGE"],
    cells: plain,
    headers_wide: &[],
    cells_wide: nothing,
};

/// The columns of a kind.
pub(crate) fn columns(kind: &str) -> Columns {
    COLUMNS.iter().find(|columns| columns.kind == kind).copied().unwrap_or(PLAIN)
}

impl Columns {
    /// The headers, `NAMESPACE` before them when asked for.
    pub(crate) fn headers(&self, namespaces: bool, wide: bool) -> Vec<&'static str> {
        let wide = if wide { self.headers_wide } else { &[] };
        let first = namespaces.then_some("NAMESPACE");
        first.into_iter().chain(self.headers.iter().copied()).chain(wide.iter().copied()).collect()
    }

    /// The cells of an object, in the order of [`Columns::headers`].
    pub(crate) fn row(
        &self,
        object: &Value,
        namespaces: bool,
        wide: bool,
        now: Timestamp,
    ) -> Vec<String> {
        let mut row = Vec::new();
        if namespaces {
            row.push(text(object, "/metadata/namespace").to_owned());
        }
        row.extend((self.cells)(object, now));
        if wide {
            row.extend((self.cells_wide)(object, now));
        }
        row
    }
}

fn deployment(object: &Value, now: Timestamp) -> Vec<String> {
    let desired = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    vec![
        name(object).to_owned(),
        format!("{}/{desired}", number(object, "/status/readyReplicas")),
        number(object, "/status/updatedReplicas").to_string(),
        number(object, "/status/availableReplicas").to_string(),
        age_of(object, now),
    ]
}

fn stateful_set(object: &Value, now: Timestamp) -> Vec<String> {
    let desired = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let ready = format!("{}/{desired}", number(object, "/status/readyReplicas"));
    vec![name(object).to_owned(), ready, age_of(object, now)]
}

fn replicas(object: &Value, now: Timestamp) -> Vec<String> {
    let desired = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    vec![
        name(object).to_owned(),
        desired.to_string(),
        number(object, "/status/replicas").to_string(),
        number(object, "/status/readyReplicas").to_string(),
        age_of(object, now),
    ]
}

fn daemon_set(object: &Value, now: Timestamp) -> Vec<String> {
    let count = |field: &str| number(object, &format!("/status/{field}")).to_string();
    vec![
        name(object).to_owned(),
        count("desiredNumberScheduled"),
        count("currentNumberScheduled"),
        count("numberReady"),
        count("updatedNumberScheduled"),
        count("numberAvailable"),
        pairs(object, "/spec/template/spec/nodeSelector"),
        age_of(object, now),
    ]
}

fn template_wide(object: &Value, _: Timestamp) -> Vec<String> {
    let containers = list(object, "/spec/template/spec/containers");
    let joined = |pointer: &str| {
        let all: Vec<&str> = containers.iter().map(|c| text(c, pointer)).collect();
        all.join(",")
    };
    vec![joined("/name"), joined("/image"), pairs(object, "/spec/selector/matchLabels")]
}

fn namespace(object: &Value, now: Timestamp) -> Vec<String> {
    let phase = match text(object, "/status/phase") {
        "" => "Active",
        phase => phase,
    };
    vec![name(object).to_owned(), phase.to_owned(), age_of(object, now)]
}

fn config_map(object: &Value, now: Timestamp) -> Vec<String> {
    let data = entries(object, "/data") + entries(object, "/binaryData");
    vec![name(object).to_owned(), data.to_string(), age_of(object, now)]
}

fn secret(object: &Value, now: Timestamp) -> Vec<String> {
    let kind = match text(object, "/type") {
        "" => "Opaque",
        kind => kind,
    };
    let data = entries(object, "/data").to_string();
    vec![name(object).to_owned(), kind.to_owned(), data, age_of(object, now)]
}

fn event(object: &Value, now: Timestamp) -> Vec<String> {
    let involved = text(object, "/involvedObject/kind").to_lowercase();
    let last = since(text(object, "/lastTimestamp"), now);
    vec![
        match number(object, "/count") {
            count if count > 1 => {
                format!("{last} (x{count} over {})", since(text(object, "/firstTimestamp"), now))
            }
            _ => last,
        },
        text(object, "/type").to_owned(),
        text(object, "/reason").to_owned(),
        format!("{involved}/{}", text(object, "/involvedObject/name")),
        text(object, "/message").to_owned(),
    ]
}

fn event_wide(object: &Value, _: Timestamp) -> Vec<String> {
    vec![or_none(text(object, "/source/component")), name(object).to_owned()]
}

fn plain(object: &Value, now: Timestamp) -> Vec<String> {
    vec![name(object).to_owned(), age_of(object, now)]
}

fn nothing(_: &Value, _: Timestamp) -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table;
    use expect_test::expect;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().expect("a time")
    }

    fn shown(kind: &str, objects: &[Value], namespaces: bool, wide: bool) -> String {
        let columns = columns(kind);
        let rows: Vec<_> =
            objects.iter().map(|o| columns.row(o, namespaces, wide, now())).collect();
        table(&columns.headers(namespaces, wide), &rows)
    }

    #[test]
    fn a_deployment_shows_kubectls_columns() {
        let web = json!({
            "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": "2026-01-01T00:30:00Z"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
            },
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}
        });
        expect![[r#"
            NAME   READY   UP-TO-DATE   AVAILABLE   AGE
            web    2/3     3            2           30m"#]]
        .assert_eq(&shown("Deployment", std::slice::from_ref(&web), false, false));
        expect![[r#"
            NAMESPACE   NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES    SELECTOR
            shop        web    2/3     3            2           30m   web          nginx:1   app=web"#]]
        .assert_eq(&shown("Deployment", &[web], true, true));
    }

    #[test]
    fn a_pod_that_is_in_trouble_says_so() {
        let pod = json!({
            "metadata": {"name": "web-1", "creationTimestamp": "2026-01-01T00:59:00Z"},
            "spec": {"nodeName": "n1", "containers": [{"name": "a"}, {"name": "b"}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "a", "ready": true, "restartCount": 0, "state": {"running": {}}},
                {"name": "b", "ready": false, "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
            ]}
        });
        let waiting = json!({
            "metadata": {"name": "web-2", "creationTimestamp": "2026-01-01T00:59:30Z"},
            "spec": {"containers": [{"name": "a"}]},
            "status": {"phase": "Pending"}
        });
        expect![[r#"
            NAME    READY   STATUS             RESTARTS   AGE   IP       NODE
            web-1   1/2     CrashLoopBackOff   4          60s   <none>   n1
            web-2   0/1     Pending            0          30s   <none>   <none>"#]]
        .assert_eq(&shown("Pod", &[pod, waiting], false, true));
    }

    #[test]
    fn a_node_shows_what_is_requested_and_its_share() {
        let ready = json!({
            "metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {
                "requested": {"cpu": "560m", "memory": "1Gi", "pods": "2"},
                "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}]
            }
        });
        let mut cordoned = ready.clone();
        cordoned["metadata"]["name"] = json!("n2");
        cordoned["spec"] = json!({"unschedulable": true});
        cordoned["status"]["requested"] = json!({});
        cordoned["status"]["conditions"][0]["status"] = json!("Unknown");
        expect![[r#"
            NAME   STATUS                       CPU REQUESTED   CPU ALLOCATABLE   MEMORY REQUESTED   MEMORY ALLOCATABLE   PODS    AGE
            n1     Ready                        560m (28%)      2                 1Gi (25%)          4Gi                  2/110   60m
            n2     Unknown,SchedulingDisabled   0 (0%)          2                 0 (0%)             4Gi                  0/110   60m"#]].assert_eq(&shown("Node", &[ready, cordoned], false, false));
    }

    #[test]
    fn a_node_shows_how_many_devices_are_free() {
        let node = |name: &str, devices: Value| {
            json!({"metadata": {"name": name}, "status": {
                "devices": devices, "conditions": [{"type": "Ready", "status": "True"}]}})
        };
        let device = |free: i64| json!({"milli": 1000, "milliFree": free});
        let nodes = [
            node("n1", json!([device(1000), device(700), device(0)])),
            node("n2", json!([device(1000)])),
            node("n3", json!([])),
        ];
        let told = shown("Node", &nodes, false, true);
        let free = |line: &str| line.split_whitespace().rev().nth(3).unwrap_or_default().to_owned();
        let free: Vec<String> = told.lines().skip(1).map(free).collect();
        assert_eq!(free, ["1.7/3", "1/1", "<none>"], "{told}");
    }

    #[test]
    fn an_event_says_when_what_and_of_whom() {
        let event = json!({
            "metadata": {"name": "web-1.7.0"}, "lastTimestamp": "2026-01-01T00:58:00Z",
            "type": "Normal", "reason": "Scheduled", "message": "fewer pods than desired",
            "involvedObject": {"kind": "Pod", "name": "web-1"}, "source": {"component": "placement"}
        });
        expect![[r#"
            LAST SEEN   TYPE     REASON      OBJECT      MESSAGE
            2m          Normal   Scheduled   pod/web-1   fewer pods than desired"#]]
        .assert_eq(&shown("Event", &[event], false, false));
    }

    #[test]
    fn services_show_where_they_are_reached_and_slices_by_whom_they_answer() {
        let metadata = json!({"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"});
        let service = json!({"metadata": metadata, "spec": {"type": "NodePort",
            "clusterIP": "127.96.1.2", "selector": {"app": "web"},
            "ports": [{"port": 80, "nodePort": 30_080}, {"port": 53, "protocol": "UDP"}]}});
        expect![[r#"
            NAME   TYPE       CLUSTER-IP   EXTERNAL-IP   PORT(S)               AGE   SELECTOR
            web    NodePort   127.96.1.2   <none>        80:30080/TCP,53/UDP   60m   app=web"#]]
        .assert_eq(&shown("Service", &[service], false, true));
        let endpoint = json!({"addresses": ["10.0.0.1"]});
        let endpoints = vec![endpoint; 4];
        let slice = json!({"metadata": metadata, "addressType": "IPv4",
            "ports": [{"port": 8080}], "endpoints": endpoints});
        expect![[r#"
            NAME   ADDRESSTYPE   PORTS   ENDPOINTS                                AGE
            web    IPv4          8080    10.0.0.1,10.0.0.1,10.0.0.1 + 1 more...   60m"#]]
        .assert_eq(&shown("EndpointSlice", &[slice], false, false));
    }

    #[test]
    fn every_other_kind_shows_name_and_age() {
        let service =
            json!({"metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        expect![[r#"
            NAME   AGE
            web    60m"#]]
        .assert_eq(&shown("Ingress", &[service], false, true));
    }
}
