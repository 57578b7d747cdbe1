//! The statuses of Jobs. What was counted is told in the epoch in which it was: a leader rebuilt from the
//! topics has no other memory of it. How many pods run just now is told in the cold step, as of others.

use setpoint_rules::job_status::JobRecord;
use setpoint_schemas::{Resource, ResourceKey};

use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Tells what was decided of Jobs in this epoch.
    pub(crate) fn tell_jobs(&mut self) {
        let changed = std::mem::take(&mut self.state.jobs_changed);
        for id in self.state.by_key(changed.into_iter().collect()) {
            if let Some(resource) = self.new_status(id) {
                let key = resource.key();
                self.state.set_status(id, &key, resource.clone());
                self.out.resources.push((key, Some(resource)));
            }
        }
    }

    /// A Job's status was recorded otherwise than it was found here: what it says is so.
    pub(crate) fn job_is_recorded(&mut self, key: &ResourceKey, resource: &Resource) {
        let Some(id) = self.state.workloads.get(key).copied() else { return };
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if workload.wants.job.is_none() {
            return;
        }
        let status = serde_json::from_str(&resource.status).unwrap_or_default();
        workload.memo.job.get_or_insert_default().record = JobRecord::of_status(&status);
        workload.held.search_anew();
        self.state.touch_workload(id);
        self.state.mark(id);
    }
}
