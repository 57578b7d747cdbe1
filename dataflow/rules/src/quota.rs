//! What a ResourceQuota allows in its namespace, in Kubernetes' words.
//!
//! Guarantee: amounts are whole thousandths, added and taken back without loss, so that a sum that is kept up
//! to date is the sum that counting anew gives. Absent: knowing which pods and objects there are.
//!
//! Source: Kubernetes' `pkg/quota/v1/evaluator/core` and the admission plugin ResourceQuota.

mod measure;
mod scope;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use setpoint_schemas::{Container, PodSpec, Quantity, Resources};

pub use measure::{Holdings, Measure, Milli, resource_of};

use measure::ONE;
use scope::Scope;

/// How a refusal begins that is a claim's.
const WITHOUT_CLAIM: &str = "failed to create PVC ";

/// A quota, as far as it decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// What it bounds, in the order of the names.
    pub bounds: Vec<Bound>,
    scopes: Vec<Scope>,
}

/// One bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Such as `requests.cpu`.
    pub name: String,
    /// What is measured.
    pub measure: Measure,
    /// At most this.
    most: Milli,
    /// The same as it was written.
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    hard: BTreeMap<String, Quantity>,
    scopes: Vec<String>,
    scope_selector: Selector,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_expressions: Vec<Scope>,
}

impl Bound {
    /// Whether it allows as much.
    #[must_use]
    pub fn allows(&self, used: Milli) -> bool {
        used <= self.most
    }
}

impl Quota {
    /// The quota of this body. What the gate would have refused bounds nothing.
    #[must_use]
    pub fn of(body: &Value) -> Quota {
        let spec: Spec = serde_json::from_value(body["spec"].clone()).unwrap_or_default();
        let bound = |(name, most): (String, Quantity)| {
            let (measure, text) = (Measure::of(&name)?, most.as_str().to_owned());
            Some(Bound { name, measure, most: Milli::from(most.milli()), text })
        };
        let named = spec.scopes.into_iter().map(Scope::named);
        Quota {
            bounds: spec.hard.into_iter().filter_map(bound).collect(),
            scopes: named.chain(spec.scope_selector.match_expressions).collect(),
        }
    }

    /// Whether a pod of this spec counts.
    #[must_use]
    pub fn covers(&self, spec: &PodSpec) -> bool {
        self.scopes.iter().all(|scope| scope.matches(spec))
    }

    /// What one pod of this spec counts for each bound.
    #[must_use]
    pub fn charge(&self, spec: &PodSpec) -> Vec<Milli> {
        let (requests, limits) = (spec.requests(), limits_of(spec));
        let of = |bound: &Bound| match &bound.measure {
            Measure::Pods | Measure::EveryPod => ONE,
            Measure::Requests(name) => amount(&requests, name),
            Measure::Limits(name) => amount(&limits, name),
            _ => 0,
        };
        self.bounds.iter().map(of).collect()
    }

    /// What a pod of this spec must say and does not, in Kubernetes' words; empty when it says all.
    #[must_use]
    pub fn unsaid(&self, spec: &PodSpec) -> String {
        let missing = self.bounds.iter().filter_map(|bound| {
            let names: Vec<&str> = spec
                .every_container()
                .filter(|container| !bound.measure.is_said_by(container))
                .map(|container| container.name.as_str())
                .collect();
            (!names.is_empty()).then(|| format!("{} for: {}", bound.name, names.join(",")))
        });
        missing.collect::<Vec<_>>().join("; ")
    }

    /// Why as much more is too much, in Kubernetes' words; what asks for nothing more of a bound does not
    /// exceed it.
    #[must_use]
    pub fn exceeded(&self, name: &str, asked: &[Milli], used: &[Milli]) -> Option<String> {
        let all = self.bounds.iter().zip(asked.iter().zip(used));
        let is_over = |(bound, (asked, used)): &(&Bound, (&Milli, &Milli))| {
            **asked > 0 && **used + **asked > bound.most
        };
        let over: Vec<_> = all.filter(is_over).collect();
        if over.is_empty() {
            return None;
        }
        let list = |of: &dyn Fn(&Bound, Milli, Milli) -> String| {
            let each = over.iter().map(|(bound, (asked, used))| {
                format!("{}={}", bound.name, of(bound, **asked, **used))
            });
            each.collect::<Vec<_>>().join(",")
        };
        Some(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            list(&|bound, asked, _| bound.measure.shown(asked)),
            list(&|bound, _, used| bound.measure.shown(used)),
            list(&|bound, _, _| bound.text.clone()),
        ))
    }

    /// The status of its object.
    #[must_use]
    pub fn status(&self, used: &[Milli]) -> Value {
        let hard = self.bounds.iter().map(|bound| (bound.name.clone(), json!(bound.text)));
        let used = self.bounds.iter().zip(used);
        let used =
            used.map(|(bound, used)| (bound.name.clone(), json!(bound.measure.shown(*used))));
        json!({"hard": hard.collect::<Map<_, _>>(), "used": used.collect::<Map<_, _>>()})
    }
}

