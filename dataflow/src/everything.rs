//! All that readers see, from the state: for a reader that starts with an engine rebuilt from a
//! checkpoint.

use std::sync::Arc;

use setpoint_placement::NodeId;
use setpoint_schemas::PodUid;

use crate::Engine;
use crate::decide::{placement_of, with_orphans};
use crate::epoch::{NodeServed, Outcome, PlacementChange, Served, WaitingPod};
use crate::views::{Standing, Views};

impl<V: Views> Engine<V> {
    /// The state as if it had all changed in the last epoch: resources, placements, pods, nodes,
    /// holds. Without decisions: those are on the log. Without what was observed of pods once readers
    /// were [shown](Engine::shown) it.
    pub fn everything(&self) -> Outcome {
        let state = &self.state;
        let mut out = Outcome {
            number: state.meta.number,
            term: state.meta.term,
            time_ms: state.meta.time_ms,
            ..Outcome::default()
        };
        let resources = state.resources.in_order().into_iter();
        out.resources = resources.map(|(key, r)| (key.clone(), Some(r.clone()))).collect();
        out.served.extend(state.observations.all().map(Served::Pod));
        for (_, pod) in state.pods.all() {
            let Some(host) = state.host(pod).filter(|_| pod.standing != Standing::Stopping) else {
                continue;
            };
            let (uid, node) = (pod.uid.clone(), host.row.record.node.clone());
            let placement = placement_of(state, pod);
            out.placements.push(PlacementChange { uid, node, placement });
        }
        for (name, id) in &state.nodes {
            let Some(node) = state.node.get(id) else { continue };
            let requested = self.fleet.allocated(NodeId(*id)).clone();
            let record = with_orphans(&node.row.record, state.orphans.shown_on(name));
            let (lost, doubt) = (node.row.lost, node.row.doubt(&state.meta));
            let devices = self.fleet.devices(NodeId(*id));
            let lease = state.lease_served(*id);
            let served = NodeServed { record, lost, doubt, requested, devices, lease };
            out.served.push(Served::Node(name.clone(), Some(Arc::new(served))));
        }
        for workload in state.workload.values() {
            let history = workload.memo.history.clone();
            out.served.push(Served::Revisions(workload.key.clone(), history));
        }
        out.overview = Some(state.overview.clone());
        out.served.push(Served::Hold(state.meta.hold.clone()));
        out.served.extend(self.waiting().map(|pod| Served::Waiting(Arc::new(pod))));
        out
    }

    /// Since when a pod is ready, engine time in milliseconds; `None` of one that is not.
    #[must_use]
    pub fn ready_since(&self, uid: &PodUid) -> Option<i64> {
        let since_ms = self.state.pods.by_uid(uid)?.ready_ms.get();
        (since_ms > 0).then_some(since_ms)
    }

    /// Readers were shown everything. From now on they hear of each change by the outcome of its
    /// epoch, and the engine keeps no observation but for the next checkpoint: those of a million pods
    /// take more memory than all else that it knows of them.
    pub fn shown(&mut self) {
        self.state.observations.shown();
    }

    /// The pods that wait for a place.
    fn waiting(&self) -> impl Iterator<Item = WaitingPod> {
        let state = &self.state;
        let workloads =
            state.waiting.all().filter_map(|key| state.workload.get(state.workloads.get(key)?));
        workloads.flat_map(|workload| {
            let groups = workload.groups_waiting().into_iter();
            groups.flat_map(|group| workload.pods_waiting(&group))
        })
    }
}
