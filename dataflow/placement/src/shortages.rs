//! What the nodes lack for pods that ask for the same plain amounts, and how many lack what: kept from
//! refusal to refusal.
//!
//! Guarantee: equals what asking every node anew would tell; a refusal costs what changed since the last
//! one, not the number of nodes. Absent: pods that ask for anything else, of a node or of other pods.

use crate::eligible::Eligible;
use crate::journal::Followed;
use crate::preempt::Levels;

/// Different sets of plain resources: a bit each.
const SETS: usize = 1 << 4;

#[derive(Debug)]
pub(crate) struct Shortages {
    /// How far the journal of the levels was followed.
    followed: Followed,
    /// What each eligible node lacks, by its position.
    lacks: Vec<u8>,
    /// How many lack each set.
    nodes: [usize; SETS],
}

impl Shortages {
    /// Asks every node.
    pub(crate) fn new(
        version: u64,
        levels: &Levels,
        eligible: &Eligible,
        lacks: impl Fn(u32) -> u8,
    ) -> Shortages {
        let lacks: Vec<u8> = eligible.slots.iter().map(|slot| lacks(*slot)).collect();
        let mut nodes = [0; SETS];
        lacks.iter().for_each(|set| nodes[usize::from(*set)] += 1);
        Shortages { followed: Followed::now(version, levels.changed()), lacks, nodes }
    }

    /// Asks those on which something changed; `false` when all must be asked.
    pub(crate) fn catch_up(
        &mut self,
        version: u64,
        levels: &Levels,
        eligible: &Eligible,
        lacks: impl Fn(u32) -> u8,
    ) -> bool {
        let Some(changed) = self.followed.news(version, levels.changed()) else { return false };
        for slot in changed {
            let Some(at) = eligible.position(*slot) else { continue };
            let now = lacks(*slot);
            let before = std::mem::replace(&mut self.lacks[at], now);
            self.nodes[usize::from(before)] -= 1;
            self.nodes[usize::from(now)] += 1;
        }
        true
    }

    /// The sets that some nodes lack, and how many do.
    pub(crate) fn sets(&self) -> impl Iterator<Item = (u8, usize)> {
        let sets = (0..).zip(self.nodes);
        sets.filter(|(set, nodes)| *set != 0 && *nodes > 0)
    }
}
