//! Φ = w · V · S + I of a node's devices, for one mix and one set of models.

use std::collections::BTreeMap;

use super::demand::Demand;
use super::kind::{DEVICE_MILLI, Kind, Models, merged};
use super::leftover::LeftoverValues;
use super::price;
use super::typical::{Typical, typical};

/// The weight of I. From 0.15 to 0.17 changes no openb list by more than 0.03 points; 0.1 and 0.2
/// cost one of them up to 0.08.
const EVENNESS_WEIGHT: f64 = 0.15;

/// A model of device, as [`ValueDescent::model`] numbers it; of no meaning for another instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model(usize);

/// What is left on a node.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// Thousandths of cores.
    pub cpu_milli: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// The model of its devices.
    pub model: Model,
    /// Thousandths left of each device, by number. The first [`super::DEVICES_MAX`] can be taken.
    pub devices: &'a [u16],
}

/// The policy, made for a mix of what is asked for and for the models that there are.
///
/// Shape: some 20 KiB. Making it takes milliseconds; it is made anew when mix or models have changed
/// enough to matter, not for each pod.
#[derive(Debug, Clone)]
pub struct ValueDescent {
    values: LeftoverValues,
    names: BTreeMap<String, Model>,
    models: Vec<ModelTerms>,
}

/// What is valued by model.
#[derive(Debug, Clone)]
struct ModelTerms {
    price: f64,
    demand: Demand,
}

impl ValueDescent {
    /// The policy for what this mix asks for, where there are so many devices of each model. The
    /// order of the mix does not matter, and equal kinds are one.
    #[must_use]
    pub fn new(mix: &[Kind], devices: &BTreeMap<String, u64>) -> ValueDescent {
        let mix = merged(mix);
        let values = LeftoverValues::of(&mix);
        let kinds = typical(&mix);
        let others = Demand::of(kinds.iter().filter(|kind| kind.models == Models::Any), &values);
        let mut policy = ValueDescent {
            values,
            names: BTreeMap::new(),
            models: vec![ModelTerms { price: 1.0, demand: others }],
        };
        for (name, price) in price::prices(&mix, devices) {
            policy.add(name, price, &kinds);
        }
        policy
    }

    fn add(&mut self, name: String, price: f64, kinds: &[Typical]) {
        let allowed = kinds.iter().filter(|kind| kind.models.allow(&name));
        let demand = Demand::of(allowed, &self.values);
        self.names.insert(name, Model(self.models.len()));
        self.models.push(ModelTerms { price, demand });
    }

    /// The model of this name. One that was not there when the policy was made is valued as what
    /// pods without a wish may use.
    #[must_use]
    pub fn model(&self, name: &str) -> Model {
        self.names.get(name).copied().unwrap_or(Model(0))
    }

    /// Φ of what is left, in milli-GPU; kept by the caller until the node changes.
    #[must_use]
    pub fn potential(&self, node: &Left) -> f64 {
        self.potential_of(node, node.devices.iter().copied())
    }

    /// Φ of the node with these devices instead of its own.
    pub(super) fn potential_of(&self, node: &Left, devices: impl Iterator<Item = u16>) -> f64 {
        let (mut value, mut squares) = (0.0, 0.0);
        for left in devices {
            value += self.values.value(left);
            squares += f64::from(left) * f64::from(left);
        }
        let device = f64::from(DEVICE_MILLI);
        let evenness = EVENNESS_WEIGHT * squares / device;
        if value <= 0.0 {
            return evenness;
        }
        let ModelTerms { price, demand } = &self.models[node.model.0];
        price * value * demand.usable(node.cpu_milli, node.memory_bytes, value / device) + evenness
    }
}
