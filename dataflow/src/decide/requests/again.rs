//! Pods that are replaced by the same, because something that they read or depend on is another now: a digest
//! of that becomes an annotation of their template, so that it begins a revision of its own.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_schemas::{Action, RESOURCE_BYTES_MAX, Resource};

use super::workloads::compile;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decided::About;
use crate::views::Views;

/// What a workload's pods are replaced for.
pub(super) struct Again {
    /// The rule that asks for it.
    pub(super) rule: &'static str,
    /// The annotation of the template.
    pub(super) annotation: &'static str,
    /// What it says now.
    pub(super) digest: String,
    /// What changed.
    pub(super) changed: Vec<String>,
    /// What is to come of it.
    pub(super) comes: &'static str,
    /// What does not come where there is no room.
    pub(super) stays: &'static str,
}

impl<V: Views> Turn<'_, V> {
    /// Writes the digest into a workload's template.
    pub(super) fn replace_pods(&mut self, id: u32, again: &Again, cause: &Cause) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let (key, kind, text) = (workload.key.clone(), workload.kind, workload.text.clone());
        let Some(resource) = self.state.resources.get(&key).cloned() else { return };
        let mut body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        body["spec"]["template"]["metadata"]["annotations"][again.annotation] = json!(again.digest);
        let body: Arc<str> = Arc::from(body.to_string());
        let about =
            About { resource: Some(text), causes: cause.clone().into(), ..About::default() };
        let changed = again.changed.join(" and ");
        if body.len() + resource.managers.len() > RESOURCE_BYTES_MAX {
            let stays = again.stays;
            let reason =
                format!("{changed} changed, and {stays}: it has no room for another annotation");
            self.ledger.write(Action::Rollout, again.rule, reason, about);
            return;
        }
        let resource = Resource {
            body,
            generation: resource.generation + 1,
            version: self.out.number,
            ..Resource::clone(&resource)
        };
        let Ok(compiled) = compile(kind, &resource) else { return };
        let reason = format!("{changed} changed, and {}", again.comes);
        self.ledger.write(Action::Rollout, again.rule, reason, about);
        self.put(key, Arc::new(resource), Some(Box::new(compiled)), cause);
    }
}
