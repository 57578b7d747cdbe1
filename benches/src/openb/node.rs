//! A node of the trace while pods arrive: what is left of it.

use setpoint_placement::devices::{Ask, DEVICE_MILLI, DeviceSet};

/// The most devices that a node of the trace has.
pub(super) const DEVICES_MAX: usize = 8;

/// The most pods that a node takes: the published method's bound.
const PODS_MAX: u32 = 1001;

/// What a node has when it is empty.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeSpec {
    pub(super) name: String,
    pub(super) cpu_milli: i64,
    pub(super) memory_bytes: i64,
    pub(super) devices: usize,
    /// Index of its model.
    pub(super) model: usize,
}

/// A pod of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pod {
    pub(super) ask: Ask,
    /// The models that will do, one bit each.
    pub(super) models: u32,
    /// Index of the text that names the models, among all such texts in text order.
    pub(super) spec: usize,
}

impl Pod {
    /// Whether a node of this model may host it; what asks for no device may go anywhere.
    pub(super) fn allows(&self, model: usize) -> bool {
        self.ask.devices == 0 || self.models >> model & 1 == 1
    }
}

/// What is left on a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) cpu_milli: i64,
    pub(super) memory_bytes: i64,
    pub(super) model: usize,
    pods: u32,
    count: usize,
    left: [u16; DEVICES_MAX],
}

impl Node {
    pub(super) fn empty(spec: &NodeSpec) -> Node {
        Node {
            cpu_milli: spec.cpu_milli,
            memory_bytes: spec.memory_bytes,
            model: spec.model,
            pods: 0,
            count: spec.devices,
            left: [DEVICE_MILLI; DEVICES_MAX],
        }
    }

    /// Thousandths left of each device.
    pub(super) fn devices(&self) -> &[u16] {
        &self.left[..self.count]
    }

    /// Thousandths left over all devices.
    pub(super) fn milli(&self) -> u32 {
        self.devices().iter().map(|left| u32::from(*left)).sum()
    }

    /// How many devices have so much left.
    pub(super) fn devices_with(&self, milli: u16) -> usize {
        self.devices().iter().filter(|left| **left >= milli).count()
    }

    pub(super) fn fits(&self, pod: &Pod) -> bool {
        let ask = &pod.ask;
        self.cpu_milli >= ask.cpu_milli
            && self.memory_bytes >= ask.memory_bytes
            && self.pods < PODS_MAX
            && pod.allows(self.model)
            && self.devices_with(ask.milli) >= usize::from(ask.devices)
    }

    /// The lowest-numbered devices with enough left, as many as the pod asks for.
    pub(super) fn first_devices(&self, ask: &Ask) -> DeviceSet {
        let fitting = (0..self.count).filter(|device| self.left[*device] >= ask.milli);
        fitting.take(usize::from(ask.devices)).fold(DeviceSet::NONE, DeviceSet::with)
    }

    /// Takes what the pod asks for, from these devices.
    pub(super) fn take(&mut self, ask: &Ask, devices: DeviceSet) {
        self.cpu_milli -= ask.cpu_milli;
        self.memory_bytes -= ask.memory_bytes;
        self.pods += 1;
        for (device, left) in self.left[..self.count].iter_mut().enumerate() {
            if devices.contains(device) {
                *left -= ask.milli;
            }
        }
    }

    /// The node after that.
    pub(super) fn after(&self, ask: &Ask, devices: DeviceSet) -> Node {
        let mut node = self.clone();
        node.take(ask, devices);
        node
    }
}
