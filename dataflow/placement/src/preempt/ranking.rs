//! The nodes by what making room on them would cost, for pods that ask for the same and have the same
//! priority: kept from search to search.
//!
//! Guarantee: equals what rating every node anew would give; a search costs what changed since the
//! last one, not the number of nodes. Absent: nodes with pods under budgets: what they cost changes
//! with the budgets, so they are only listed.

use std::collections::BTreeSet;

use crate::bits::Bits;
use crate::eligible::Eligible;
use crate::journal::Followed;

use super::cost::Cost;
use super::levels::Levels;

#[derive(Debug)]
pub(crate) struct Ranking {
    /// How far the journal of the levels was followed.
    followed: Followed,
    /// By position among the eligible nodes.
    rated: Vec<Rated>,
    /// Those that have a cost, the cheapest first, the first by name among equals.
    order: BTreeSet<(Cost, u32)>,
    /// Those with pods under budgets.
    guarded: Bits,
}

/// What making room on a node would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rated {
    /// There is no room to be made.
    Hopeless,
    /// So much.
    Costs(Cost),
    /// That depends on budgets.
    Guarded,
}

impl Ranking {
    /// All nodes rated.
    pub(crate) fn new(
        version: u64,
        levels: &Levels,
        eligible: &Eligible,
        rate: impl FnMut(u32) -> Rated,
    ) -> Ranking {
        let all = eligible.slots.len();
        let mut ranking = Ranking {
            followed: Followed::now(version, levels.changed()),
            rated: vec![Rated::Hopeless; all],
            order: BTreeSet::new(),
            guarded: Bits::none(all),
        };
        ranking.rate(0..all, eligible, rate);
        ranking
    }

    /// Rates those anew whose levels changed; `false` when all must be.
    pub(crate) fn catch_up(
        &mut self,
        version: u64,
        levels: &Levels,
        eligible: &Eligible,
        rate: impl FnMut(u32) -> Rated,
    ) -> bool {
        let Some(changed) = self.followed.news(version, levels.changed()) else { return false };
        let mut positions: Vec<usize> =
            changed.iter().filter_map(|slot| eligible.position(*slot)).collect();
        positions.sort_unstable();
        positions.dedup();
        self.rate(positions.into_iter(), eligible, rate);
        true
    }

    /// The cheapest that is under no budget, and its cost.
    pub(crate) fn best(&self) -> Option<(Cost, usize)> {
        self.order.first().map(|(cost, at)| (*cost, *at as usize))
    }

    /// Positions of nodes with pods under budgets.
    pub(crate) fn guarded(&self) -> &Bits {
        &self.guarded
    }

    fn rate(
        &mut self,
        positions: impl Iterator<Item = usize>,
        eligible: &Eligible,
        mut rate: impl FnMut(u32) -> Rated,
    ) {
        for at in positions {
            let now = rate(eligible.slots[at]);
            let before = std::mem::replace(&mut self.rated[at], now);
            if before == now {
                continue;
            }
            match before {
                Rated::Hopeless => {}
                Rated::Costs(cost) => {
                    self.order.remove(&(cost, at as u32));
                }
                Rated::Guarded => self.guarded.clear(at),
            }
            match now {
                Rated::Hopeless => {}
                Rated::Costs(cost) => {
                    self.order.insert((cost, at as u32));
                }
                Rated::Guarded => self.guarded.set(at),
            }
        }
    }
}
