//! Pods that stop on lost nodes: whether new ones wait for their end.
//!
//! Guarantee: which pods of a Deployment do follows from their rows and those of their nodes; it is kept where
//! either changes, so that nobody counts them anew. Absent: identities, of which the end of a pod has to be
//! proven.

use super::{State, Workload, WorkloadKind};
use crate::views::Standing;

impl State {
    /// Whether a pod is among those of its workload that stop on lost nodes follows from where it stands; says
    /// whether that is otherwise than before.
    pub(crate) fn away_follows(&mut self, id: u32) -> bool {
        let Some(pod) = self.pods.get(&id) else { return false };
        let stops = pod.standing == Standing::Stopping;
        let is_away = stops && self.host(pod).is_some_and(|host| host.row.lost);
        let Some(owner) = self.workload.get_mut(&pod.workload) else { return false };
        match is_away {
            true => owner.kind == WorkloadKind::Rolling && owner.away.insert(id),
            false => owner.away.remove(&id),
        }
    }
}

impl Workload {
    /// How many of its pods that stop, so many in all, those wait for that start after them. Of one on a lost
    /// node nobody knows when it ends, and nobody waits, unless new ones may find the same data: a claim is one
    /// folder, and two programs in it are what must not be.
    pub(crate) fn awaited(&self, stopping: i64) -> i64 {
        if self.away.is_empty() || self.has_claims() {
            return stopping;
        }
        stopping - i64::try_from(self.away.len()).unwrap_or(i64::MAX)
    }

    /// Whether new pods of it have claims that the ones before them may have too.
    fn has_claims(&self) -> bool {
        self.current_template().is_none_or(|template| !template.claims.is_empty())
    }
}
