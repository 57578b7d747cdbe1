//! w: how much dearer the devices of a model are, because more is asked of them.

use std::collections::BTreeMap;

use super::kind::{DEVICE_MILLI, Kind};

/// How much dearer a model gets when its load is that of all models once over. From 0.04 to 0.06
/// changes no openb list by more than 0.03 points.
const LOAD_WEIGHT: f64 = 0.05;

/// The price of each model of which there are so many devices: 1 where the load is that of all.
///
/// The load of a model is what is asked of one of its devices, each pod's request spread evenly
/// over all devices that it may use.
pub(super) fn prices(mix: &[Kind], devices: &BTreeMap<String, u64>) -> BTreeMap<String, f64> {
    let mut loads: BTreeMap<String, f64> = devices.keys().map(|name| (name.clone(), 0.0)).collect();
    let mut asked_all = 0.0;
    for kind in mix {
        // Counts of pods are far below 2^53, where f64 is exact.
        let asked = f64::from(kind.ask.milli_total()) * kind.pods as f64;
        let usable = count(devices.iter().filter(|(name, _)| kind.models.allow(name)));
        let allowed = loads.iter_mut().filter(|(name, _)| kind.models.allow(name));
        allowed.for_each(|(_, load)| *load += asked / usable);
        asked_all += asked;
    }
    let mean = (asked_all / count(devices.iter())).max(1.0 / f64::from(DEVICE_MILLI));
    let price = |load: f64| 1.0 + LOAD_WEIGHT * (load / mean - 1.0);
    loads.into_iter().map(|(name, load)| (name, price(load))).collect()
}

/// How many devices, at least one; the counts are far below 2^53.
fn count<'a>(models: impl Iterator<Item = (&'a String, &'a u64)>) -> f64 {
    models.map(|(_, devices)| *devices as f64).sum::<f64>().max(1.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::kind::{Ask, Models};
    use super::*;

    fn kind(models: Models, pods: u64) -> Kind {
        let ask = Ask { cpu_milli: 0, memory_bytes: 0, devices: 1, milli: DEVICE_MILLI };
        Kind { ask, models, pods }
    }

    #[test]
    fn a_model_that_is_asked_for_by_name_is_dearer_than_the_others() {
        let devices = BTreeMap::from([("A".to_owned(), 10), ("B".to_owned(), 10)]);
        let only_a = Models::OneOf(BTreeSet::from(["A".to_owned()]));
        let found = prices(&[kind(Models::Any, 10), kind(only_a, 10)], &devices);
        assert_eq!(found["A"], 1.025);
        assert_eq!(found["B"], 0.975);
    }

    #[test]
    fn without_any_demand_no_model_is_dearer_than_another() {
        let devices = BTreeMap::from([("A".to_owned(), 10), ("B".to_owned(), 0)]);
        let found = prices(&[], &devices);
        assert_eq!(found["A"], found["B"]);
    }
}
