//! Workloads that are restarted with another one: when a request changes or restarts that one, a digest of
//! its revision becomes an annotation of their templates, so that they begin a revision of their own.
//!
//! Guarantee: only what someone asks for has them restarted, not what follows from it: where two are to be
//! restarted with each other, that ends. Who is changed by the same request is not restarted once more.

use std::collections::BTreeSet;

use setpoint_rules::dependencies;
use setpoint_schemas::ResourceKey;

use super::again::Again;
use super::workloads::Compiled;
use crate::causes::Cause;
use crate::decide::Turn;
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
        let again = Again {
            rule: RULE,
            annotation: dependencies::DIGEST,
            digest: dependencies::digest(all.iter().map(|key| (key, self.hash_of(key)))),
            changed: names,
            comes: "it is to be restarted with it",
            stays: "it is not restarted",
        };
        self.replace_pods(id, &again, cause);
    }

    /// The hash of a workload's current template; empty where it is not there.
    fn hash_of(&self, key: &ResourceKey) -> String {
        let id = self.state.workloads.get(key);
        let workload = id.and_then(|id| self.state.workload.get(id)).filter(|w| !w.deleted);
        let template = workload.and_then(|w| w.templates.get(&w.memo.current));
        template.map_or_else(String::new, |template| template.pattern.revision.to_string())
    }
}
