//! What is asked of devices over the whole fleet, and the policy made for it.
//!
//! Guarantee: the policy is a function of what is wanted and of the devices that are there, both
//! as of now, each count rounded to its first five binary digits. So an engine rebuilt from a
//! checkpoint values as the one that ran through, and a workload that scales within a step of the
//! counts costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::devices::{Ask, Kind, Models, ValueDescent};
use crate::ids::IdMap;
use crate::shape::PodShape;

/// Kinds that a policy is made for, the most frequent: each costs a few nanoseconds a bid, and the
/// openb lists have 42 to 112.
const KINDS_MAX: usize = 256;
/// Binary digits of a count that matter, in steps of 3 to 6 percent. With three digits the openb list
/// of most large pods lost half a point at 100 %.
const DIGITS: u32 = 5;

/// What is wanted, and what it makes devices worth.
#[derive(Debug, Default)]
pub(crate) struct Appraisal {
    wanted: IdMap<u32, (Arc<PodShape>, u64)>,
    kinds: BTreeMap<(Ask, Models), u64>,
    devices: BTreeMap<Arc<str>, i64>,
    /// Whether something of it changed since the policy was last looked at.
    is_stale: bool,
    made_for: Option<Basis>,
    policy: Option<ValueDescent>,
    /// Rises whenever another policy is made.
    pub(crate) version: u64,
}

/// What a policy was made for, in round counts.
#[derive(Debug, PartialEq, Eq)]
struct Basis {
    mix: Vec<Kind>,
    devices: BTreeMap<String, u64>,
}

impl Appraisal {
    /// So many pods of this shape are wanted under this number; instead of what was before.
    pub(crate) fn want(&mut self, number: u32, shape: &Arc<PodShape>, pods: u64) {
        let is_same = |(known, count): &(Arc<PodShape>, u64)| {
            *count == pods && (Arc::ptr_eq(known, shape) || known.digest == shape.digest)
        };
        if self.wanted.get(&number).is_some_and(is_same) {
            return;
        }
        if let Some((shape, pods)) = self.wanted.remove(&number) {
            self.count(&shape, pods, false);
        }
        if pods > 0 && shape.devices.is_some() {
            self.count(shape, pods, true);
            self.wanted.insert(number, (Arc::clone(shape), pods));
        }
    }

    pub(crate) fn count_device(&mut self, model: &Arc<str>, by: i64) {
        let count = self.devices.entry(Arc::clone(model)).or_insert(0);
        *count += by;
        if *count == 0 {
            self.devices.remove(model);
        }
        self.is_stale = true;
    }

    /// Makes the policy what it should be now.
    pub(crate) fn refresh(&mut self) {
        if !std::mem::take(&mut self.is_stale) && self.policy.is_some() {
            return;
        }
        let basis = self.basis();
        if self.made_for.as_ref() != Some(&basis) {
            self.policy = Some(ValueDescent::new(&basis.mix, &basis.devices));
            self.made_for = Some(basis);
            self.version += 1;
        }
    }

    /// The policy as it was last made; none before that.
    pub(crate) fn policy(&self) -> Option<&ValueDescent> {
        self.policy.as_ref()
    }

    fn count(&mut self, shape: &PodShape, pods: u64, is_more: bool) {
        let Some(demand) = &shape.devices else { return };
        let key = (demand.ask, demand.models.clone());
        let count = self.kinds.entry(key.clone()).or_insert(0);
        *count = if is_more { count.saturating_add(pods) } else { count.saturating_sub(pods) };
        if *count == 0 {
            self.kinds.remove(&key);
        }
        self.is_stale = true;
    }

    fn basis(&self) -> Basis {
        let kind = |((ask, models), pods): (&(Ask, Models), &u64)| Kind {
            ask: *ask,
            models: models.clone(),
            pods: rounded(*pods),
        };
        let mut mix: Vec<Kind> = self.kinds.iter().map(kind).collect();
        // Stable: of kinds as frequent as each other the first by what they ask for.
        mix.sort_by_key(|kind| std::cmp::Reverse(kind.pods));
        mix.truncate(KINDS_MAX);
        let devices = self.devices.iter();
        let devices = devices
            .map(|(model, count)| (model.to_string(), rounded(u64::try_from(*count).unwrap_or(0))));
        Basis { mix, devices: devices.collect() }
    }
}

/// The count to its first binary digits, the nearest, halves up.
fn rounded(count: u64) -> u64 {
    let digits = u64::BITS - count.leading_zeros();
    let cut = digits.saturating_sub(DIGITS);
    let half = if cut == 0 { 0 } else { 1 << (cut - 1) };
    count.saturating_add(half) >> cut << cut
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn a_count_keeps_five_binary_digits() {
        let rounded: Vec<u64> = [0, 1, 31, 32, 33, 35, 1000, u64::MAX].map(rounded).into();
        assert_eq!(rounded, [0, 1, 31, 32, 34, 36, 992, 31 << 59]);
    }
}