/// Why a pod is not made that says too little.
#[must_use]
pub fn failed(quota: &str, unsaid: &str) -> String {
    format!("failed quota: {quota}: must specify {unsaid}")
}

/// Why an object is not made, in Kubernetes' words.
#[must_use]
pub fn forbidden(resource: &str, name: &str, why: &str) -> String {
    format!("{resource} {name:?} is forbidden: {why}")
}

/// Why a pod is not made whose claim may not be made, as Kubernetes' StatefulSets say it.
#[must_use]
pub fn without_claim(claim: &str, why: &str) -> String {
    format!("{WITHOUT_CLAIM}{claim}: {why}")
}

/// The amount that stands in a reason.
#[must_use]
pub fn amount_of(text: &str) -> Option<Milli> {
    Quantity::parse(text).ok().map(|amount| Milli::from(amount.milli()))
}

/// Whether this is why a pod was not made: then it is not there to be seen either.
#[must_use]
pub fn is_refusal(why: &str) -> bool {
    let is_said = |begin: &str, then: &str| why.starts_with(begin) && why.contains(then);
    is_said("pods \"", "\" is forbidden: ")
        || is_said("Pod \"", "\" is invalid: ")
        || why.starts_with(WITHOUT_CLAIM)
}

/// The rule by which a pod is not made.
#[must_use]
pub fn rule_of(refusal: &str) -> &'static str {
    if is_awaited(refusal) { "quota" } else { "limit_range" }
}

/// Whether what is waited for is room in a quota.
#[must_use]
pub fn is_awaited(why: &str) -> bool {
    why.contains("exceeded quota: ") || why.contains("failed quota: ")
}

/// What the containers may use at most, added up as their requests are.
fn limits_of(spec: &PodSpec) -> Resources {
    let mut spec = PodSpec {
        containers: spec.containers.clone(),
        init_containers: spec.init_containers.clone(),
        ..PodSpec::default()
    };
    for container in spec.every_container_mut() {
        container.resources.requests = container.resources.limits.clone();
    }
    spec.requests()
}

fn amount(resources: &Resources, name: &str) -> Milli {
    match name {
        "cpu" => Milli::from(resources.cpu_milli),
        "memory" => Milli::from(resources.memory_bytes) * ONE,
        "ephemeral-storage" => Milli::from(resources.ephemeral_bytes) * ONE,
        other => resources.extended.get(other).map_or(0, |amount| Milli::from(*amount) * ONE),
    }
}

