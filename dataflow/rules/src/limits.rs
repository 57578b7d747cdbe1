//! What the LimitRanges of a namespace give its pods and forbid them, in Kubernetes' words.
//!
//! Guarantee: what a container says itself stands; where several LimitRanges give the same, the first does.
//! Absent: knowing which LimitRanges and pods there are.
//!
//! Source: Kubernetes' admission plugin LimitRanger, and `SetDefaults_LimitRangeItem`.

mod amounts;
mod bounds;
mod filling;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use setpoint_schemas::{PodSpec, Quantity};

use crate::quota;

pub use filling::{dress, worn};

/// Amounts by the names of what they are of.
type Amounts = BTreeMap<String, Quantity>;

/// A LimitRange, as far as it decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitRange {
    limits: Vec<Limit>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Limit {
    #[serde(rename = "type")]
    of: String,
    min: Amounts,
    max: Amounts,
    #[serde(rename = "default")]
    limit: Amounts,
    #[serde(rename = "defaultRequest")]
    request: Amounts,
    max_limit_request_ratio: Amounts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    limits: Vec<Limit>,
}

/// Why a pod is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// With what is filled in it contradicts itself.
    Invalid(String),
    /// A LimitRange forbids it.
    Forbidden(String),
}

impl LimitRange {
    /// The LimitRange of this body, with what Kubernetes adds to one: the most is the default limit, and
    /// that the default request, or else the least is. What the gate would have refused limits nothing.
    #[must_use]
    pub fn of(body: &Value) -> LimitRange {
        let spec: Spec = serde_json::from_value(body["spec"].clone()).unwrap_or_default();
        LimitRange { limits: spec.limits.into_iter().map(Limit::derived).collect() }
    }

    /// Why a claim of this body may not be so.
    #[must_use]
    pub fn forbids_claim(&self, body: &Value) -> Option<String> {
        let requests = &body["spec"]["resources"]["requests"];
        let requests: Amounts = serde_json::from_value(requests.clone()).unwrap_or_default();
        let of_claims = self.limits.iter().filter(|limit| limit.of == "PersistentVolumeClaim");
        together(of_claims.flat_map(|limit| bounds::of_claim(limit, &requests)).collect())
    }

    fn forbids_pod(&self, spec: &PodSpec) -> Option<String> {
        let whys = self.limits.iter().flat_map(|limit| match limit.of.as_str() {
            "Container" => bounds::of_containers(limit, spec),
            "Pod" => bounds::of_pod(limit, spec),
            _ => Vec::new(),
        });
        together(whys.collect())
    }
}

impl Limit {
    fn derived(mut self) -> Limit {
        if self.of != "Container" {
            return self;
        }
        let add = |to: &mut Amounts, from: &Amounts| {
            for (name, amount) in from {
                to.entry(name.clone()).or_insert_with(|| amount.clone());
            }
        };
        add(&mut self.limit, &self.max);
        add(&mut self.request, &self.limit);
        add(&mut self.request, &self.min);
        self
    }
}

/// Fills in what the containers of a pod's spec do not say; whether that is anything.
pub fn fill(ranges: &[&LimitRange], spec: &mut Value) -> bool {
    let of_containers = ranges.iter().flat_map(|range| &range.limits);
    let of_containers = of_containers.filter(|limit| limit.of == "Container");
    of_containers.fold(false, |filled, limit| filling::fill(limit, spec) | filled)
}

/// Takes over from the spec that was there before what may have been filled in for its containers and the new
/// one does not say.
pub fn keep(ranges: &[&LimitRange], spec: &mut Value, before: &Value) {
    let of_containers = ranges.iter().flat_map(|range| &range.limits);
    of_containers
        .filter(|limit| limit.of == "Container")
        .for_each(|limit| filling::keep(limit, spec, before));
}

/// Why a pod of this spec, with what was filled in, is not made; what the first that forbids it says.
#[must_use]
pub fn refuse(ranges: &[&LimitRange], spec: &PodSpec) -> Option<Refused> {
    let invalid = bounds::contradicted(spec).map(Refused::Invalid);
    let forbidden = || ranges.iter().find_map(|range| range.forbids_pod(spec));
    invalid.or_else(|| forbidden().map(Refused::Forbidden))
}

impl Refused {
    /// The sentence of Kubernetes' API server about a pod of this name.
    #[must_use]
    pub fn of_pod(&self, name: &str) -> String {
        match self {
            Refused::Invalid(why) => format!("Pod {name:?} is invalid: {why}"),
            Refused::Forbidden(why) => quota::forbidden("pods", name, why),
        }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Refused::Invalid(_) => 422,
            Refused::Forbidden(_) => 403,
        }
    }
}

