//! What a field says where nobody says it: the defaults of Kubernetes' server.
//!
//! Source: the defaulting functions of `k8s.io/kubernetes/pkg/apis`, for the kinds that are managed and
//! the few kept ones that people compare. A default that is not here is taken to differ from nothing,
//! which shows a difference too many and never hides one.

use serde_json::{Map, Value};

use super::place::Place;

/// A default.
enum Is {
    Text(&'static str),
    Number(i64),
    Truth(bool),
}
use Is::{Number, Text, Truth};

/// By place: what its fields are when they are left out.
type Rows = &'static [(&'static [&'static str], &'static [(&'static str, Is)])];

const DEFAULTS: Rows = &[
    (
        &["template/spec", "Pod/spec"],
        &[
            ("restartPolicy", Text("Always")),
            ("dnsPolicy", Text("ClusterFirst")),
            ("schedulerName", Text("default-scheduler")),
            ("terminationGracePeriodSeconds", Number(30)),
            ("enableServiceLinks", Truth(true)),
            ("hostNetwork", Truth(false)),
            ("hostPID", Truth(false)),
            ("hostIPC", Truth(false)),
        ],
    ),
    (
        &["containers/*", "initContainers/*"],
        &[
            ("terminationMessagePath", Text("/dev/termination-log")),
            ("terminationMessagePolicy", Text("File")),
            ("stdin", Truth(false)),
            ("stdinOnce", Truth(false)),
            ("tty", Truth(false)),
        ],
    ),
    (&["ports/*"], &[("protocol", Text("TCP"))]),
    (&["env/*"], &[("value", Text(""))]),
    (&["fieldRef"], &[("apiVersion", Text("v1"))]),
    (&["resourceFieldRef"], &[("divisor", Text("0"))]),
    (&["volumeMounts/*"], &[("readOnly", Truth(false)), ("subPath", Text(""))]),
    (
        &[
            "volumes/*/configMap",
            "volumes/*/secret",
            "volumes/*/projected",
            "volumes/*/downwardAPI",
        ],
        &[("defaultMode", Number(0o644))],
    ),
    (&["volumes/*/hostPath"], &[("type", Text(""))]),
    (&["volumes/*/emptyDir"], &[("medium", Text(""))]),
    (&["volumes/*/persistentVolumeClaim"], &[("readOnly", Truth(false))]),
    (
        &["livenessProbe", "readinessProbe", "startupProbe"],
        &[
            ("initialDelaySeconds", Number(0)),
            ("timeoutSeconds", Number(1)),
            ("periodSeconds", Number(10)),
            ("successThreshold", Number(1)),
            ("failureThreshold", Number(3)),
        ],
    ),
    (&["httpGet"], &[("path", Text("/")), ("scheme", Text("HTTP"))]),
    (&["grpc"], &[("service", Text(""))]),
    (&["tolerations/*"], &[("operator", Text("Equal")), ("value", Text(""))]),
    (
        &["topologySpreadConstraints/*"],
        &[("nodeAffinityPolicy", Text("Honor")), ("nodeTaintsPolicy", Text("Ignore"))],
    ),
    (
        &["Deployment/spec"],
        &[
            ("replicas", Number(1)),
            ("minReadySeconds", Number(0)),
            ("revisionHistoryLimit", Number(10)),
            ("progressDeadlineSeconds", Number(600)),
            ("paused", Truth(false)),
        ],
    ),
    (&["ReplicaSet/spec", "ReplicationController/spec"], &[("replicas", Number(1))]),
    (&["Deployment/spec/strategy"], &[("type", Text("RollingUpdate"))]),
    (&["strategy/rollingUpdate"], &[("maxSurge", Text("25%")), ("maxUnavailable", Text("25%"))]),
    (&["DaemonSet/spec"], &[("revisionHistoryLimit", Number(10))]),
    (&["updateStrategy"], &[("type", Text("RollingUpdate"))]),
    (
        &["DaemonSet/spec/updateStrategy/rollingUpdate"],
        &[("maxSurge", Number(0)), ("maxUnavailable", Number(1))],
    ),
    (&["StatefulSet/spec/updateStrategy/rollingUpdate"], &[("partition", Number(0))]),
    (
        &["StatefulSet/spec"],
        &[
            ("replicas", Number(1)),
            ("podManagementPolicy", Text("OrderedReady")),
            ("revisionHistoryLimit", Number(10)),
        ],
    ),
    (
        &["volumeClaimTemplates/*"],
        &[("apiVersion", Text("v1")), ("kind", Text("PersistentVolumeClaim"))],
    ),
    (
        &["volumeClaimTemplates/*/spec", "PersistentVolumeClaim/spec"],
        &[("volumeMode", Text("Filesystem"))],
    ),
    (
        &["Job/spec", "jobTemplate/spec"],
        &[
            ("backoffLimit", Number(6)),
            ("completionMode", Text("NonIndexed")),
            ("suspend", Truth(false)),
            ("manualSelector", Truth(false)),
        ],
    ),
    (
        &["CronJob/spec"],
        &[
            ("concurrencyPolicy", Text("Allow")),
            ("suspend", Truth(false)),
            ("successfulJobsHistoryLimit", Number(3)),
            ("failedJobsHistoryLimit", Number(1)),
        ],
    ),
    (
        &["Service/spec"],
        &[
            ("type", Text("ClusterIP")),
            ("sessionAffinity", Text("None")),
            ("internalTrafficPolicy", Text("Cluster")),
            ("publishNotReadyAddresses", Truth(false)),
        ],
    ),
    (&["Secret"], &[("type", Text("Opaque"))]),
    (
        &["PriorityClass"],
        &[("preemptionPolicy", Text("PreemptLowerPriority")), ("globalDefault", Truth(false))],
    ),
    (
        &["PersistentVolume/spec"],
        &[("persistentVolumeReclaimPolicy", Text("Retain")), ("volumeMode", Text("Filesystem"))],
    ),
    (&["PersistentVolume/spec/hostPath"], &[("type", Text(""))]),
    (
        &["StorageClass"],
        &[("reclaimPolicy", Text("Delete")), ("volumeBindingMode", Text("Immediate"))],
    ),
];

/// Maps that say nothing when all that is in them says nothing. Of others an empty one has a meaning: an
/// empty selector selects all.
const PLAIN_MAPS: &[&str] = &[
    "metadata",
    "labels",
    "annotations",
    "resources",
    "limits",
    "requests",
    "securityContext",
    "nodeSelector",
    "affinity",
    "strategy",
    "updateStrategy",
    "rollingUpdate",
    "emptyDir",
    "data",
    "binaryData",
    "stringData",
];

/// Whether a field says no more than its absence would.
pub(super) fn says_nothing(
    place: &Place,
    name: &str,
    value: &Value,
    beside: &Map<String, Value>,
) -> bool {
    match value {
        Value::Null => return true,
        _ if !place.is_known() => return false,
        Value::Array(items) => return items.is_empty(),
        _ => {}
    }
    if is_of_the_server(place, name) || is_default(place, name, value) {
        return true;
    }
    match (value, name) {
        (Value::Object(fields), _) if PLAIN_MAPS.contains(&name) => {
            let within = place.field(name);
            fields.iter().all(|(name, value)| says_nothing(&within, name, value, fields))
        }
        (Value::String(policy), "imagePullPolicy") => {
            beside.get("image").and_then(Value::as_str).is_some_and(|i| policy == pull_policy(i))
        }
        (_, "targetPort") if place.is("Service/spec/ports/*") => beside.get("port") == Some(value),
        _ => false,
    }
}

/// What stands in a template of a claim and is the server's to write.
fn is_of_the_server(place: &Place, name: &str) -> bool {
    name == "status" && place.is("volumeClaimTemplates/*")
}

fn is_default(place: &Place, name: &str, value: &Value) -> bool {
    let rows = DEFAULTS.iter().filter(|(places, _)| places.iter().any(|pattern| place.is(pattern)));
    let mut fields = rows.flat_map(|(_, fields)| *fields).filter(|(field, _)| *field == name);
    fields.any(|(_, default)| match default {
        Text(text) => value.as_str() == Some(text),
        Number(number) => value.as_i64() == Some(*number),
        Truth(truth) => value.as_bool() == Some(*truth),
    })
}

/// What Kubernetes does where nothing is said: an image that may be another tomorrow is asked for anew.
fn pull_policy(image: &str) -> &'static str {
    let last = image.rsplit('/').next().unwrap_or(image);
    let is_latest =
        !last.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if is_latest { "Always" } else { "IfNotPresent" }
}
