//! A bare Pod whose resource changed goes on as what it says now: its labels, its annotations, what it bears
//! and how long it may run. It keeps its node, its name and its containers.
//!
//! Cost: what one pod's coming and going costs, when its Pod changes, and nothing else.

use std::sync::Arc;

use setpoint_placement::{NodeId, PodId};
use setpoint_schemas::PodUid;

use crate::decide::Turn;
use crate::decide::plan::placement_of;
use crate::epoch::PlacementChange;
use crate::state::{Template, WorkloadKind};
use crate::views::{Fact, PodFact, Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// The pod that a bare Pod has is of its current revision from now on.
    pub(crate) fn bare_pod_follows(&mut self, workload: u32) {
        let owner = self.state.workload.get(&workload);
        let Some(owner) = owner.filter(|owner| owner.kind == WorkloadKind::Bare) else { return };
        let current = owner.memo.current;
        let is_former = |id: &u32| {
            let pod = self.state.pods.get(id)?;
            let is_former = pod.revision != current && pod.standing != Standing::Stopping;
            is_former.then(|| (pod.uid.clone(), *id))
        };
        let mut former: Vec<(PodUid, u32)> = owner.pods.iter().filter_map(is_former).collect();
        former.sort();
        for (uid, id) in former {
            self.becomes(id, current);
            self.tell_placement(uid, id);
        }
    }

    /// The revisions that the pods of a bare Pod have just now: what the views count of them is from before
    /// this epoch's requests. None of other workloads.
    pub(crate) fn bare_revisions(&self, workload: u32) -> Vec<u32> {
        let owner = self.state.workload.get(&workload);
        let owner = owner.filter(|owner| owner.kind == WorkloadKind::Bare);
        let pods = owner.into_iter().flat_map(|owner| owner.pods.iter());
        pods.filter_map(|id| self.state.pods.get(id)).map(|pod| pod.revision).collect()
    }

    /// All that counts a pod by its revision or by its labels counts it anew.
    fn becomes(&mut self, id: u32, revision: u32) {
        self.uncount(id);
        let former = self.template_of(id);
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        pod.revision = revision;
        let (node, uid) = (pod.node, pod.uid.clone());
        let template = self.template_of(id);
        let labels = |template: &Option<Arc<Template>>| {
            template.as_ref().map(|template| template.pattern.labels.clone())
        };
        if labels(&former) != labels(&template) {
            // Who looks at other pods may find what they look for, or what kept them away is gone.
            self.state.meta.retry.freed = true;
            self.daemons_hope(node, true);
        }
        let has_room = self.fleet.node_of(PodId(id)).is_some();
        if let Some(template) = template.filter(|_| has_room) {
            let devices = self.state.devices.of(&uid).to_vec();
            self.fleet.reserve_with(PodId(id), NodeId(node), &template.shape, &devices);
        }
        self.refact(id);
        self.foresee_eviction(id, node);
        self.state.touch_pod(id);
    }

    fn template_of(&self, id: u32) -> Option<Arc<Template>> {
        let pod = self.state.pods.get(&id)?;
        self.state.owner(pod)?.template_of(pod).cloned()
    }

    /// Takes back what the views and the quotas were told of a pod.
    fn uncount(&mut self, id: u32) {
        let fact = self.state.fact_of(id);
        self.count_in_quotas(id, None, false);
        // What was told is taken from the pod only where it is taken back.
        let Some(fact) = fact else { return };
        let told = self.state.pods.get_mut(&id).and_then(|pod| pod.told.take());
        let Some(standing) = told else { return };
        let told = PodFact { standing, ..fact };
        self.views.update(Fact::Pod(told), -1);
        if self.is_settled {
            self.foresee(Some(told), None);
        }
    }

    /// Tells what its node is to know of a pod.
    fn tell_placement(&mut self, uid: PodUid, id: u32) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let Some(host) = self.state.host(pod) else { return };
        let (node, placement) = (host.row.record.node.clone(), placement_of(self.state, pod));
        if let Some(placement) = placement {
            let placement = Some(Arc::clone(&placement));
            self.out.placements.push(PlacementChange { uid, node, placement });
        }
    }
}