/// Several reasons as Kubernetes lists them, each once.
fn together(whys: Vec<String>) -> Option<String> {
    let mut said: Vec<String> = Vec::new();
    for why in whys {
        if !said.contains(&why) {
            said.push(why);
        }
    }
    match said.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range(limits: Value) -> LimitRange {
        LimitRange::of(&json!({"spec": {"limits": limits}}))
    }

    fn of_containers(limit: Value) -> LimitRange {
        let mut limit = limit;
        limit["type"] = json!("Container");
        range(json!([limit]))
    }

    /// What a container with these resources has with what is filled in.
    fn filled(ranges: &[&LimitRange], resources: &Value) -> Value {
        let mut spec = json!({"containers": [{"name": "a", "resources": resources}]});
        fill(ranges, &mut spec);
        spec["containers"][0]["resources"].clone()
    }

    fn refused(ranges: &[&LimitRange], spec: &Value) -> String {
        let spec: PodSpec = serde_json::from_value(spec.clone()).expect("a spec");
        refuse(ranges, &spec).map_or_else(String::new, |refused| refused.of_pod("x"))
    }

    /// What is said of a pod of one container with these resources.
    fn said(range: &LimitRange, resources: Value) -> String {
        refused(&[range], &json!({"containers": [{"name": "a", "resources": resources}]}))
    }

    #[test]
    fn a_default_follows_from_what_is_said_of_it() {
        // (what the LimitRange says of cpu, what a container has that says nothing)
        let cpu = |amount: &str| json!({"cpu": amount});
        let table = [
            (
                json!({"default": cpu("2"), "defaultRequest": cpu("1")}),
                json!({"limits": cpu("2"), "requests": cpu("1")}),
            ),
            (json!({"default": cpu("2")}), json!({"limits": cpu("2"), "requests": cpu("2")})),
            (json!({"max": cpu("3")}), json!({"limits": cpu("3"), "requests": cpu("3")})),
            (
                json!({"max": cpu("3"), "default": cpu("2"), "min": cpu("1")}),
                json!({"limits": cpu("2"), "requests": cpu("2")}),
            ),
            (json!({"min": cpu("1")}), json!({"requests": cpu("1")})),
            (json!({"maxLimitRequestRatio": cpu("2")}), json!({})),
        ];
        for (limit, expected) in table {
            let range = of_containers(limit.clone());
            assert_eq!(filled(&[&range], &json!({})), expected, "{limit}");
        }
        let of_pods = range(json!([{"type": "Pod", "max": cpu("2")}]));
        assert_eq!(filled(&[&of_pods], &json!({})), json!({}), "a pod has no default");
    }

    #[test]
    fn what_a_container_says_itself_stands_and_the_first_limit_range_gives() {
        let range = of_containers(json!({
            "default": {"cpu": "1", "memory": "64Mi"}, "defaultRequest": {"cpu": "500m"}}));
        let other = of_containers(json!({"default": {"cpu": "8", "example.com/a": "1"}}));
        let said = json!({"limits": {"cpu": "2"}});
        assert_eq!(
            filled(&[&range], &said),
            json!({"limits": {"cpu": "2", "memory": "64Mi"}, "requests": {"memory": "64Mi"}}),
            "a limit stands in for the request"
        );
        assert_eq!(
            filled(&[&range, &other], &json!({"requests": {"cpu": "100m"}})),
            json!({
                "limits": {"cpu": "1", "memory": "64Mi", "example.com/a": "1"},
                "requests": {"cpu": "100m", "memory": "64Mi", "example.com/a": "1"},
            })
        );
        let mut full = json!({"containers": [{"name": "a", "resources": {
            "limits": {"cpu": "1", "memory": "1Gi"}}}]});
        assert!(!fill(&[&range], &mut full), "nothing is left to fill in");
    }

    #[test]
    fn init_containers_have_defaults_too() {
        let range = of_containers(json!({"default": {"cpu": "1"}}));
        let mut spec = json!({"initContainers": [{"name": "i"}], "containers": [{"name": "a"}]});
        assert!(fill(&[&range], &mut spec));
        for list in ["initContainers", "containers"] {
            assert_eq!(spec[list][0]["resources"]["limits"]["cpu"], "1", "{list}");
        }
    }

    #[test]
    fn a_container_keeps_within_its_bounds() {
        let range = of_containers(json!({"min": {"cpu": "100m"}, "max": {"cpu": "800m"}}));
        let table = [
            (json!({"limits": {"cpu": "500m"}}), ""),
            (
                json!({"limits": {"cpu": "1600m"}}),
                "maximum cpu usage per Container is 800m, but limit is 1600m",
            ),
            (
                json!({"requests": {"cpu": "50m"}, "limits": {"cpu": "0.8"}}),
                "minimum cpu usage per Container is 100m, but request is 50m",
            ),
            (
                json!({"requests": {"cpu": "200m"}}),
                "maximum cpu usage per Container is 800m.  No limit is specified",
            ),
            (
                json!({}),
                "[minimum cpu usage per Container is 100m.  No request is specified, \
                 maximum cpu usage per Container is 800m.  No limit is specified]",
            ),
        ];
        for (resources, why) in table {
            let expected = match why {
                "" => String::new(),
                why => format!("pods \"x\" is forbidden: {why}"),
            };
            assert_eq!(said(&range, resources.clone()), expected, "{resources}");
        }
    }

    #[test]
    fn a_limit_is_not_too_far_from_its_request() {
        let range = of_containers(json!({"maxLimitRequestRatio": {"memory": "2"}}));
        let of = |request: &str, limit: &str| json!({"requests": {"memory": request}, "limits": {"memory": limit}});
        assert_eq!(said(&range, of("100Mi", "200Mi")), "");
        assert_eq!(
            said(&range, of("100Mi", "250Mi")),
            "pods \"x\" is forbidden: memory max limit to request ratio per Container is 2, but \
             provided ratio is 2.500000"
        );
        assert_eq!(
            said(&range, json!({})),
            "pods \"x\" is forbidden: memory max limit to request ratio per Container is 2, but no \
             request is specified or request is 0"
        );
        assert_eq!(
            said(&range, json!({"requests": {"memory": "1Mi"}})),
            "pods \"x\" is forbidden: memory max limit to request ratio per Container is 2, but no \
             limit is specified or limit is 0"
        );
    }

    #[test]
    fn a_pod_is_measured_at_its_hungriest() {
        let range = range(json!([{"type": "Pod", "max": {"cpu": "2"}}]));
        let of = |cpu: &str| json!({"name": "a", "resources": {"limits": {"cpu": cpu}}});
        let side = |cpu: &str| {
            let mut side = of(cpu);
            side["restartPolicy"] = json!("Always");
            side
        };
        // (init containers, containers, what the limits come to)
        let table = [
            (json!([]), json!([of("1"), of("1")]), ""),
            (json!([]), json!([of("1"), of("1100m")]), "2100m"),
            (json!([of("2")]), json!([of("1"), of("1")]), ""),
            (json!([of("3")]), json!([of("1")]), "3"),
            (json!([side("1")]), json!([of("1500m")]), "2500m"),
            (json!([side("1"), of("1500m")]), json!([of("500m")]), "2500m"),
            (json!([of("2"), side("1")]), json!([of("1")]), ""),
        ];
        for (init, containers, sum) in table {
            let spec = json!({"initContainers": init, "containers": containers});
            let expected = match sum {
                "" => String::new(),
                sum => format!(
                    "pods \"x\" is forbidden: maximum cpu usage per Pod is 2, but limit is {sum}"
                ),
            };
            assert_eq!(refused(&[&range], &spec), expected, "{spec}");
        }
    }

    #[test]
    fn what_is_filled_in_may_contradict_what_is_said() {
        let range = of_containers(json!({"default": {"cpu": "500m"}}));
        let mut spec = json!({"containers": [
            {"name": "a", "resources": {"requests": {"cpu": "700m"}}}]});
        fill(&[&range], &mut spec);
        assert_eq!(
            refused(&[&range], &spec),
            "Pod \"x\" is invalid: spec.containers[0].resources.requests: Invalid value: \"700m\": \
             must be less than or equal to cpu limit of 500m"
        );
    }

    #[test]
    fn the_first_limit_range_that_forbids_says_so() {
        let of_cpu = of_containers(json!({"max": {"cpu": "1"}}));
        let of_memory = of_containers(json!({"max": {"memory": "1Gi"}}));
        let spec = json!({"containers": [
            {"name": "a", "resources": {"limits": {"cpu": "2", "memory": "2048Mi"}}}]});
        let of = |why: &str| format!("pods \"x\" is forbidden: {why}");
        assert_eq!(
            refused(&[&of_cpu, &of_memory], &spec),
            of("maximum cpu usage per Container is 1, but limit is 2")
        );
        assert_eq!(
            refused(&[&of_memory, &of_cpu], &spec),
            of("maximum memory usage per Container is 1Gi, but limit is 2Gi")
        );
    }

    #[test]
    fn a_claim_asks_for_neither_too_little_nor_too_much() {
        let range = range(json!([{"type": "PersistentVolumeClaim",
            "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}]));
        let claim = |storage: &str| {
            let body = json!({"spec": {"resources": {"requests": {"storage": storage}}}});
            range.forbids_claim(&body).unwrap_or_default()
        };
        assert_eq!(claim("1Gi"), "");
        let why = "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi";
        assert_eq!(claim("512Mi"), why);
        let why = "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi";
        assert_eq!(claim("3072Mi"), why);
    }

    #[test]
    fn what_a_pod_wears_is_told_and_put_on_again() {
        let range = of_containers(json!({"default": {"cpu": "1"}}));
        let bare = json!({"initContainers": [{"name": "i", "resources": {"limits": {"cpu": "2"}}}],
            "containers": [{"name": "a"}, {"name": "b"}]});
        let mut dressed = bare.clone();
        assert!(fill(&[&range], &mut dressed));
        let text = worn(&dressed);
        assert_ne!(text, worn(&bare));
        let mut again = bare.clone();
        dress(&mut again, &text);
        assert_eq!(again, dressed);
        dress(&mut again, &worn(&bare));
        assert_eq!(again, bare, "and taken off");
    }
}
