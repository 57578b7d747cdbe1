//! ConfigMaps and Secrets that change: the workloads that asked for it have their pods replaced, as by
//! `rollout restart`.
//!
//! The digest of what a template reads becomes an annotation of it, so that what is changed back is the
//! revision that it was. Guarantee: what one request changes begins one revision of a workload.
//! Absent: sources that are new or gone. A pod that waits for one starts when it is there.

use std::collections::BTreeSet;

use serde_json::Value;
use setpoint_rules::sources;
use setpoint_schemas::{Resource, ResourceKey};

use super::again::Again;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::is_source;
use crate::state::WorkloadKind;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A resource is about to become this: whether what it holds changes is noted.
    pub(super) fn note_source(&mut self, key: &ResourceKey, after: &Resource) {
        if !is_source(key) || self.state.followers.of(key).next().is_none() {
            return;
        }
        let Some(before) = self.state.resources.get(key) else { return };
        let read = |body: &str| serde_json::from_str::<Value>(body).unwrap_or_default();
        if sources::differs(&read(&before.body), &read(&after.body)) {
            self.state.followers.changed.insert(key.clone());
        }
    }

    /// Lets those follow who asked for it.
    pub(super) fn restart_followers(&mut self, cause: &Cause) {
        let changed = std::mem::take(&mut self.state.followers.changed);
        let followers = changed.iter().flat_map(|source| self.state.followers.of(source));
        let followers: BTreeSet<u32> = followers.collect();
        for id in self.state.by_key(followers.into_iter().collect()) {
            self.restart_follower(id, &changed, cause);
        }
    }

    fn restart_follower(&mut self, id: u32, changed: &BTreeSet<ResourceKey>, cause: &Cause) {
        let Some(workload) = self.state.workload.get(&id).filter(|w| !w.deleted) else { return };
        // Pods of the others are not replaced when their template changes.
        if matches!(workload.kind, WorkloadKind::Keep | WorkloadKind::Bare) {
            return;
        }
        let Some(resource) = self.state.resources.get(&workload.key) else { return };
        let held = self.state.followers.sources(id).map(|source| {
            let body = self.state.resources.get(source).map(|source| source.body.clone());
            let body = body.and_then(|body| serde_json::from_str(&body).ok());
            (source, body.unwrap_or_default())
        });
        let digest = sources::digest(held);
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        if body["spec"]["template"]["metadata"]["annotations"][sources::DIGEST] == *digest {
            return;
        }
        let names = changed.iter().filter(|s| self.state.followers.of(s).any(|other| other == id));
        let again = Again {
            rule: "restart_on_change",
            annotation: sources::DIGEST,
            digest,
            changed: names.map(|key| format!("{} {}", key.kind.kind, key.name)).collect(),
            comes: "its pods are to follow",
            stays: "its pods are not replaced",
        };
        self.replace_pods(id, &again, cause);
    }
}
