//! The search: which nodes are compared.
//!
//! Guarantee: what is compared depends on names, never on slots nor on what was asked before; when
//! some node fits, one that fits is found.

use crate::bits::Bits;
use crate::eligible::Eligible;
use crate::filters::{self, Stage};
use crate::room::Room;
use crate::scores::{self, Considered};
use crate::view::View;

/// Nodes named as considered: what a person reads of an answer.
const CONSIDERED_MAX: usize = 8;
/// Draws for each sample wanted: some draws end at the same node.
const DRAWS_PER_SAMPLE: usize = 2;
/// Samples for each one wanted where the nodes drawn are nearly full: the more of them are seen, the
/// likelier one is filled without a rest. From 4 to 8 it still helps, beyond that hardly.
const SAMPLES_WHERE_FULL: usize = 8;
/// Fleets of this many nodes for each sample wanted are looked at node by node.
const SMALL_PER_SAMPLE: usize = 4;
/// Camps that are drawn from, the best by preference: of one preference the whole range weighs as
/// much as all that resources can tell, so the next camps would hardly ever win.
const CAMPS_DRAWN_MAX: usize = 8;
/// Samples of one camp at least, when many camps share them.
const CAMP_SAMPLES_MIN: usize = 2;
/// Odd, for stepping through 64-bit hashes (2^64 over the golden ratio).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a search came to.
pub(crate) struct Found {
    /// The nodes compared, the best first; empty when none fits.
    pub(crate) considered: Vec<Considered>,
    /// How many nodes were asked whether they have room.
    pub(crate) asked: usize,
}

/// Searches for the nodes to compare, and compares them.
pub(crate) fn choose(
    mut view: View<'_>,
    eligible: &Eligible,
    room: &mut Room,
    seed: u64,
    samples: usize,
) -> Found {
    let slots = &eligible.slots;
    if slots.len() <= samples.saturating_mul(SMALL_PER_SAMPLE) {
        let fits = |slot: &u32| filters::first_refusal(&view, *slot, Stage::Dynamic).is_none();
        let fitting: Vec<u32> = slots.iter().copied().filter(fits).collect();
        return Found { considered: ranked(&view, &fitting), asked: slots.len() };
    }
    view.drawn = true;
    let view = &view;
    let drawn = Vec::with_capacity(samples);
    let mut draw = Draw { view, slots, room, seed, samples, drawn, asked: 0 };
    match view.camps() {
        None => {
            draw.draw(None);
        }
        Some(camps) => draw.draw_best(camps.iter()),
    }
    draw.drawn.sort_unstable();
    let drawn: Vec<u32> = draw.drawn.iter().map(|at| slots[*at]).collect();
    Found { considered: ranked(view, &drawn), asked: draw.asked }
}

/// The slots come in order of names.
pub(crate) fn ranked(view: &View<'_>, slots: &[u32]) -> Vec<Considered> {
    let scores = scores::score(view, slots, slots);
    scores::best_first(view, slots, &scores, CONSIDERED_MAX)
}

/// A draw among the eligible nodes.
struct Draw<'a, 'v> {
    view: &'a View<'v>,
    slots: &'a [u32],
    room: &'a mut Room,
    seed: u64,
    samples: usize,
    /// Positions, different ones.
    drawn: Vec<usize>,
    asked: usize,
}

impl Draw<'_, '_> {
    /// Draws from each camp that other pods allow, or from the best of them.
    fn draw_best<'c>(&mut self, camps: impl Iterator<Item = &'c Bits>) {
        let first = |members: &Bits| members.iter().next().expect("no camp is empty");
        let allowed = |members: &&Bits| {
            let slot = self.slots[first(members)];
            filters::first_refusal(self.view, slot, Stage::Around).is_none()
        };
        let mut allowed: Vec<(usize, &Bits)> =
            camps.filter(allowed).map(|members| (first(members), members)).collect();
        if allowed.len() > CAMPS_DRAWN_MAX {
            allowed.sort_unstable_by_key(|(first, _)| *first);
            let slots: Vec<u32> = allowed.iter().map(|(first, _)| self.slots[*first]).collect();
            let mut order: Vec<(i64, usize)> =
                scores::preferences(self.view, &slots).into_iter().map(|p| -p).zip(0..).collect();
            order.sort_unstable();
            allowed = order.into_iter().map(|(_, index)| allowed[index]).collect();
        }
        let shared = 2 * self.samples / allowed.len().max(1);
        self.samples = shared.clamp(CAMP_SAMPLES_MIN.min(self.samples), self.samples);
        let mut fruitful = 0;
        for (_, members) in allowed {
            fruitful += usize::from(self.draw(Some(members)));
            if fruitful == CAMPS_DRAWN_MAX {
                break;
            }
        }
    }

    /// Draws up to so many samples that fit, of all nodes or of these; whether there are any.
    fn draw(&mut self, members: Option<&Bits>) -> bool {
        let before = self.drawn.len();
        let mut hash = self.seed;
        self.draw_up_to(self.samples, before, members, &mut hash);
        if self.drawn.len() - before == self.samples && self.is_crowded(before) {
            self.draw_up_to(self.samples * SAMPLES_WHERE_FULL, before, members, &mut hash);
        }
        self.drawn.len() > before
    }

    /// Draws until there are so many from this one on, or none is left that was not drawn soon.
    fn draw_up_to(&mut self, len: usize, before: usize, members: Option<&Bits>, hash: &mut u64) {
        let wanted = len - (self.drawn.len() - before);
        for _ in 0..wanted * DRAWS_PER_SAMPLE {
            *hash = hash.wrapping_add(STEP);
            let from = below(mixed(*hash), self.slots.len());
            let Some(at) = self.next_fitting(members, from) else { break };
            if !self.drawn[before..].contains(&at) {
                self.drawn.push(at);
                if self.drawn.len() - before == len {
                    break;
                }
            }
        }
    }

    /// Whether those drawn from this one on are nearly full.
    fn is_crowded(&self, before: usize) -> bool {
        let slots = self.drawn[before..].iter().map(|at| self.slots[*at]);
        scores::Crowding::of(self.view, slots) == scores::Crowding::Full
    }

    /// The first position from there on, and round again, whose node has room.
    fn next_fitting(&mut self, members: Option<&Bits>, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let open = self.room.open();
            at = open.next_round(members.unwrap_or(open), at)?;
            self.asked += 1;
            if filters::has_room(self.view, self.slots[at]) {
                return Some(at);
            }
            self.room.shut(at);
        }
    }
}

/// The finalizer of SplitMix64: every bit depends on every bit.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A hash as an index below the length.
fn below(hash: u64, len: usize) -> usize {
    let product = u128::from(hash) * len as u128;
    (product >> 64) as usize
}
