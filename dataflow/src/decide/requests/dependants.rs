//! Workloads that are restarted with another one: when a request changes or restarts that one, a digest of
//! its revision becomes an annotation of their templates, so that they begin a revision of their own.
//!
//! Guarantee: only what someone asks for has them restarted, not what follows from it: where two are to be
//! restarted with each other, that ends. Who is changed by the same request is not restarted once more.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::dependencies;
use setpoint_schemas::{Action, RESOURCE_BYTES_MAX, Resource, ResourceKey};

use super::workloads::{Compiled, compile};
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decided::About;
use crate::state::WorkloadKind;
use crate::views::Views;

const RULE: &str = "depends_on";

impl<V: Views> Turn<'_, V> {
    /// A request is about to make this of a workload: whether its template changes is noted.
    pub(super) fn note_updated(&mut self, key: &ResourceKey, after: &Compiled) {
        if self.state.dependants.is_empty() {
            return;
        }
        let id = self.state.workloads.get(key);
        let known = id.and_then(|id| self.state.workload.get(id)).filter(|w| !w.deleted);
        let before = known.and_then(|workload| workload.templates.get(&workload.memo.current));
        if before.is_some_and(|t| t.pattern.revision != after.template.pattern.revision) {
            self.state.dependants.updated.insert(key.clone());
        }
    }

    /// Lets those restart who asked for it.
    pub(super) fn restart_dependants(&mut self, cause: &Cause) {
        let updated = std::mem::take(&mut self.state.dependants.updated);
        let dependants = updated.iter().flat_map(|key| self.state.dependants.on(key));
        let dependants: BTreeSet<u32> = dependants.collect();
        for id in self.state.by_key(dependants.into_iter().collect()) {
            self.restart_dependant(id, &updated, cause);
        }
    }

    fn restart_dependant(&mut self, id: u32, updated: &BTreeSet<ResourceKey>, cause: &Cause) {
        let Some(workload) = self.state.workload.get(&id).filter(|w| !w.deleted) else { return };
        // Pods of the others are not replaced when their template changes.
        if workload.kind == WorkloadKind::Keep || updated.contains(&workload.key) {
            return;
        }
        let namespace = &workload.key.namespace;
        let all = workload.wants.depends_on.iter().filter(|one| one.restart);
        let all: BTreeSet<ResourceKey> = all.map(|one| one.key(namespace)).collect();
        let names: Vec<String> = all
            .intersection(updated)
            .map(|key| format!("{} {}", key.kind.kind, key.name))
            .collect();
        if names.is_empty() {
            return;
        }
        let digest = json!(dependencies::digest(all.iter().map(|key| (key, self.hash_of(key)))));
        let (key, kind, text) = (workload.key.clone(), workload.kind, workload.text.clone());
        let Some(resource) = self.state.resources.get(&key).cloned() else { return };
        let mut body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        body["spec"]["template"]["metadata"]["annotations"][dependencies::DIGEST] = digest;
        let body: Arc<str> = Arc::from(body.to_string());
        let about =
            About { resource: Some(text), causes: cause.clone().into(), ..About::default() };
        let names = names.join(" and ");
        if body.len() + resource.managers.len() > RESOURCE_BYTES_MAX {
            let reason = format!(
                "{names} changed, and it is not restarted: it has no room for another annotation"
            );
            self.ledger.write(Action::Rollout, RULE, reason, about);
            return;
        }
        let resource = Resource {
            body,
            generation: resource.generation + 1,
            version: self.out.number,
            ..Resource::clone(&resource)
        };
        let Ok(compiled) = compile(kind, &resource) else { return };
        let reason = format!("{names} changed, and it is to be restarted with it");
        self.ledger.write(Action::Rollout, RULE, reason, about);
        self.put(key, Arc::new(resource), Some(Box::new(compiled)), cause);
    }

    /// The hash of a workload's current template; empty where it is not there.
    fn hash_of(&self, key: &ResourceKey) -> String {
        let id = self.state.workloads.get(key);
        let workload = id.and_then(|id| self.state.workload.get(id)).filter(|w| !w.deleted);
        let template = workload.and_then(|w| w.templates.get(&w.memo.current));
        template.map_or_else(String::new, |template| template.pattern.revision.to_string())
    }
}
