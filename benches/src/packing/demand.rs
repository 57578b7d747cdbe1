//! Pods drawn until the fleet's cpu and memory are all asked for.

use rand::RngExt;
use rand::rngs::StdRng;

use super::{GIB, Room, one_of};

/// What a pod asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ask {
    pub(crate) cpu_milli: i64,
    pub(crate) memory_bytes: i64,
    pub(crate) ssd: bool,
}

/// A workload: pods that are alike.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) ask: Ask,
    pub(crate) replicas: i64,
    /// Whether its pods must be spread evenly over the zones.
    pub(crate) spread: bool,
}

const CPU_MILLI: [i64; 5] = [250, 500, 1_000, 2_000, 4_000];
/// Memory a core, lean and rich: the fleet's own mean lies between.
const LEAN: [i64; 2] = [GIB, 2 * GIB];
const RICH: [i64; 2] = [4 * GIB, 8 * GIB];
/// Pods a workload, of the last ones fewer.
const REPLICAS: i64 = 20;
/// One workload in so many asks for the disk, of which there is twice as much.
const SSD_EVERY: usize = 10;
/// Draws in a row without room for a single pod after which the fleet counts as asked for.
const MISSES_MAX: usize = 100;
/// Workloads of a hundred whose pods must be spread over the zones.
const SPREAD_PERCENT: usize = 30;

impl Demand {
    /// Workloads that ask for all the cpu and all the memory of these nodes, but for less than a pod.
    pub(crate) fn drawn(rooms: &[Room], rng: &mut StdRng) -> Vec<Demand> {
        let mut cpu: i64 = rooms.iter().map(|room| room.cpu_milli).sum();
        let mut memory: i64 = rooms.iter().map(|room| room.memory_bytes).sum();
        let mut drawn: Vec<Demand> = Vec::new();
        let mut misses = 0;
        while misses < MISSES_MAX {
            let ask = Ask {
                ssd: drawn.len().is_multiple_of(SSD_EVERY),
                ..Ask::that_balances(cpu, memory, rng)
            };
            let replicas = REPLICAS.min(cpu / ask.cpu_milli).min(memory / ask.memory_bytes);
            if replicas == 0 {
                misses += 1;
                continue;
            }
            misses = 0;
            cpu -= replicas * ask.cpu_milli;
            memory -= replicas * ask.memory_bytes;
            drawn.push(Demand { ask, replicas, spread: rng.random_range(0..100) < SPREAD_PERCENT });
        }
        drawn
    }
}

impl Ask {
    /// Asks for more of whatever is left more of: so both end together.
    fn that_balances(cpu: i64, memory: i64, rng: &mut StdRng) -> Ask {
        let between = i128::from(LEAN[1] + RICH[0]) / 2;
        let is_rich = i128::from(memory) * 1_000 > i128::from(cpu) * between;
        let a_core = one_of(rng, if is_rich { &RICH } else { &LEAN });
        let cpu_milli = one_of(rng, &CPU_MILLI);
        Ask { cpu_milli, memory_bytes: cpu_milli * a_core / 1_000, ssd: false }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn all_the_cpu_and_memory_is_asked_for_and_no_more() {
        let rooms: Vec<Room> = (0..300).map(super::super::room).collect();
        let drawn = Demand::drawn(&rooms, &mut StdRng::seed_from_u64(1));
        let asked = |of: fn(&Ask) -> i64| -> i64 {
            drawn.iter().map(|demand| demand.replicas * of(&demand.ask)).sum()
        };
        let cpu: i64 = rooms.iter().map(|room| room.cpu_milli).sum();
        let memory: i64 = rooms.iter().map(|room| room.memory_bytes).sum();
        let left = (cpu - asked(|ask| ask.cpu_milli), memory - asked(|ask| ask.memory_bytes));
        assert!((0..=cpu / 1_000).contains(&left.0), "{left:?}");
        assert!((0..=memory / 1_000).contains(&left.1), "{left:?}");
    }
}
