//! Pods that stopped already when their node was lost, or still do when it returns: who waits for their end
//! is looked at.

use setpoint_rules::rollout::Update;

use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// The node of a pod that stops is lost, or is back: where new pods wait for its end, they do so no longer,
    /// or again.
    pub(crate) fn awaited_otherwise(&mut self, id: u32) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let (Some(owner), Some(host)) = (self.state.owner(pod), self.state.host(pod)) else {
            return;
        };
        if owner.update() != Update::Recreate {
            return;
        }
        let (workload, cause) = (pod.workload, host.row.cause.clone());
        self.because(workload, &cause);
    }
}
