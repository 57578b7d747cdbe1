//! Why a workload is looked at: a cause as it is kept, made whole when something follows from it.
//!
//! Guarantee: the same cause whenever it is made whole. It is put down before anything that it is made
//! of is forgotten. Most causes are of pods that say something of which nothing follows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{PodPhase, PodUid, Position};

use super::pod::Last;
use super::{Pod, State};
use crate::causes::{Cause, Causes, NameParts, PodSaid, Said};

/// A cause as a workload keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Why {
    /// What was observed of one of its pods; all else follows from the pod.
    Pod(PodUid, Last),
    /// Any other, put down.
    Told(Box<Cause>),
}

impl From<&Cause> for Why {
    fn from(cause: &Cause) -> Why {
        Why::Told(Box::new(cause.clone()))
    }
}

impl State {
    /// The last observation of a pod, as a cause to be kept. One with a reason is put down: the pod
    /// has only its last one.
    pub(crate) fn why_of(&self, pod: &Pod) -> Option<Why> {
        match pod.reason().is_empty() {
            true => Some(Why::Pod(pod.uid.clone(), pod.last?)),
            false => self.cause_of(pod).map(|cause| Why::Told(Box::new(cause))),
        }
    }

    /// Why a workload is looked at, for the ledger.
    pub(crate) fn causes(&self, workload: u32) -> Causes {
        let whys = self.workload.get(&workload).map(|workload| workload.memo.whys.iter());
        whys.into_iter().flatten().filter_map(|why| self.whole(why)).collect()
    }

    /// What is kept of a pod as a cause is put down, before the pod is forgotten.
    pub(crate) fn put_down(&mut self, uid: &PodUid, workload: u32) {
        let is_of_it = |why: &Why| matches!(why, Why::Pod(pod, _) if pod == uid);
        let Some(owner) = self.workload.get(&workload) else { return };
        if !owner.memo.whys.iter().any(is_of_it) {
            return;
        }
        let down = owner.memo.whys.iter().filter_map(|why| match is_of_it(why) {
            true => self.whole(why).map(|cause| Why::Told(Box::new(cause))),
            false => Some(why.clone()),
        });
        let down = down.collect();
        if let Some(owner) = self.workload.get_mut(&workload) {
            owner.memo.whys = down;
        }
        self.touch_workload(workload);
    }

    fn whole(&self, why: &Why) -> Option<Cause> {
        match why {
            Why::Told(cause) => Some(Cause::clone(cause)),
            Why::Pod(uid, last) => {
                self.pods.by_uid(uid).and_then(|pod| self.as_said(pod, last, ""))
            }
        }
    }

    /// The last observation of a pod, as a cause.
    pub(crate) fn cause_of(&self, pod: &Pod) -> Option<Cause> {
        self.as_said(pod, &pod.last?, pod.reason())
    }

    fn as_said(&self, pod: &Pod, last: &Last, reason: &str) -> Option<Cause> {
        let said = (last.phase, last.ready, reason);
        self.observed_as(pod, last.position(), said)
    }

    /// A pod that was observed in this phase, ready or not, for this reason, as a cause.
    pub(crate) fn observed_as(
        &self,
        pod: &Pod,
        at: Position,
        (phase, ready, reason): (PodPhase, bool, &str),
    ) -> Option<Cause> {
        let (owner, host) = (self.owner(pod)?, self.host(pod)?);
        let kept = pod.rare.as_ref().and_then(|rare| rare.name.as_deref());
        let name = match kept {
            Some(name) => NameParts::Whole(Arc::from(name)),
            None => owner.name_parts(pod.revision, &pod.uid),
        };
        let said = PodSaid {
            namespace: owner.key.namespace.clone(),
            name,
            node: host.row.record.node.clone(),
            phase,
            ready,
            reason: (!reason.is_empty()).then(|| Arc::from(reason)),
        };
        Some(Cause { at, said: Said::Pod(said) })
    }
}
