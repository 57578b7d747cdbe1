//! Conditions of pods that others set, by a write to a pod's status: they stand in its placement, and its
//! readiness gates go by them.

use std::sync::Arc;

use setpoint_rules::admission::Refusal;
use setpoint_rules::conditions;
use setpoint_schemas::{PodUid, RequestItem};

use super::Judge;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::cold::rfc3339;
use crate::decide::plan::placement_of;
use crate::epoch::PlacementChange;
use crate::views::Views;

/// Kubernetes' words for who went by what is no longer so.
const MODIFIED: &str = "Operation cannot be fulfilled on Pod";
const AGAIN: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Judge<'_> {
    /// The pod and the conditions that it is to have, after those items of the request that came before.
    pub(super) fn consider_conditions(
        &self,
        item: &RequestItem,
    ) -> Result<(PodUid, String), Refusal> {
        let refuse = |code, why: String| Refusal { code, message: why };
        let pod = self.state.pod_named(&item.namespace, &item.name);
        let pod = pod.ok_or_else(|| refuse(404, format!("Pod {:?} not found", item.name)))?;
        let now = rfc3339(self.now);
        let mut set = self.set.borrow_mut();
        let before = set.get(&pod.uid).cloned().unwrap_or_else(|| pod.conditions());
        if conditions::gone_by(&item.body).is_some_and(|gone_by| gone_by != before) {
            return Err(refuse(409, format!("{MODIFIED} {:?}: {AGAIN}", item.name)));
        }
        let after = conditions::written(&before, item.verb, &item.body, &now);
        let after =
            after.map_err(|why| refuse(422, format!("Pod {:?} is invalid: {why}", item.name)))?;
        let text = match after.is_empty() {
            true => String::new(),
            false => serde_json::to_string(&after).unwrap_or_default(),
        };
        set.insert(pod.uid.clone(), after);
        Ok((pod.uid.clone(), text))
    }
}

impl<V: Views> Turn<'_, V> {
    /// These are a pod's conditions now.
    pub(super) fn set_conditions(&mut self, uid: &PodUid, text: String, cause: &Cause) {
        let Some(id) = self.state.pods.id_of(uid) else { return };
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        if !pod.set_conditions(text) {
            return;
        }
        self.state.touch_pod(id);
        self.gates_moved(id, cause);
        let Some(pod) = self.state.pods.get(&id) else { return };
        let Some(host) = self.state.host(pod) else { return };
        let (node, placement) = (host.row.record.node.clone(), placement_of(self.state, pod));
        let is_placed = pod.standing != crate::views::Standing::Stopping;
        if let Some(placement) = placement.filter(|_| is_placed) {
            let placement = Some(Arc::clone(&placement));
            self.out.placements.push(PlacementChange { uid: uid.clone(), node, placement });
        }
    }
}
