//! Disruption budgets: from a resource to what it covers.

use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::budget::Budget;
use setpoint_schemas::{Resource, ResourceKey};

use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A budget is new or changed: what it covers is found among the workloads of its namespace.
    pub(crate) fn budget_put(&mut self, resource: &Resource) {
        let key = resource.key();
        self.state.budgets.put(&key, budget_of(resource));
        self.cover_all_in(&key.namespace);
    }

    /// A workload is new, changed or gone: the budgets and quotas of its namespace look at
    /// it.
    pub(crate) fn cover(&mut self, id: u32) {
        self.weigh(id);
        let workload = self.state.workload.get(&id);
        if workload.is_none_or(|w| self.state.budgets.is_about(&w.key.namespace)) {
            self.state.budgets.look_at(id, workload.map(Box::as_ref));
        }
    }

    /// A budget is gone.
    pub(crate) fn budget_gone(&mut self, key: &ResourceKey) {
        self.state.budgets.remove(key);
        self.cover_all_in(&key.namespace);
    }

    /// All of a namespace are looked at, also those without pods: they may have some later.
    fn cover_all_in(&mut self, namespace: &Arc<str>) {
        for id in self.state.workloads_in(namespace) {
            self.state.budgets.look_at(id, self.state.workload.get(&id).map(Box::as_ref));
        }
        self.fleet.budgets_changed();
    }
}

fn budget_of(resource: &Resource) -> Budget {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    // The gate has read it; what cannot be read covers nothing.
    serde_json::from_value(body["spec"].clone()).unwrap_or_default()
}
