//! Who waits for others: none of its pods starts before all that it waits for has held once.
//!
//! Absent: that it does start then; at rest all run that may.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_dataflow::Outcome;
use setpoint_schemas::{Placement, PodUid, ResourceKey};

use super::needs::{desired, is_current};
use super::world::{PodSeen, World};

/// Workloads that wait for others, each with the template that was seen to wait no more.
#[derive(Debug, Default)]
pub(super) struct LetGo(BTreeMap<(String, String), BTreeSet<String>>);

/// What a workload waits for: whom, and whether until that is healthy or only until it has started.
type Waits = Vec<(String, bool)>;

/// What an epoch says of pods' placements, the last of each: whether their gates are open, too.
type Told<'a> = BTreeMap<&'a PodUid, &'a Placement>;

impl LetGo {
    /// Looks who need not wait any more, or never did. Gates are opened and closed by requests, which come
    /// before what is decided; said they are with the placements, which the world may not have yet.
    pub(super) fn look(&mut self, world: &World, outcome: &Outcome) {
        let told = told(outcome);
        for key in world.resources.keys() {
            let workload = key.to_string();
            let waits = waits_of(world, key);
            let Some(wanted) = world.workloads.get(&workload).filter(|_| !waits.is_empty()) else {
                continue;
            };
            let is_there =
                world.pods_of(&workload).any(|pod| !pod.stopping && is_current(pod, wanted));
            if is_there || waits.iter().all(|(on, healthy)| is_met(world, &told, on, *healthy)) {
                self.0.entry(named(world, key)).or_default().insert(wanted.spec_text.clone());
            }
        }
    }

    /// Holds what is placed against that.
    pub(super) fn nobody_starts_early(
        &self,
        world: &World,
        outcome: &Outcome,
    ) -> Result<(), String> {
        for placement in outcome.placements.iter().filter_map(|change| change.placement.as_ref()) {
            let workload = &*placement.pattern.workload;
            let is_new = placement.epoch == outcome.number && placement.generation == 1;
            let Some(wanted) = world.workloads.get(workload) else { continue };
            let Ok(key) = ResourceKey::parse(workload) else { continue };
            let is_its = *placement.pattern.spec == *wanted.spec_text;
            if !is_new || !is_its || waits_of(world, &key).is_empty() {
                continue;
            }
            let known = self.0.get(&named(world, &key));
            if !known.is_some_and(|known| known.contains(&wanted.spec_text)) {
                return Err(format!("{} starts before what it waits for has held", placement.name));
            }
        }
        Ok(())
    }
}

/// A workload and the life of it.
fn named(world: &World, key: &ResourceKey) -> (String, String) {
    let uid = world.resources.get(key).map_or_else(String::new, |resource| resource.uid.clone());
    (key.to_string(), uid)
}

fn waits_of(world: &World, key: &ResourceKey) -> Waits {
    let Some(resource) = world.resources.get(key) else { return Waits::new() };
    if !resource.body.contains("setpoint.dev/depends-on") {
        return Waits::new();
    }
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    let text = body["metadata"]["annotations"]["setpoint.dev/depends-on"].as_str();
    let all: Value = serde_json::from_str(text.unwrap_or_default()).unwrap_or_default();
    let one = |one: &Value| {
        let name = one["name"].as_str().unwrap_or_default();
        let on = format!("apps/Deployment/{}/{name}", resource.namespace);
        (on, one["condition"] == "healthy")
    };
    all.as_array().into_iter().flatten().map(one).collect()
}

fn told(outcome: &Outcome) -> Told<'_> {
    let changes = outcome.placements.iter();
    changes.filter_map(|change| Some((&change.uid, change.placement.as_deref()?))).collect()
}

/// Whether a Deployment has as many pods as it wants that are ready, or have begun.
fn is_met(world: &World, told: &Told<'_>, on: &str, healthy: bool) -> bool {
    let Some(wanted) = world.workloads.get(on) else { return false };
    let current = world.pods_of(on).filter(|pod| !pod.stopping && is_current(pod, wanted));
    let is_ready = |pod: &&PodSeen| match told.get(&pod.placement.uid) {
        Some(placement) => pod.said_ready && placement.gates_are_open(),
        None => pod.ready_since.is_some(),
    };
    let so_far = match healthy {
        true => current.filter(is_ready).count(),
        false => current.filter(|pod| pod.begun).count(),
    };
    so_far as i64 >= desired(wanted)
}
