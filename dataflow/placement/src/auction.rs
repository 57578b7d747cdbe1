//! The auction: the nodes that have devices for a pod, in the order of what its placement would cost
//! them in worth.
//!
//! Guarantee: the order is that of bids made now, of equals the first by name; a bid is made anew
//! only where something was taken or freed since the last pod that asks for the same.

use std::collections::BTreeSet;

use crate::eligible::Eligible;
use crate::filters::{self, Stage};
use crate::fleet::Fleet;
use crate::nodes::Nodes;
use crate::outlook::Interest;
use crate::scores::Considered;
use crate::search::ranked;
use crate::shape::PodShape;
use crate::view::View;

/// Bidders compared for a pod: as many as a person reads of.
const COMPARED_MAX: usize = 8;
/// Bidders that are asked what other pods say of them, the cheapest first; beyond that the pod goes
/// where the search among all eligible nodes finds.
const ASKED_MAX: usize = 64;

/// The bids for pods that ask for the same.
#[derive(Debug)]
pub(crate) struct Auction {
    /// The version of the nodes that this was built from.
    version: u64,
    /// The version of the policy that the bids were made by.
    policy: u64,
    /// How far the journal of what was taken and freed was followed.
    next: u64,
    /// The loss of each eligible node that fits, by position.
    losses: Vec<Option<i64>>,
    /// By loss, then by position, which is the order of names.
    order: BTreeSet<(i64, u32)>,
}

impl Auction {
    /// All eligible nodes asked; how many that were.
    pub(crate) fn new(nodes: &Nodes, shape: &PodShape, eligible: &Eligible) -> (Auction, usize) {
        let mut auction = Auction {
            version: nodes.version,
            policy: nodes.boards.appraisal.version,
            next: nodes.boards.changed().next(),
            losses: vec![None; eligible.slots.len()],
            order: BTreeSet::new(),
        };
        let view = View::bare(nodes, shape);
        (0..eligible.slots.len()).for_each(|at| auction.ask(&view, eligible, at));
        let asked = eligible.slots.len();
        (auction, asked)
    }

    /// Asks anew where something changed since; how many nodes that were.
    pub(crate) fn catch_up(
        &mut self,
        nodes: &Nodes,
        shape: &PodShape,
        eligible: &Eligible,
    ) -> usize {
        let is_same = self.version == nodes.version
            && self.policy == nodes.boards.appraisal.version
            && self.losses.len() == eligible.slots.len();
        let changed = nodes.boards.changed().since(self.next).filter(|_| is_same);
        let Some(changed) = changed else {
            let (auction, asked) = Auction::new(nodes, shape, eligible);
            *self = auction;
            return asked;
        };
        let view = View::bare(nodes, shape);
        let slots: BTreeSet<u32> = changed.iter().copied().collect();
        let positions = slots.iter().filter_map(|slot| eligible.position(*slot));
        positions.for_each(|at| self.ask(&view, eligible, at));
        self.next = nodes.boards.changed().next();
        slots.len()
    }

    fn ask(&mut self, view: &View<'_>, eligible: &Eligible, at: usize) {
        let position = u32::try_from(at).expect("fewer nodes than u32 can number");
        if let Some(loss) = self.losses[at].take() {
            self.order.remove(&(loss, position));
        }
        let slot = eligible.slots[at];
        if filters::has_room(view, slot) {
            let loss = view.loss(slot);
            self.losses[at] = Some(loss);
            self.order.insert((loss, position));
        }
    }
}

impl Fleet {
    /// The nodes compared for a pod that asks for devices, the best first; what it asks for was
    /// prepared. Empty when none fits, or none of the cheapest.
    pub(crate) fn auctioned(
        &mut self,
        shape: &PodShape,
        interest: &Interest,
        seed: u64,
        samples: usize,
    ) -> Vec<Considered> {
        let asked = self.prepare_auction(shape);
        self.count_asked(asked);
        let has_wishes = shape.has_constraints() || self.eligible(shape).soft_taints;
        // What the pod would rather have may be elsewhere than where it costs least.
        let drawn = match has_wishes {
            true => self.search(shape, interest, seed, samples),
            false => Vec::new(),
        };
        let eligible = &self.eligible[&shape.demand.digest];
        let view = self.view(shape, interest, eligible.soft_taints);
        let around = |slot: &u32| filters::first_refusal(&view, *slot, Stage::Around).is_none();
        let bidders = self.auctions[&shape.room].order.iter().take(ASKED_MAX);
        let bidders = bidders.map(|(_, at)| eligible.slots[*at as usize]).filter(around);
        let mut slots: Vec<u32> = bidders.take(COMPARED_MAX).collect();
        slots.extend(drawn.iter().filter_map(|considered| self.nodes.slot(considered.node)));
        slots.sort_unstable_by_key(|slot| eligible.position(*slot));
        slots.dedup();
        match slots.is_empty() {
            true => Vec::new(),
            false => ranked(&view, &slots),
        }
    }
}
