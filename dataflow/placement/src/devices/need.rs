//! CPU and memory for each device of value: what pods need, and what a node has.

/// Amounts for one device of value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Need {
    /// Thousandths of a core.
    pub(super) cpu: f64,
    /// Bytes.
    pub(super) memory: f64,
}

impl Need {
    /// Amounts spread over devices; amounts below 0 are none. They are far below 2^53, where f64 is exact.
    pub(super) fn of(cpu_milli: i64, memory_bytes: i64, devices: f64) -> Need {
        Need {
            cpu: cpu_milli.max(0) as f64 / devices,
            memory: memory_bytes.max(0) as f64 / devices,
        }
    }

    /// So much of the way from here to there.
    pub(super) fn toward(self, there: Need, part: f64) -> Need {
        Need {
            cpu: self.cpu + (there.cpu - self.cpu) * part,
            memory: self.memory + (there.memory - self.memory) * part,
        }
    }

    /// The part of this need that the supply covers, at most 1.
    pub(super) fn covered_by(self, supply: Need) -> f64 {
        let covered = |need: f64, supply: f64| if supply < need { supply / need } else { 1.0 };
        covered(self.cpu, supply.cpu).min(covered(self.memory, supply.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_amount_counts_and_plenty_is_no_more_than_enough() {
        let need = Need { cpu: 4.0, memory: 10.0 };
        let covered = |cpu, memory| need.covered_by(Need { cpu, memory });
        assert_eq!([covered(2.0, 9.0), covered(3.0, 5.0), covered(40.0, 90.0)], [0.5, 0.5, 1.0]);
        assert_eq!(Need::of(-5, 0, 2.0).covered_by(Need::default()), 1.0);
    }
}
