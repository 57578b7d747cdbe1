//! Ours: value descent, told the list's mix and the fleet's models, as FGD is told its typical pods.

use std::collections::BTreeMap;

use setpoint_placement::devices::{DeviceSet, Left, Model, ValueDescent};

use super::super::chooser::{Offer, Scorer};
use super::super::node::{Node, Pod};
use super::super::trace::Trace;

/// The policy of the placer, and how it numbers the trace's models.
pub(super) struct Setpoint {
    policy: ValueDescent,
    models: Vec<Model>,
}

impl Setpoint {
    pub(super) fn of(trace: &Trace) -> Setpoint {
        let mut devices = BTreeMap::new();
        for node in &trace.nodes {
            *devices.entry(trace.models[node.model].clone()).or_insert(0) += node.devices as u64;
        }
        let policy = ValueDescent::new(&trace.mix(), &devices);
        let models = trace.models.iter().map(|name| policy.model(name)).collect();
        Setpoint { policy, models }
    }

    fn left<'a>(&self, node: &'a Node) -> Left<'a> {
        Left {
            cpu_milli: node.cpu_milli,
            memory_bytes: node.memory_bytes,
            model: self.models[node.model],
            devices: node.devices(),
        }
    }
}

impl Scorer for Setpoint {
    fn measure(&self, node: &Node) -> f64 {
        self.policy.potential(&self.left(node))
    }

    fn offer(&self, node: &Node, before: f64, pod: &Pod) -> Offer {
        match self.policy.bid(&self.left(node), before, &pod.ask) {
            Some(bid) => Offer { score: -bid.loss, devices: bid.devices },
            None => Offer { score: i64::MIN, devices: DeviceSet::NONE },
        }
    }
}
