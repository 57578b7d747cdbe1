//! What pods ask of devices, and how many ask for the same: the mix that leftovers are valued for.

use std::collections::{BTreeMap, BTreeSet};

/// A whole device, in its thousandths.
pub const DEVICE_MILLI: u16 = 1000;

/// What one pod asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ask {
    /// Thousandths of a core.
    pub cpu_milli: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// How many devices; 0 asks for none.
    pub devices: u16,
    /// Thousandths of each of them; [`DEVICE_MILLI`] for whole ones.
    pub milli: u16,
}

impl Ask {
    /// Thousandths over all devices.
    #[must_use]
    pub fn milli_total(&self) -> u32 {
        u32::from(self.devices) * u32::from(self.milli)
    }

    /// Whether it is a part of one device.
    #[must_use]
    pub fn is_share(&self) -> bool {
        self.devices == 1 && self.milli < DEVICE_MILLI
    }
}

/// The models of device that will do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Models {
    /// Every model.
    Any,
    /// One of these.
    OneOf(BTreeSet<String>),
}

impl Models {
    /// Whether this model will do.
    #[must_use]
    pub fn allow(&self, model: &str) -> bool {
        match self {
            Models::Any => true,
            Models::OneOf(names) => names.contains(model),
        }
    }
}

/// Pods that ask for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// What each of them asks for.
    pub ask: Ask,
    /// On which models.
    pub models: Models,
    /// How many of them, in whatever window the mix is counted.
    pub pods: u64,
}

/// The mix with equal kinds as one, in order, without those that nobody asks for.
pub(super) fn merged(mix: &[Kind]) -> Vec<Kind> {
    let mut counts = BTreeMap::new();
    for kind in mix.iter().filter(|kind| kind.pods > 0) {
        *counts.entry((kind.ask, kind.models.clone())).or_insert(0) += kind.pods;
    }
    counts.into_iter().map(|((ask, models), pods)| Kind { ask, models, pods }).collect()
}
