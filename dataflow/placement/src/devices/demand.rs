//! S: what a model's devices are in demand for, and how much of their value CPU and memory suffice for.

use super::kind::DEVICE_MILLI;
use super::leftover::LeftoverValues;
use super::need::Need;
use super::typical::Typical;

/// Pods whose needs are averaged for each device of value that is left. From 1.4 to 1.75 changes no
/// openb list by more than 0.03 points.
const PODS_PER_DEVICE: f64 = 1.6;

/// A kind that the model may host, and its part of the value demanded of the model.
#[derive(Debug, Clone, Copy)]
struct Demanded {
    need: Need,
    part: f64,
}

/// The demand for the devices of one model.
#[derive(Debug, Clone, Default)]
pub(super) struct Demand {
    mean: Need,
    kinds: Vec<Demanded>,
}

impl Demand {
    /// The demand of the kinds that may use the model.
    pub(super) fn of<'a>(
        kinds: impl Iterator<Item = &'a Typical>,
        values: &LeftoverValues,
    ) -> Demand {
        let mut demand = Demand::default();
        for kind in kinds {
            let devices = f64::from(kind.ask.devices) * values.value(kind.ask.milli)
                / f64::from(DEVICE_MILLI);
            if devices > 0.0 {
                let need = Need::of(kind.ask.cpu_milli, kind.ask.memory_bytes, devices);
                demand.kinds.push(Demanded { need, part: kind.part * devices });
            }
        }
        demand.weigh();
        demand
    }

    /// Makes the parts sum to 1, and finds the mean need.
    fn weigh(&mut self) {
        let total: f64 = self.kinds.iter().map(|kind| kind.part).sum();
        for kind in &mut self.kinds {
            kind.part /= total;
            self.mean.cpu += kind.part * kind.need.cpu;
            self.mean.memory += kind.part * kind.need.memory;
        }
    }

    /// The part of the value of so many devices for which this CPU and memory suffice, 0 to 1.
    ///
    /// Σ q · min(1, C / c(k), B / b(k)) over the kinds: C and B are CPU and memory left for each
    /// device of value, c and b what the kind needs for it, q the kind's part of what is demanded.
    /// A node is not filled by one kind: the mean need of k pods scatters 1/k as far about the mean
    /// of all. So k is the pods that the leftover holds: a large one asks for the mean, the last
    /// device for what each single kind needs.
    pub(super) fn usable(&self, cpu_milli: i64, memory_bytes: i64, devices: f64) -> f64 {
        let supply = Need::of(cpu_milli, memory_bytes, devices);
        let scatter = 1.0 / (PODS_PER_DEVICE * devices).max(1.0);
        let covered =
            |kind: &Demanded| kind.part * self.mean.toward(kind.need, scatter).covered_by(supply);
        self.kinds.iter().map(covered).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::{Ask, Kind, Models};
    use super::super::typical::typical;
    use super::*;

    /// Half of the pods need one core for a device, half need nine.
    fn demand() -> Demand {
        let ask = |cpu_milli| Ask { cpu_milli, memory_bytes: 0, devices: 1, milli: DEVICE_MILLI };
        let mix = [1000, 9000].map(|cpu| Kind { ask: ask(cpu), models: Models::Any, pods: 5 });
        Demand::of(typical(&mix).iter(), &LeftoverValues::of(&mix))
    }

    #[test]
    fn the_last_device_asks_for_each_kind_and_many_ask_for_the_mean() {
        let half_a_device = demand().usable(500, 0, 0.5);
        assert!((half_a_device - (0.5 + 0.5 / 9.0)).abs() < 1e-9, "{half_a_device}");
        let many = demand().usable(5_000_000, 0, 1000.0);
        assert!(many > 0.999, "{many}");
        assert!(demand().usable(2_500_000, 0, 1000.0) < 0.51);
    }

    #[test]
    fn without_cpu_nothing_is_usable() {
        assert_eq!(demand().usable(0, 1 << 40, 8.0), 0.0);
        assert_eq!(demand().usable(-1, 1 << 40, 8.0), 0.0);
    }
}
