//! Random: any node that fits, and for a share any device that fits.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setpoint_placement::devices::DeviceSet;

use super::super::chooser::Chooser;
use super::super::node::{Node, Pod};

/// Draws from its own seed. The published draws came from parallel threads and cannot be repeated:
/// only the mean can be compared.
pub(super) struct Random(StdRng);

impl Random {
    pub(super) fn with_seed(seed: u32) -> Random {
        Random(StdRng::seed_from_u64(u64::from(seed)))
    }

    fn one_of(&mut self, items: &[usize]) -> usize {
        items[self.0.random_range(0..items.len())]
    }
}

impl Chooser for Random {
    fn choose(&mut self, nodes: &[Node], pod: &Pod) -> Option<(usize, DeviceSet)> {
        let fitting: Vec<usize> = (0..nodes.len()).filter(|node| nodes[*node].fits(pod)).collect();
        if fitting.is_empty() {
            return None;
        }
        let node = self.one_of(&fitting);
        if !pod.ask.is_share() {
            return Some((node, nodes[node].first_devices(&pod.ask)));
        }
        let left = nodes[node].devices();
        let devices: Vec<usize> = (0..left.len()).filter(|d| left[*d] >= pod.ask.milli).collect();
        Some((node, DeviceSet::NONE.with(self.one_of(&devices))))
    }

    fn changed(&mut self, _node: usize) {}
}
