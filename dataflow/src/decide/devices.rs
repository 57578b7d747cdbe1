//! Devices of pods: what workloads want of them, which ones a new pod takes, whose they are.
//!
//! Guarantee: what is wanted follows from the accepted workloads alone, so that an engine rebuilt
//! from a checkpoint values devices as the one that ran through.

use setpoint_placement::{NodeId, PodId};
use setpoint_schemas::{PodSpec, PodUid, TakenDevice};

use crate::decide::Turn;
use crate::state::{Table, Template, WorkloadKind};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Tells the placer what this workload wants of devices now. A DaemonSet's pods choose no node,
    /// so they are not counted.
    pub(crate) fn want_devices(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let Some(template) = workload.templates.get(&workload.memo.current) else { return };
        if workload.kind != WorkloadKind::Daemon {
            let pods = u64::try_from(workload.desired()).unwrap_or(0);
            self.fleet.want(id, &template.shape, pods);
        }
    }

    /// The devices that a new pod of this template takes on the node, by container.
    pub(crate) fn choose_devices(&mut self, node: NodeId, template: &Template) -> Vec<TakenDevice> {
        let devices = self.fleet.devices_for(node, &template.shape);
        if devices.is_empty() {
            return Vec::new();
        }
        let spec: PodSpec = serde_json::from_str(&template.pattern.spec).unwrap_or_default();
        spec.hand_out(&devices)
    }

    /// The pod has these devices from now on.
    pub(crate) fn set_devices(&mut self, uid: &PodUid, taken: Vec<TakenDevice>) -> bool {
        let is_new = self.state.devices.set(uid, taken);
        if is_new {
            self.state.touch(Table::Devices, uid);
        }
        is_new
    }

    /// A pod that is there has these devices, whatever this engine had decided.
    pub(crate) fn mend_devices(&mut self, uid: &PodUid, taken: &[TakenDevice]) {
        if !self.set_devices(uid, taken.to_vec()) {
            return;
        }
        let Some(id) = self.state.pods.id_of(uid) else { return };
        let Some(pod) = self.state.pods.get(&id) else { return };
        let template = self.state.owner(pod).and_then(|owner| owner.template_of(pod));
        if let Some(template) = template {
            self.fleet.reserve_with(PodId(id), NodeId(pod.node), &template.shape, taken);
        }
    }
}
