//! Statuses of quotas: counted as pods and objects change, told at the cold step.

use std::sync::Arc;

use setpoint_schemas::{Resource, ResourceKey};

use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Tells the statuses that changed since the last cold step.
    pub(crate) fn tell_quotas(&mut self) {
        for key in std::mem::take(&mut self.state.quotas.dirty) {
            self.tell_quota(&key);
        }
    }

    fn tell_quota(&mut self, key: &ResourceKey) {
        let Some(status) = self.state.quotas.status(key) else { return };
        let Some(resource) = self.state.resources.get(key) else { return };
        let status: Arc<str> = Arc::from(status.to_string());
        if status == resource.status {
            return;
        }
        let resource = Resource { status, version: self.out.number, ..Resource::clone(resource) };
        let resource = Arc::new(resource);
        self.state.set_resource(key, Some(resource.clone()));
        self.out.resources.push((key.clone(), Some(resource)));
    }
}
