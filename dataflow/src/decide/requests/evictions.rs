//! Evictions: deletions of pods that keep to disruption budgets, and for which another pod is made first
//! where its workload can have one more.
//!
//! Guarantee: what waits stands in the pod's placement, so every engine waits for it; it ends when the
//! pod goes, or when its time is over.

use setpoint_rules::admission::Refusal;
use setpoint_rules::disruption::{RULE, Ruling};
use setpoint_rules::job_failures::Cause as Failure;
use setpoint_schemas::{PodUid, Request, RequestItem, Verb};

use super::judge::{Change, Judge};
use crate::causes::Cause;
use crate::decide::Turn;
use crate::views::Views;

/// Pods of one workload that leave at the same time: each has another beside it, and all are looked at
/// whenever the workload is.
const LEAVING_MAX: usize = 100;
/// The name of the subresource by which a deletion of a pod is an eviction.
const EVICTION: &str = "eviction";

impl Judge<'_> {
    /// Whether an item asks for an eviction.
    pub(super) fn is_eviction(&self, item: &RequestItem) -> bool {
        item.verb == Verb::Delete && item.kind == "Pod" && item.subresource == EVICTION
    }

    /// What an eviction would do; `None`: the pod's resource is deleted with it, as in Kubernetes.
    pub(super) fn consider_eviction(
        &self,
        request: &Request,
        item: &RequestItem,
    ) -> Result<Option<Change>, Refusal> {
        let refuse = |code, message: String| Err(Refusal { code, message });
        if request.items.len() > 1 {
            let why =
                "is evicted by a request of its own: what one takes of a budget the next one sees";
            return refuse(422, format!("Pod {:?} {why}", item.name));
        }
        let is_bare = self.state.resources.contains_key(&item.key());
        let id = self.state.pod_named(&item.namespace, &item.name);
        let id = id.and_then(|pod| self.state.pods.id_of(&pod.uid));
        let Some((id, pod)) = id.and_then(|id| Some((id, self.state.pods.get(&id)?))) else {
            let missing = format!("Pod {:?} not found", item.name);
            return if is_bare { Ok(None) } else { refuse(404, missing) };
        };
        let (uid, known_ms) = (pod.uid.clone(), pod.leaving_ms());
        let Some(owner) = self.state.owner(pod) else { return Ok(None) };
        let is_new = known_ms == 0;
        let until_ms = if is_new { self.now + owner.wants.surge_ms } else { known_ms };
        let ruling = self.state.eviction_ruling(id, until_ms, self.now);
        if is_new && !self.state.is_replaced_first(pod) {
            return match ruling {
                Ruling::Go if is_bare => Ok(None),
                Ruling::Go => Ok(Some(Change::Evict { uid, until_ms: 0, told: String::new() })),
                Ruling::Wait(why) | Ruling::GiveUp(why) => refuse(429, why),
            };
        }
        if is_new && owner.leaving.len() >= LEAVING_MAX {
            return refuse(429, format!("{LEAVING_MAX} pods of {} leave already", owner.key));
        }
        let told = match ruling {
            Ruling::Go => "another pod is there in its place: it goes".to_owned(),
            Ruling::Wait(why) | Ruling::GiveUp(why) => {
                let left_s = (until_ms - self.now).max(0) / 1_000;
                format!("{why}; it waits for that for {left_s} s")
            }
        };
        Ok(Some(Change::Evict { uid, until_ms, told }))
    }
}

impl<V: Views> Turn<'_, V> {
    /// An eviction is accepted: the pod goes now, or waits for another in its place until this time.
    pub(super) fn evict_asked(&mut self, uid: &PodUid, until_ms: i64, cause: &Cause) {
        let Some(id) = self.state.pods.id_of(uid) else { return };
        if until_ms == 0 {
            self.job_pod_lost(id, Failure::Disrupted);
            self.withdraw(id, RULE, "its eviction was asked for", cause.clone());
            return;
        }
        let Some(pod) = self.state.pods.get(&id) else { return };
        let (workload, is_new) = (pod.workload, pod.leaving_ms() == 0);
        self.because(workload, cause);
        if is_new {
            let reason = "its eviction was asked for, and waits for another pod in its place";
            self.set_leaving(id, until_ms, reason, cause.clone());
        }
    }
}
