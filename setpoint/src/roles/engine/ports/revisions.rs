//! The histories of Deployments, StatefulSets and DaemonSets, as `rollout history` shows them.
//!
//! Guarantee: there is one for each of these that is there. Absent: the other kinds, whose histories
//! nobody can ask for; bare pods have one each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use setpoint_dataflow::{Outcome, Served};
use setpoint_rules::revision::Revision;
use setpoint_schemas::{GroupKind, ResourceKey};

/// The group and the kinds of what has a history here.
const GROUP: &str = "apps";
const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// The histories by key.
#[derive(Debug, Default)]
pub(crate) struct Revisions(Mutex<HashMap<ResourceKey, Value>>);

/// The key of one of this kind.
pub(super) fn key(kind: &str, namespace: &str, name: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new(GROUP, kind), namespace, name)
}

impl Revisions {
    /// Takes in what was committed: histories that are new, and which Deployments are gone.
    pub(super) fn take(&self, outcome: &Outcome) {
        let mut known = self.lock();
        for served in &outcome.served {
            if let Served::Revisions(key, history) = served
                && has_history(key)
            {
                known.insert(key.clone(), rendered(history));
            }
        }
        // What went and came again in one epoch is there: the last word counts.
        let words = outcome.resources.iter().filter(|(key, _)| has_history(key));
        let last: BTreeMap<_, _> = words.map(|(key, is)| (key, is.is_some())).collect();
        for (key, _) in last.into_iter().filter(|(_, is_there)| !is_there) {
            known.remove(key);
        }
    }

    /// Forgets all: what follows is told anew.
    pub(super) fn begin_anew(&self) {
        self.lock().clear();
    }

    pub(super) fn get(&self, key: &ResourceKey) -> Option<Value> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ResourceKey, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_history(key: &ResourceKey) -> bool {
    &*key.kind.group == GROUP && KINDS.contains(&&*key.kind.kind)
}

fn rendered(history: &[Revision]) -> Value {
    let rows = history.iter().map(|r| {
        let template: Value = serde_json::from_str(&r.template).unwrap_or_default();
        let mut row = json!({"revision": r.number, "hash": r.hash, "template": template});
        // What is not so is not said.
        for (name, is) in [("healthy", r.healthy), ("barred", r.barred), ("returned", r.returned)] {
            if is {
                row[name] = json!(true);
            }
        }
        if !r.failed.is_empty() {
            row["failed"] = json!(r.failed);
        }
        row
    });
    json!({"revisions": rows.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use setpoint_schemas::samples;

    use super::*;

    /// An epoch that tells a history of each of these, and then which resources are there.
    fn epoch(told: &[&ResourceKey], resources: &[(&ResourceKey, bool)]) -> Outcome {
        let resource = || Arc::new(samples::desired());
        let served = told.iter().map(|key| Served::Revisions((*key).clone(), Vec::new()));
        let resources = resources.iter().map(|(key, is)| ((*key).clone(), is.then(resource)));
        Outcome { served: served.collect(), resources: resources.collect(), ..Outcome::default() }
    }

    #[test]
    fn histories_are_those_of_the_deployments_that_are_there() {
        let (web, api) =
            (key("StatefulSet", "default", "web"), key("Deployment", "default", "api"));
        let bare = ResourceKey::new(GroupKind::new("", "Pod"), "default", "web");
        let revisions = Revisions::default();
        let known =
            |revisions: &Revisions| [&web, &api, &bare].map(|key| revisions.get(key).is_some());
        let mut looked = Vec::new();
        for outcome in [
            epoch(&[&web, &api, &bare], &[(&web, true), (&api, true), (&bare, true)]),
            epoch(&[&web], &[(&web, false), (&api, false), (&web, true)]),
            epoch(&[&api], &[(&api, true), (&api, false)]),
            epoch(&[], &[(&web, false)]),
        ] {
            revisions.take(&outcome);
            looked.push(known(&revisions));
        }
        let [both, web_again, still_web, none] =
            [[true, true, false], [true, false, false], [true, false, false], [false; 3]];
        assert_eq!(looked, [both, web_again, still_web, none]);
        revisions.take(&epoch(&[&web], &[]));
        revisions.begin_anew();
        assert_eq!(known(&revisions), none);
    }
}
