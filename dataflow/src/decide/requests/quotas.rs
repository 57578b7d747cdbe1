//! Quotas: from a resource to what it covers, and what may not be made beyond one.
//!
//! A quota counts from the request after the one that made it.

use setpoint_rules::admission::Refusal;
use setpoint_rules::quota::{self, Holdings, Quota};
use setpoint_schemas::{PodSpec, Resource, ResourceKey};

use super::judge::Judge;
use super::workloads::Compiled;
use crate::decide::Turn;
use crate::state::WorkloadKind;
use crate::views::Views;

impl Judge<'_> {
    /// What is made, and what asks for more than before, keeps within the quotas of its namespace.
    pub(in crate::decide) fn within_quotas(
        &self,
        key: &ResourceKey,
        present: Option<&Resource>,
        resource: &Resource,
        compiled: Option<&Compiled>,
    ) -> Result<(), Refusal> {
        if !self.state.quotas.is_about(&key.namespace) {
            return Ok(());
        }
        let more = more(key, present, Some(resource));
        let mut asked = self.asked.borrow_mut();
        let mut why = self.state.quotas.forbid_more(&key.namespace, &more, &asked);
        let is_new_pod =
            |compiled: &&Compiled| compiled.kind == WorkloadKind::Bare && present.is_none();
        if let Some(compiled) = compiled.filter(is_new_pod) {
            let spec: PodSpec =
                serde_json::from_str(&compiled.template.pattern.spec).unwrap_or_default();
            let quotas = &self.state.quotas;
            why = why.or_else(|| quotas.forbid_pod(&key.namespace, &spec, &asked));
            quotas.ask_pod(&key.namespace, &spec, &mut asked);
        }
        if let Some(why) = why {
            let message = quota::forbidden(&quota::resource_of(&key.kind), &key.name, &why);
            return Err(Refusal { code: 403, message });
        }
        asked.note(&key.namespace, &more);
        Ok(())
    }

    /// What a request deletes, its next items may use.
    pub(super) fn gives_back(&self, key: &ResourceKey, present: Option<&Resource>) {
        if self.state.quotas.is_about(&key.namespace) {
            self.asked.borrow_mut().note(&key.namespace, &more(key, present, None));
        }
    }
}

/// What the objects of a namespace come to more by this change.
fn more(key: &ResourceKey, before: Option<&Resource>, after: Option<&Resource>) -> Holdings {
    let mut more = Holdings::default();
    for (resource, times) in [(before, -1), (after, 1)] {
        if let Some(resource) = resource {
            more.add(&Holdings::of(&key.kind, &resource.body), times);
        }
    }
    more
}

impl<V: Views> Turn<'_, V> {
    /// A quota is new or changed: who waits for one is looked at.
    pub(crate) fn quota_put(&mut self, resource: &Resource) {
        self.quota_known(resource);
        self.try_quotas_of(&resource.namespace);
    }

    /// The same when the engine begins: nothing is decided by it.
    pub(crate) fn quota_known(&mut self, resource: &Resource) {
        let key = resource.key();
        let body = serde_json::from_str(&resource.body).unwrap_or_default();
        self.state.quotas.put(&key, Quota::of(&body));
        self.weigh_all_in(&key);
    }

    /// A quota is gone.
    pub(crate) fn quota_gone(&mut self, key: &ResourceKey) {
        self.state.quotas.remove(key);
        self.weigh_all_in(key);
        self.try_quotas_of(&key.namespace);
    }

    /// A workload is new, changed or gone: the LimitRanges and quotas of its namespace look at what its pods
    /// ask for.
    pub(crate) fn weigh(&mut self, id: u32) {
        self.state.limit(id);
        let workload = self.state.workload.get(&id);
        if workload.is_none_or(|w| self.state.quotas.is_about(&w.key.namespace)) {
            self.state.quotas.look_at(id, workload.map(Box::as_ref));
        }
    }

    fn weigh_all_in(&mut self, quota: &ResourceKey) {
        for id in self.state.workloads_in(&quota.namespace) {
            self.state.quotas.look_at(id, self.state.workload.get(&id).map(Box::as_ref));
        }
    }

    /// Why an object that nobody asked for by a request may not be made.
    pub(crate) fn quotas_refuse(&self, key: &ResourceKey, resource: &Resource) -> Option<String> {
        let refusal = self.judge().within_quotas(key, None, resource, None).err()?;
        Some(refusal.message)
    }
}
