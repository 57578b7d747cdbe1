//! What a pod costs on a node, and which of its devices it takes there.

use super::device_set::{DEVICES_MAX, DeviceSet};
use super::kind::Ask;
use super::potential::{Left, ValueDescent};

/// A node's answer to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bid {
    /// By how much the node's potential falls, in whole milli-GPU: the least is the best.
    pub loss: i64,
    /// The devices that the pod takes.
    pub devices: DeviceSet,
}

impl ValueDescent {
    /// The bid of a node for a pod; `None` when too few devices have enough left. `before` is the
    /// node's [`ValueDescent::potential`].
    ///
    /// One device: the one whose taking costs least, the lowest number on ties. Several: those with
    /// the least left. None: what the pod takes of CPU and memory is a loss as well.
    #[must_use]
    pub fn bid(&self, node: &Left, before: f64, ask: &Ask) -> Option<Bid> {
        let bid = |devices| Bid { loss: self.loss(node, before, ask, devices), devices };
        match ask.devices {
            0 => Some(bid(DeviceSet::NONE)),
            1 => distinct(node.devices, ask.milli).map(bid).min_by_key(|bid| bid.loss),
            _ => tightest(node.devices, ask).map(bid),
        }
    }

    fn loss(&self, node: &Left, before: f64, ask: &Ask, taken: DeviceSet) -> i64 {
        let rest = Left {
            cpu_milli: node.cpu_milli - ask.cpu_milli,
            memory_bytes: node.memory_bytes - ask.memory_bytes,
            ..*node
        };
        let devices = node.devices.iter().enumerate().map(|(device, left)| {
            if taken.contains(device) { left.saturating_sub(ask.milli) } else { *left }
        });
        // A potential is at most some thousand for each device, far from where the cast would clip.
        (before - self.potential_of(&rest, devices)).round() as i64
    }
}

/// Of the devices with so much left, the first of each leftover: the others would cost the same.
fn distinct(devices: &[u16], milli: u16) -> impl Iterator<Item = DeviceSet> {
    let first = move |device: &usize| {
        let left = devices[*device];
        left >= milli && !devices[..*device].contains(&left)
    };
    (0..devices.len().min(DEVICES_MAX)).filter(first).map(|device| DeviceSet::NONE.with(device))
}

/// As many devices as asked for, those with the least left that is enough, lowest numbers first.
fn tightest(devices: &[u16], ask: &Ask) -> Option<DeviceSet> {
    let mut taken = DeviceSet::NONE;
    for _ in 0..ask.devices {
        let fitting = (0..devices.len().min(DEVICES_MAX))
            .filter(|device| devices[*device] >= ask.milli && !taken.contains(*device));
        taken = taken.with(fitting.min_by_key(|device| devices[*device])?);
    }
    Some(taken)
}
