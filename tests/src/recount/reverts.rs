//! Updates that go back: only to a template that was whole, and what was left does not return by itself.
//!
//! Absent: when an update is to go back. Of that the engine's own words are taken.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use setpoint_dataflow::{Epoch, Outcome};
use setpoint_schemas::{Input, ResourceKey, Verb};

use super::needs::is_current;
use super::world::World;

/// Of each workload the templates of which all pods that were wanted were available at the end of an epoch.
#[derive(Debug, Default)]
pub(super) struct Whole(BTreeMap<String, BTreeSet<String>>);

/// What is barred of a Deployment: its uid and the template.
pub(super) type Barred = BTreeMap<ResourceKey, (String, Value)>;

impl Whole {
    /// Looks at all whose updates go back at the end of an epoch.
    pub(super) fn look(&mut self, world: &World) {
        let go_back = ["Deployment", "StatefulSet", "DaemonSet"];
        let workloads = world.workloads.iter();
        for (key, wanted) in workloads.filter(|(_, wanted)| go_back.contains(&&*wanted.kind)) {
            let live: Vec<_> = world.live(key).collect();
            let desired = match wanted.kind == "DaemonSet" {
                true => live.len() as i64,
                false => wanted.spec.desired(),
            };
            let are_current = live.iter().all(|pod| is_current(pod, wanted));
            let available = live.iter().filter(|pod| pod.available).count() as i64;
            if desired > 0
                && are_current
                && available >= desired
                && let Some(template) = template_of(world, key)
            {
                self.0.entry(key.clone()).or_default().insert(template.to_string());
            }
        }
    }

    /// Whoever went back in this epoch went back to a template that was whole.
    pub(super) fn was_gone_back_to(&self, world: &World, outcome: &Outcome) -> Result<(), String> {
        let ledger = outcome.ledger();
        let back =
            ledger.iter().filter(|d| d.rule == "auto_revert" && d.reason.contains("back to the"));
        for decision in back {
            // A later request of the same epoch cannot have changed it: plans come after requests.
            let Some(template) = template_of(world, &decision.resource) else { continue };
            let known = self.0.get(&decision.resource);
            if !known.is_some_and(|known| known.contains(&template.to_string())) {
                return Err(format!(
                    "{} went back to a template that was never whole: {template}",
                    decision.resource
                ));
            }
        }
        Ok(())
    }
}

fn template_of(world: &World, key: &str) -> Option<Value> {
    let resource = world.resources.get(&ResourceKey::parse(key).ok()?)?;
    let body: Value = serde_json::from_str(&resource.body).ok()?;
    Some(body["spec"]["template"].clone())
}

/// What is barred now.
pub(super) fn barred(world: &World) -> Barred {
    let with_one = world.resources.iter().filter(|(_, r)| r.history.contains("\"barred\":true"));
    let barred = with_one.filter_map(|(key, resource)| {
        let history: Value = serde_json::from_str(&resource.history).ok()?;
        let one = history.as_array()?.iter().find(|revision| revision["barred"] == true)?;
        let template = serde_json::from_str(one["template"].as_str()?).ok()?;
        Some((key.clone(), (resource.uid.clone(), template)))
    });
    barred.collect()
}

/// What was barred is not the template of any of them again, unless somebody asked for that revision, or
/// for more than one thing at once.
pub(super) fn nothing_barred_returns(
    world: &World,
    barred: &Barred,
    epoch: &Epoch,
) -> Result<(), String> {
    let requests = epoch.inputs.iter().filter_map(|sourced| match &sourced.input {
        Input::Request(request) => Some(request),
        _ => None,
    });
    let requests: Vec<_> = requests.collect();
    let undoes = |key: &ResourceKey| {
        let mut items = requests.iter().flat_map(|request| &request.items);
        items.any(|item| item.verb == Verb::RolloutUndo && item.key() == *key)
    };
    for (key, (uid, template)) in barred {
        let is_it = world.resources.get(key).is_some_and(|resource| resource.uid == *uid);
        let is_again = template_of(world, &key.to_string()).as_ref() == Some(template);
        if is_it && is_again && requests.len() < 2 && !undoes(key) {
            return Err(format!("{key} has the template again that was gone back from"));
        }
    }
    Ok(())
}
