//! Statuses of disruption budgets: counted as pods change, told at the cold step.

use std::sync::Arc;

use serde_json::Value;
use setpoint_schemas::{Resource, ResourceKey};

use super::statuses::rfc3339;
use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Tells the statuses that changed since the last cold step.
    pub(crate) fn tell_budgets(&mut self) {
        for key in std::mem::take(&mut self.state.budgets.dirty) {
            self.tell_budget(&key);
        }
    }

    fn tell_budget(&mut self, key: &ResourceKey) {
        let Some(standing) = self.state.budgets.standing(key) else { return };
        let Some(resource) = self.state.resources.get(key) else { return };
        let before: Value = serde_json::from_str(&resource.status).unwrap_or_default();
        let status = standing.status(resource.generation, &before, &rfc3339(self.now));
        if status == before {
            return;
        }
        let mut resource = Resource::clone(resource);
        resource.status = Arc::from(status.to_string());
        resource.version = self.out.number;
        let resource = Arc::new(resource);
        self.state.set_resource(key, Some(resource.clone()));
        self.out.resources.push((key.clone(), Some(resource)));
    }
}
