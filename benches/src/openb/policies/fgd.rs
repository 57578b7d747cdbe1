//! FGD, fragmentation gradient descent (Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing
//! Workloads with Fragmentation Gradient Descent", USENIX ATC 2023), as the authors' simulator has it.

use setpoint_placement::devices::{Ask, DeviceSet};

use super::super::chooser::{Offer, Scorer};
use super::super::node::{Node, Pod};
use super::super::trace::Trace;
use super::typical::{TypicalPod, typical_pods};

/// Places a pod where the expected fragmentation grows least.
pub(super) struct Fgd {
    typical: Vec<TypicalPod>,
}

/// Why a typical pod leaves GPU of a node unused, in the order in which the simulator sums.
#[derive(Debug, Clone, Copy)]
enum Cause {
    LacksBoth,
    LacksGpu,
    LacksCpu,
    NeedsNoGpu,
    NeedsNoGpuLacksCpu,
    WrongModel,
}

/// How many causes there are.
const CAUSES: usize = 6;

impl Fgd {
    pub(super) fn of(trace: &Trace) -> Fgd {
        Fgd { typical: typical_pods(&trace.pods) }
    }

    /// F(n): milli-GPU of the node that a typical pod cannot use, in the mean.
    ///
    /// Summed cause by cause, as the simulator does: scores are truncated to integers, so that the
    /// order of summation decides some ties.
    fn fragmentation(&self, node: &Node) -> f64 {
        let mut by_cause = [0.0; CAUSES];
        for TypicalPod { pod, part } in &self.typical {
            let (cause, milli) = unusable(node, pod);
            by_cause[cause as usize] += part * f64::from(milli);
        }
        by_cause.iter().sum()
    }

    /// 100 / (1 + exp(-x)), truncated, of how far the fragmentation falls, in GPUs.
    fn score(&self, node: &Node, before: f64, ask: &Ask, devices: DeviceSet) -> i64 {
        let falls = (before - self.fragmentation(&node.after(ask, devices))) / 1000.0;
        (100.0 * (1.0 / (1.0 + (-falls).exp()))) as i64
    }
}

/// U(n) of one typical pod: all that is left where the pod does not fit, else what is left on the
/// devices that are too full for it.
fn unusable(node: &Node, pod: &Pod) -> (Cause, u32) {
    let enough_cpu = node.cpu_milli >= pod.ask.cpu_milli;
    let all = node.milli();
    if pod.ask.devices == 0 {
        return (if enough_cpu { Cause::NeedsNoGpu } else { Cause::NeedsNoGpuLacksCpu }, all);
    }
    if !pod.allows(node.model) {
        return (Cause::WrongModel, all);
    }
    let enough_gpu = node.devices_with(pod.ask.milli) >= usize::from(pod.ask.devices);
    match (enough_cpu, enough_gpu) {
        (false, false) => (Cause::LacksBoth, all),
        (false, true) => (Cause::LacksCpu, all),
        (true, false) => (Cause::LacksGpu, all),
        (true, true) => (Cause::LacksGpu, too_full(node, pod.ask.milli)),
    }
}

/// What is left on the devices that have less than this.
fn too_full(node: &Node, milli: u16) -> u32 {
    node.devices().iter().filter(|left| **left < milli).map(|left| u32::from(*left)).sum()
}

impl Scorer for Fgd {
    fn measure(&self, node: &Node) -> f64 {
        self.fragmentation(node)
    }

    fn offer(&self, node: &Node, before: f64, pod: &Pod) -> Offer {
        let ask = &pod.ask;
        let offer = |devices| Offer { score: self.score(node, before, ask, devices), devices };
        if !ask.is_share() {
            return offer(node.first_devices(ask));
        }
        let left = node.devices();
        let fitting = (0..left.len()).filter(|device| left[*device] >= ask.milli);
        let offers = fitting.map(|device| offer(DeviceSet::NONE.with(device)));
        let first_best =
            |best: Offer, next: Offer| if next.score > best.score { next } else { best };
        offers.reduce(first_best).unwrap_or(Offer { score: 0, devices: DeviceSet::NONE })
    }
}
