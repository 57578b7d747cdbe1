//! Quotas and LimitRanges counted anew: what is made keeps within them, has what they give, and nobody waits
//! whom they let be made.
//!
//! Absent: claims (`bounded_claims.rs`), scopes, and what journeys do not bound.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_schemas::{PodSpec, PodUid, Quantity, ResourceKey};

use super::world::{PodSeen, Wanted, World};

/// What a container is limited by, of its cpu in thousandths.
#[derive(Debug, Clone, Copy, Default)]
struct Limits {
    limit: Option<i64>,
    request: Option<i64>,
    max: Option<i64>,
}

/// What pods and claims come to, or may: how many, and thousandths of cpu and of bytes.
pub(super) type Sums = BTreeMap<String, i64>;

/// What pods come to, by the names of quotas.
const OF_PODS: [&str; 3] = ["pods", "requests.cpu", "limits.cpu"];

/// Whether this bounds a namespace.
pub(super) fn is_bound(key: &ResourceKey) -> bool {
    matches!(&*key.kind.kind, "ResourceQuota" | "LimitRange")
}

/// The pods that are there before an epoch's are, where anything is bounded.
pub(super) fn known(world: &World) -> Option<BTreeSet<PodUid>> {
    let is_bounded = world.resources.keys().any(is_bound);
    is_bounded.then(|| world.pods.keys().cloned().collect())
}

/// No new pod is beyond a quota, and each has what LimitRanges give.
pub(super) fn new_pods_keep_within(world: &World, known: &BTreeSet<PodUid>) -> Result<(), String> {
    let is_new = |(uid, pod): &(&PodUid, &PodSeen)| !pod.stopping && !known.contains(*uid);
    for (uid, pod) in world.pods.iter().filter(is_new) {
        let namespace = pod.placement.pattern.namespace.as_str();
        // Who stops may be gone for its quota: of those who run nobody doubts that they count.
        let used = used(world, namespace, |pod| !pod.stopping && !pod.ended);
        for hard in quotas(world, namespace) {
            let over = hard.iter().find(|(name, most)| used.get(*name) > Some(*most));
            if let Some((name, most)) = over {
                return Err(format!("with {uid} {name} of {namespace} is {used:?} of {most}"));
            }
        }
        let owner = world.workloads.get(&*pod.placement.pattern.workload);
        if owner.is_some_and(|owner| owner.kind != "Pod") {
            has_its_defaults(world, namespace, &pod.spec)
                .map_err(|why| format!("{uid} is made without its defaults: {why}"))?;
        }
    }
    Ok(())
}

fn has_its_defaults(world: &World, namespace: &str, spec: &PodSpec) -> Result<(), String> {
    for limits in limits(world, namespace) {
        for container in spec.every_container() {
            let resources = &container.resources;
            let (limit, request) = (resources.limits.get("cpu"), resources.requests.get("cpu"));
            let lacks_limit = limits.limit.is_some() && limit.is_none();
            let lacks_request = limits.request.is_some() && request.or(limit).is_none();
            if lacks_limit || lacks_request {
                return Err(format!("{} has {resources:?}", container.name));
            }
        }
    }
    Ok(())
}

/// A spec as pods have it that are made now.
pub(super) fn dressed<'s>(world: &World, namespace: &str, spec: &'s PodSpec) -> Cow<'s, PodSpec> {
    let mut spec = Cow::Borrowed(spec);
    for limits in limits(world, namespace) {
        for container in spec.to_mut().every_container_mut() {
            let resources = &mut container.resources;
            let is_limited = resources.limits.contains_key("cpu");
            let cpu = |milli: i64| Quantity::parse(&format!("{milli}m")).ok();
            if let Some(limit) = limits.limit.and_then(cpu).filter(|_| !is_limited) {
                resources.limits.insert("cpu".to_owned(), limit);
            }
            let is_asked = is_limited || resources.requests.contains_key("cpu");
            if let Some(request) = limits.request.and_then(cpu).filter(|_| !is_asked) {
                resources.requests.insert("cpu".to_owned(), request);
            }
        }
    }
    spec
}

/// Whether no pod of a workload may be made now.
pub(super) fn forbids(world: &World, wanted: &Wanted) -> bool {
    let namespace = wanted.namespace.as_str();
    let spec = dressed(world, namespace, &wanted.spec.template.spec);
    is_outside(world, namespace, &spec) || is_beyond(world, namespace, &spec)
}

