//! Claims that sets make for their pods, in bounded namespaces: none is made beyond a quota or larger than a
//! LimitRange lets it be, and no pod waits for one that may be made.
//!
//! A claim counts until it is gone, also while it leaves. Absent: claims that people ask for themselves; they are
//! answered with their requests.

use std::collections::BTreeSet;

use serde_json::Value;
use setpoint_schemas::{ClaimStatus, Quantity, Resource, ResourceKey};

use super::bounded::{Sums, is_bound, quotas, specs};
use super::world::{Wanted, World};

/// How many there are, as quotas have it.
const COUNT: &str = "persistentvolumeclaims";
/// What they ask for together, in thousandths of bytes.
const STORAGE: &str = "requests.storage";

/// The claims that are there before an epoch, also of namespaces that it bounds for the first time.
pub(super) fn known(world: &World) -> BTreeSet<ResourceKey> {
    world.resources.keys().filter(|key| is_claim(key)).cloned().collect()
}

/// No claim that an epoch made for a set is beyond its bounds: sets make them after all that was asked for.
pub(super) fn new_ones_keep_within(
    world: &World,
    known: &BTreeSet<ResourceKey>,
) -> Result<(), String> {
    for (key, claim) in world.resources.iter().filter(|(key, _)| is_claim(key)) {
        let namespace = &*key.namespace;
        let is_made = !ClaimStatus::read(&claim.status).made_for.is_empty();
        if !is_made || !world.bounded.contains(namespace) || known.contains(key) {
            continue;
        }
        let held = held(world, namespace);
        for hard in quotas(world, namespace) {
            let over = hard.iter().find(|(name, most)| held.get(*name) > Some(*most));
            if let Some((name, most)) = over {
                return Err(format!("with {key} {name} of {namespace} is {held:?} of {most}"));
            }
        }
        if is_too_large(world, namespace, size_of(&body_of(claim))) {
            return Err(format!("{key} is larger than a LimitRange lets it be"));
        }
    }
    Ok(())
}

/// Whether a pod of this name lacks a claim of its own that may not be made now.
pub(super) fn forbid(world: &World, wanted: &Wanted, pod: &str) -> bool {
    let namespace = wanted.namespace.as_str();
    if !world.bounded.contains(namespace) {
        return false;
    }
    let held = held(world, namespace);
    let quotas = quotas(world, namespace);
    let may_not_be = |template: &Value| {
        let name = template["metadata"]["name"].as_str().unwrap_or_default();
        let size = size_of(template);
        let asked = Sums::from([(COUNT.to_owned(), 1), (STORAGE.to_owned(), size)]);
        let is_beyond = |hard: &Sums| {
            let mut asked = asked.iter();
            asked.any(|(name, more)| hard.get(name).is_some_and(|most| held[name] + more > *most))
        };
        let is_there = world.claim(namespace, &format!("{name}-{pod}")).is_some();
        !is_there && (quotas.iter().any(is_beyond) || is_too_large(world, namespace, size))
    };
    wanted.job["volumeClaimTemplates"].as_array().into_iter().flatten().any(may_not_be)
}

/// What the claims of a namespace come to.
fn held(world: &World, namespace: &str) -> Sums {
    let is_here = |key: &ResourceKey| is_claim(key) && &*key.namespace == namespace;
    let here = world.resources.iter().filter(|(key, _)| is_here(key));
    let sizes: Vec<i64> = here.map(|(_, claim)| size_of(&body_of(claim))).collect();
    let count = i64::try_from(sizes.len()).unwrap_or(i64::MAX);
    Sums::from([(COUNT.to_owned(), count), (STORAGE.to_owned(), sizes.iter().sum())])
}

fn is_too_large(world: &World, namespace: &str, size: i64) -> bool {
    let ranges = specs(world, namespace, "LimitRange");
    let mut limits = ranges.iter().flat_map(|spec| spec["limits"].as_array().into_iter().flatten());
    limits.any(|limit| {
        let most = limit["max"]["storage"].as_str().and_then(|most| Quantity::parse(most).ok());
        most.is_some_and(|most| size > most.milli())
    })
}

/// What a claim, or a template of one, asks for: thousandths of bytes.
fn size_of(claim: &Value) -> i64 {
    let size = claim["spec"]["resources"]["requests"]["storage"].as_str();
    let size = size.and_then(|size| Quantity::parse(size).ok());
    size.map_or(0, |size| size.milli())
}

fn body_of(resource: &Resource) -> Value {
    serde_json::from_str(&resource.body).unwrap_or_default()
}

fn is_claim(key: &ResourceKey) -> bool {
    &*key.kind.kind == "PersistentVolumeClaim"
}

impl World {
    /// Takes note of a namespace that is bounded.
    pub(super) fn note_bound(&mut self, key: &ResourceKey) {
        if is_bound(key) {
            self.bounded.insert(key.namespace.to_string());
        }
    }
}
