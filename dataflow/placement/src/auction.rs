//! The auction: the nodes that have devices for a pod, in the order of what its placement would cost
//! them in worth.
//!
//! Guarantee: the order is that of bids made now, of equals the first by name; a bid is made anew
//! only where something was taken or freed since the last pod that asks for the same.

use std::collections::BTreeSet;

use crate::eligible::Eligible;
use crate::filters;
use crate::nodes::Nodes;
use crate::shape::PodShape;
use crate::view::View;

/// The bids for pods that ask for the same.
#[derive(Debug)]
pub(crate) struct Auction {
    /// The version of the nodes that this was built from.
    version: u64,
    /// The version of the policy that the bids were made by.
    policy: u64,
    /// How far what was taken and freed was followed.
    next: u64,
    /// The loss of each eligible node that fits, by position.
    losses: Vec<Option<i64>>,
    /// By loss, then by position, which is the order of names.
    order: BTreeSet<(i64, u32)>,
}

impl Auction {
    /// The nodes that fit, by position among the eligible ones: the cheapest first.
    pub(crate) fn bidders(&self) -> impl Iterator<Item = u32> {
        self.order.iter().map(|(_, at)| *at)
    }

    /// All eligible nodes with devices asked; how many that were.
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
        if !is_same {
            let (auction, asked) = Auction::new(nodes, shape, eligible);
            *self = auction;
            return asked;
        }
        let view = View::bare(nodes, shape);
        let mut asked = 0;
        for at in nodes.boards.changed().since(self.next).filter_map(|slot| eligible.position(slot))
        {
            self.ask(&view, eligible, at);
            asked += 1;
        }
        self.next = nodes.boards.changed().next();
        asked
    }

    fn ask(&mut self, view: &View<'_>, eligible: &Eligible, at: usize) {
        let position = u32::try_from(at).expect("fewer nodes than u32 can number");
        if let Some(loss) = self.losses[at].take() {
            self.order.remove(&(loss, position));
        }
        let slot = eligible.slots[at];
        // Of a node without named devices nobody tells what changes there.
        if view.nodes.boards.get(slot).is_some() && filters::has_room(view, slot) {
            let loss = view.loss(slot);
            self.losses[at] = Some(loss);
            self.order.insert((loss, position));
        }
    }
}