fn is_outside(world: &World, namespace: &str, spec: &PodSpec) -> bool {
    limits(world, namespace).iter().any(|limits| {
        spec.every_container().any(|container| {
            let of = |amount: Option<&Quantity>| amount.map(Quantity::milli);
            let limit = of(container.resources.limits.get("cpu"));
            let request = of(container.resources.requests.get("cpu")).or(limit);
            let is_above = |max: i64| limit.is_none_or(|limit| limit > max) || request > Some(max);
            limits.max.is_some_and(is_above) || limit.is_some_and(|limit| request > Some(limit))
        })
    })
}

fn is_beyond(world: &World, namespace: &str, spec: &PodSpec) -> bool {
    let used = used(world, namespace, |pod| {
        let is_lost = world.is_lost(&pod.placement.node);
        !(pod.is_finished() || (pod.stopping && is_lost))
    });
    let one = of_pod(spec);
    let says = |name: &str| {
        spec.every_container().all(|container| {
            let resources = &container.resources;
            let is_limited = resources.limits.contains_key("cpu");
            is_limited || (name == "requests.cpu" && resources.requests.contains_key("cpu"))
        })
    };
    let is_over = |(name, most): (&String, &i64)| {
        let unsaid = name != "pods" && !says(name);
        let asked = one.get(name).copied().unwrap_or(0);
        let is_too_much = asked > 0 && used.get(name).copied().unwrap_or(0) + asked > *most;
        OF_PODS.contains(&name.as_str()) && (unsaid || is_too_much)
    };
    quotas(world, namespace).iter().any(|hard| hard.iter().any(is_over))
}

fn used(world: &World, namespace: &str, counts: impl Fn(&PodSeen) -> bool) -> Sums {
    let mut used = Sums::new();
    let here = |pod: &&PodSeen| pod.placement.pattern.namespace.as_str() == namespace;
    for pod in world.pods.values().filter(here).filter(|pod| pod.is_here() && counts(pod)) {
        for (name, amount) in of_pod(&pod.spec) {
            *used.entry(name).or_default() += amount;
        }
    }
    used
}

/// What one pod comes to; journeys have pods of one container each.
fn of_pod(spec: &PodSpec) -> Sums {
    let milli = |amount: Option<&Quantity>| amount.map_or(0, Quantity::milli);
    let (mut requests, mut limits) = (0, 0);
    for container in &spec.containers {
        let resources = &container.resources;
        let limit = resources.limits.get("cpu");
        limits += milli(limit);
        requests += milli(resources.requests.get("cpu").or(limit));
    }
    let sums = OF_PODS.into_iter().zip([1, requests, limits]);
    sums.map(|(name, amount)| (name.to_owned(), amount)).collect()
}

/// What each quota of a namespace allows.
pub(super) fn quotas(world: &World, namespace: &str) -> Vec<Sums> {
    let hard = |spec: &Value| {
        let bounds = spec["hard"].as_object().into_iter().flatten();
        let bound = |(name, most): (&String, &Value)| {
            let most = Quantity::parse(most.as_str()?).ok()?;
            let is_counted = matches!(name.as_str(), "pods" | "persistentvolumeclaims");
            let most = if is_counted { most.units() } else { most.milli() };
            Some((name.clone(), most))
        };
        bounds.filter_map(bound).collect()
    };
    specs(world, namespace, "ResourceQuota").iter().map(hard).collect()
}

/// What the LimitRanges of a namespace say, in the order of their names.
fn limits(world: &World, namespace: &str) -> Vec<Limits> {
    let specs = specs(world, namespace, "LimitRange");
    let limits = specs.iter().flat_map(|spec| spec["limits"].as_array().into_iter().flatten());
    let of = |limit: &Value| {
        let cpu = |said: &str| Some(Quantity::parse(limit[said]["cpu"].as_str()?).ok()?.milli());
        Limits { limit: cpu("default"), request: cpu("defaultRequest"), max: cpu("max") }
    };
    limits.map(of).collect()
}

/// What the objects of a kind in a namespace say, in the order of their names.
pub(super) fn specs(world: &World, namespace: &str, kind: &str) -> Vec<Value> {
    let is_it = |key: &ResourceKey| &*key.kind.kind == kind && &*key.namespace == namespace;
    let found = world.resources.iter().filter(|(key, _)| is_it(key));
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    found.map(|(_, resource)| read(&resource.body)["spec"].take()).collect()
}