impl Measure {
    /// Whether a container says as much as counting it needs: Kubernetes asks for cpu and memory only.
    fn is_said_by(&self, container: &Container) -> bool {
        let resources = &container.resources;
        let is_compute = |name: &str| matches!(name, "cpu" | "memory");
        match self {
            Measure::Requests(name) if is_compute(name) => {
                resources.requests.contains_key(name) || resources.limits.contains_key(name)
            }
            Measure::Limits(name) if is_compute(name) => resources.limits.contains_key(name),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(spec: Value) -> Quota {
        Quota::of(&json!({"spec": spec}))
    }

    fn pod(containers: Value) -> PodSpec {
        serde_json::from_value(json!({"containers": containers})).expect("a spec")
    }

    fn of_class(class: &str) -> PodSpec {
        PodSpec { priority_class_name: Some(class.to_owned()), ..PodSpec::default() }
    }

    #[test]
    fn a_pod_counts_for_what_its_containers_ask_for_and_may_use() {
        let quota = quota(json!({"hard": {
            "pods": "4", "requests.cpu": "1", "memory": "1Gi", "limits.cpu": "2",
            "requests.example.com/gpu": 1, "configmaps": "3",
        }}));
        let names: Vec<&str> = quota.bounds.iter().map(|bound| bound.name.as_str()).collect();
        let sorted = [
            "configmaps",
            "limits.cpu",
            "memory",
            "pods",
            "requests.cpu",
            "requests.example.com/gpu",
        ];
        assert_eq!(names, sorted);
        let spec = pod(json!([
            {"name": "a", "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}}},
            {"name": "b", "resources": {"limits": {"cpu": "250m", "example.com/gpu": "2"}}},
        ]));
        let mebi = 1 << 20;
        assert_eq!(quota.charge(&spec), [0, 250, 64 * mebi * 1_000, 1_000, 350, 2_000]);
        assert_eq!(quota.unsaid(&spec), "limits.cpu for: a; memory for: b");
    }

    #[test]
    fn what_is_too_much_is_said_as_kubernetes_says_it() {
        let quota =
            quota(json!({"hard": {"pods": "2", "requests.cpu": "1", "requests.memory": "1Gi"}}));
        let gibi: Milli = (1 << 30) * 1_000;
        let asked = [1_000, 500, gibi / 2];
        assert_eq!(
            quota.exceeded("q", &asked, &[1_000, 500, gibi / 2]),
            None,
            "what fits exactly fits"
        );
        assert_eq!(
            quota.exceeded("q", &asked, &[2_000, 750, gibi / 4]).as_deref(),
            Some(
                "exceeded quota: q, requested: pods=1,requests.cpu=500m, used: pods=2,requests.cpu=750m, \
                 limited: pods=2,requests.cpu=1"
            )
        );
        let nothing = quota.exceeded("q", &[0, 0, -1], &[9_000, 9_000, 9 * gibi]);
        assert_eq!(nothing, None, "who asks for nothing more exceeds nothing");
        assert_eq!(
            quota.status(&[2_000, 1_250, gibi * 3 / 2]),
            json!({
                "hard": {"pods": "2", "requests.cpu": "1", "requests.memory": "1Gi"},
                "used": {"pods": "2", "requests.cpu": "1250m", "requests.memory": "1536Mi"},
            })
        );
    }

    #[test]
    fn scopes_say_which_pods_count() {
        let asks = pod(json!([{"name": "a", "resources": {"requests": {"cpu": "1"}}}]));
        let plain = pod(json!([{"name": "a"}]));
        let ends = PodSpec { active_deadline_seconds: Some(60), ..plain.clone() };
        let by = |name: &str, operator: &str, values: &[&str]| {
            json!({"scopeSelector": {"matchExpressions": [
                {"scopeName": name, "operator": operator, "values": values}]}})
        };
        let class = "PriorityClass";
        let table = [
            (json!({"scopes": ["BestEffort"]}), &plain, true),
            (json!({"scopes": ["BestEffort"]}), &asks, false),
            (json!({"scopes": ["NotBestEffort"]}), &asks, true),
            (json!({"scopes": ["Terminating"]}), &ends, true),
            (json!({"scopes": ["Terminating"]}), &plain, false),
            (json!({"scopes": ["NotTerminating", "BestEffort"]}), &plain, true),
            (json!({"scopes": ["NotTerminating", "BestEffort"]}), &ends, false),
            (by(class, "In", &["high"]), &of_class("high"), true),
            (by(class, "In", &["high"]), &of_class("low"), false),
            (by(class, "In", &["high"]), &plain, false),
            (by(class, "NotIn", &["high"]), &plain, true),
            (by(class, "NotIn", &["high"]), &of_class("high"), false),
            (by(class, "Exists", &[]), &of_class("low"), true),
            (by(class, "DoesNotExist", &[]), &of_class("low"), false),
            (by("Terminating", "Exists", &[]), &ends, true),
        ];
        for (spec, pod, expected) in table {
            assert_eq!(quota(spec.clone()).covers(pod), expected, "{spec}");
        }
    }

    #[test]
    fn a_refusal_is_known_by_its_words() {
        let why = forbidden("pods", "web-1", "exceeded quota: q, requested: pods=1");
        assert_eq!(why, "pods \"web-1\" is forbidden: exceeded quota: q, requested: pods=1");
        assert!(is_refusal(&why) && is_awaited(&why));
        let waits = "exceeded quota: q, requested: pods=1";
        assert!(!is_refusal(waits) && is_awaited(waits));
        let claim = without_claim("data-web-0", &forbidden("persistentvolumeclaims", "a", waits));
        assert!(is_refusal(&claim) && is_awaited(&claim));
        let invalid = "Pod \"web-1\" is invalid: spec.containers[0]";
        assert!(is_refusal(invalid) && !is_awaited(invalid));
        assert_eq!([rule_of(&claim), rule_of(invalid)], ["quota", "limit_range"]);
        let no_room = "0/3 nodes are available: 3 Insufficient cpu.";
        assert!(!is_refusal(no_room) && !is_awaited(no_room));
        assert_eq!(
            failed("q", "limits.cpu for: a"),
            "failed quota: q: must specify limits.cpu for: a"
        );
    }
}
