//! BestFit: the node with the least CPU and GPU left behind the pod.

use setpoint_placement::devices::DeviceSet;

use super::super::chooser::{Offer, Scorer};
use super::super::node::{Node, Pod};

/// The most CPU and GPU of a node of the trace: the scale of the sum.
const CPU_SCALE: f64 = 128_000.0;
const GPU_SCALE: f64 = 8_000.0;

/// 100 (1 - (C - c) / (2 · 128000) - (G - g) / (2 · 8000)), truncated; a share takes the device with
/// the least left that is enough.
pub(super) struct BestFit;

impl Scorer for BestFit {
    fn offer(&self, node: &Node, _measure: f64, pod: &Pod) -> Offer {
        let cpu = (node.cpu_milli - pod.ask.cpu_milli) as f64 / CPU_SCALE;
        let gpu = f64::from(node.milli() - pod.ask.milli_total()) / GPU_SCALE;
        let score = (100.0 * (1.0 - 0.5 * cpu - 0.5 * gpu)) as i64;
        Offer { score, devices: devices(node, pod) }
    }
}

fn devices(node: &Node, pod: &Pod) -> DeviceSet {
    if !pod.ask.is_share() {
        return node.first_devices(&pod.ask);
    }
    let left = node.devices();
    let fitting = (0..left.len()).filter(|device| left[*device] >= pod.ask.milli);
    let tightest = fitting.min_by_key(|device| left[*device]);
    tightest.map_or(DeviceSet::NONE, |device| DeviceSet::NONE.with(device))
}
