//! What is reserved on each node, by priority: whether a node can be of any help is seen without
//! looking at its pods.
//!
//! Guarantee: the levels of a node add up to all that is reserved and promised on it.

use std::collections::BTreeMap;

use crate::journal::Journal;
use crate::nodes::Hot;
use crate::shape::PodShape;

/// The rank of pods that stop: below every priority, since their room comes anyway.
pub(crate) const LEAVING: i64 = i64::MIN;

/// Plain amounts; extended resources are not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) cpu_milli: i64,
    pub(crate) memory_bytes: i64,
    pub(crate) ephemeral_bytes: i64,
    pub(crate) pods: i64,
}

/// All pods of one rank on one node.
#[derive(Debug, Clone, Copy)]
struct Level {
    rank: i64,
    pods: usize,
    amounts: Amounts,
}

/// The levels of all nodes.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// By slot, the lowest rank first.
    on: Vec<Vec<Level>>,
    /// Pods of each rank in the whole fleet.
    fleet: BTreeMap<i64, usize>,
    /// The slots on which some level changed.
    changed: Journal<u32>,
}

impl Levels {
    /// Counts a pod on the slot at this rank.
    pub(crate) fn add(&mut self, slot: u32, rank: i64, shape: &PodShape) {
        if self.on.len() <= slot as usize {
            self.on.resize_with(slot as usize + 1, Vec::new);
            // Whoever follows looks at all nodes when he begins anew: he may as well follow as many
            // changes.
            self.changed.keep(self.on.len());
        }
        let levels = &mut self.on[slot as usize];
        let at = levels.partition_point(|level| level.rank < rank);
        if levels.get(at).is_none_or(|level| level.rank != rank) {
            levels.insert(at, Level { rank, pods: 0, amounts: Amounts::default() });
        }
        levels[at].pods += 1;
        levels[at].amounts.add(Amounts::of(shape), 1);
        *self.fleet.entry(rank).or_default() += 1;
        self.changed.push(slot);
    }

    /// Counts a pod off the slot.
    pub(crate) fn subtract(&mut self, slot: u32, rank: i64, shape: &PodShape) {
        let levels = &mut self.on[slot as usize];
        let at = levels.partition_point(|level| level.rank < rank);
        let level = levels.get_mut(at).filter(|level| level.rank == rank);
        let level = level.expect("what was counted on a level is there to be counted off");
        level.pods -= 1;
        level.amounts.add(Amounts::of(shape), -1);
        if level.pods == 0 {
            levels.remove(at);
        }
        let all = self.fleet.entry(rank).or_default();
        *all = all.saturating_sub(1);
        if *all == 0 {
            self.fleet.remove(&rank);
        }
        self.changed.push(slot);
    }

    /// What would be free on the slot without anybody below this rank, beside what is free now.
    pub(crate) fn below(&self, slot: u32, rank: i64) -> Amounts {
        let mut sum = Amounts::default();
        let levels = self.on.get(slot as usize).into_iter().flatten();
        for level in levels.take_while(|level| level.rank < rank) {
            sum.add(level.amounts, 1);
        }
        sum
    }

    /// What will be free on the slot once all who stop are gone, beside what is free now.
    pub(crate) fn leaving(&self, slot: u32) -> Amounts {
        self.below(slot, LEAVING + 1)
    }

    /// Whether somebody on the slot is below this rank.
    pub(crate) fn is_above_some(&self, slot: u32, rank: i64) -> bool {
        let lowest = self.on.get(slot as usize).and_then(|levels| levels.first());
        lowest.is_some_and(|level| level.rank < rank)
    }

    /// Whether somebody in the fleet who stays is below this rank.
    pub(crate) fn is_above_anybody(&self, rank: i64) -> bool {
        let lowest = self.fleet.range(LEAVING + 1..).next();
        lowest.is_some_and(|(lowest, _)| *lowest < rank)
    }

    /// The slots on which some level changed.
    pub(crate) fn changed(&self) -> &Journal<u32> {
        &self.changed
    }
}

impl Amounts {
    pub(crate) fn of(shape: &PodShape) -> Amounts {
        let asks = &shape.requests;
        Amounts {
            cpu_milli: asks.cpu_milli,
            memory_bytes: asks.memory_bytes,
            ephemeral_bytes: asks.ephemeral_bytes,
            pods: asks.pods,
        }
    }

    /// What is free on a node.
    pub(crate) fn free(hot: &Hot) -> Amounts {
        Amounts {
            cpu_milli: hot.cpu_free,
            memory_bytes: hot.memory_free,
            ephemeral_bytes: hot.ephemeral_free,
            pods: hot.pods_free,
        }
    }

    pub(crate) fn add(&mut self, other: Amounts, times: i64) {
        let sum = |a: i64, b: i64| a.saturating_add(times * b);
        self.cpu_milli = sum(self.cpu_milli, other.cpu_milli);
        self.memory_bytes = sum(self.memory_bytes, other.memory_bytes);
        self.ephemeral_bytes = sum(self.ephemeral_bytes, other.ephemeral_bytes);
        self.pods = sum(self.pods, other.pods);
    }

    /// Whether so much is enough for what is asked; what is not asked for is not checked.
    pub(crate) fn suffice(&self, asks: &Amounts) -> bool {
        let enough = |asked: i64, free: i64| asked == 0 || asked <= free;
        enough(asks.cpu_milli, self.cpu_milli)
            && enough(asks.memory_bytes, self.memory_bytes)
            && enough(asks.ephemeral_bytes, self.ephemeral_bytes)
            && enough(asks.pods, self.pods)
    }
}
