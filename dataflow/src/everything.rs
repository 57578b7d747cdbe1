//! All that readers see, from the state: for a reader that starts with an engine rebuilt from a
//! checkpoint.

use std::sync::Arc;

use setpoint_placement::NodeId;

use crate::Engine;
use crate::decide::{placement_of, with_orphans};
use crate::epoch::{NodeServed, Outcome, PlacementChange, Served, WaitingPod};
use crate::views::{Standing, Views};

impl<V: Views> Engine<V> {
    /// The state as if it had all changed in the last epoch: resources, placements, pods, nodes,
    /// holds. Without decisions: those are on the log.
    pub fn everything(&self) -> Outcome {
        let state = &self.state;
        let mut out = Outcome {
            number: state.meta.number,
            term: state.meta.term,
            time_ms: state.meta.time_ms,
            ..Outcome::default()
        };
        out.resources = state.resources.iter().map(|(k, r)| (k.clone(), Some(r.clone()))).collect();
        for pod in state.pod.values() {
            if let Some(observed) = &pod.row.observed {
                out.served.push(Served::Pod(Arc::new(observed.clone())));
            }
            let owner = state.workload.get(&pod.workload);
            let template = owner.and_then(|w| w.templates.get(&pod.row.revision));
            if let (Some(template), false) = (template, pod.row.standing == Standing::Stopping) {
                let devices = state.devices.of(&pod.row.uid);
                let placement = placement_of(&pod.row, template, &pod.row.workload, devices);
                let (uid, node) = (pod.row.uid.clone(), pod.row.node.clone());
                out.placements.push(PlacementChange { uid, node, placement });
            }
        }
        for (name, id) in &state.nodes {
            let Some(node) = state.node.get(id) else { continue };
            let requested = self.fleet.allocated(NodeId(*id)).clone();
            let record = with_orphans(node.row.record.clone(), state.orphans.shown_on(name));
            let (lost, doubt) = (node.row.lost, node.row.doubt(&state.meta));
            let devices = self.fleet.devices(NodeId(*id));
            let served = NodeServed { record, lost, doubt, requested, devices };
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

    /// The pods that wait for a place.
    fn waiting(&self) -> impl Iterator<Item = WaitingPod> {
        let state = &self.state;
        let workloads =
            state.waiting.iter().filter_map(|key| state.workload.get(state.workloads.get(key)?));
        workloads.flat_map(|workload| {
            let groups = workload.groups_waiting().into_iter();
            groups.flat_map(|group| workload.pods_waiting(&group))
        })
    }
}
