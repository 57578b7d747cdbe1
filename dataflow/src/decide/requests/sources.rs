//! ConfigMaps and Secrets that change: the workloads that asked for it have their pods replaced, as by
//! `rollout restart`.
//!
//! The digest of what a template reads becomes an annotation of it, so that what is changed back is the
//! revision that it was. Guarantee: what one request changes begins one revision of a workload.
//! Absent: sources that are new or gone. A pod that waits for one starts when it is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::sources;
use setpoint_schemas::{Action, RESOURCE_BYTES_MAX, Resource, ResourceKey};

use super::workloads::compile;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::is_source;
use crate::decided::About;
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
        let (key, kind, text) = (workload.key.clone(), workload.kind, workload.text.clone());
        let Some(resource) = self.state.resources.get(&key).cloned() else { return };
        let held = self.state.followers.sources(id).map(|source| {
            let body = self.state.resources.get(source).map(|source| source.body.clone());
            let body = body.and_then(|body| serde_json::from_str(&body).ok());
            (source, body.unwrap_or_default())
        });
        let digest = json!(sources::digest(held));
        let mut body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let annotations = &mut body["spec"]["template"]["metadata"]["annotations"];
        if annotations[sources::DIGEST] == digest {
            return;
        }
        annotations[sources::DIGEST] = digest;
        let body: Arc<str> = Arc::from(body.to_string());
        let names = changed.iter().filter(|s| self.state.followers.of(s).any(|other| other == id));
        let names: Vec<String> =
            names.map(|key| format!("{} {}", key.kind.kind, key.name)).collect();
        let about =
            About { resource: Some(text), causes: cause.clone().into(), ..About::default() };
        let changed = names.join(" and ");
        if body.len() + resource.managers.len() > RESOURCE_BYTES_MAX {
            let reason = format!(
                "{changed} changed, and its pods are not replaced: it has no room \
                                  for another annotation"
            );
            self.ledger.write(Action::Rollout, "restart_on_change", reason, about);
            return;
        }
        let resource = Resource {
            body,
            generation: resource.generation + 1,
            version: self.out.number,
            ..Resource::clone(&resource)
        };
        let Ok(compiled) = compile(kind, &resource) else { return };
        let reason = format!("{changed} changed, and its pods are to follow");
        self.ledger.write(Action::Rollout, "restart_on_change", reason, about);
        self.put(key, Arc::new(resource), Some(Box::new(compiled)), cause);
    }
}
