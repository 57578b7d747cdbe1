//! Placing by auction: of the nodes that bid least, those that other pods allow are compared.

use crate::NodeId;
use crate::filters::{self, Stage};
use crate::fleet::Fleet;
use crate::outlook::Interest;
use crate::scores::Considered;
use crate::search::ranked;
use crate::shape::PodShape;

/// Bidders compared for a pod: as many as a person reads of.
const COMPARED_MAX: usize = 8;
/// Bidders that are asked what other pods say of them, the cheapest first; beyond that the pod goes
/// where the search among all eligible nodes finds.
const ASKED_MAX: usize = 64;

impl Fleet {
    /// The nodes compared for a pod, the best first; what it asks for was prepared. Empty when none
    /// fits.
    ///
    /// A pod that asks for devices goes where it costs least; one that asks for none goes past nodes
    /// with devices if it can, and if it cannot, where it costs least as well.
    pub(crate) fn compared(
        &mut self,
        shape: &PodShape,
        interest: &Interest,
        seed: u64,
        samples: usize,
    ) -> Vec<Considered> {
        if self.nodes.boards.is_empty() {
            return self.search(shape, interest, seed, samples);
        }
        // What the pod would rather have may be elsewhere than where it costs least.
        let is_drawn = shape.devices.is_none() || shape.has_constraints();
        let drawn = match is_drawn || self.eligible(shape).soft_taints {
            true => self.search(shape, interest, seed, samples),
            false => Vec::new(),
        };
        if shape.devices.is_none() && drawn.first().is_none_or(|best| !self.has_devices(best.node))
        {
            return drawn;
        }
        let compared = self.auctioned(shape, interest, &drawn);
        match compared.is_empty() {
            true => self.search(shape, interest, seed, samples),
            false => compared,
        }
    }

    fn has_devices(&self, node: NodeId) -> bool {
        self.nodes.slot(node).is_some_and(|slot| self.nodes.boards.get(slot).is_some())
    }

    /// The cheapest bidders that other pods allow, beside those that were drawn.
    fn auctioned(
        &mut self,
        shape: &PodShape,
        interest: &Interest,
        drawn: &[Considered],
    ) -> Vec<Considered> {
        let asked = self.prepare_auction(shape);
        self.count_asked(asked);
        let eligible = &self.eligible[&shape.demand.digest];
        let view = self.view(shape, interest, eligible.soft_taints);
        let around = |slot: &u32| filters::first_refusal(&view, *slot, Stage::Around).is_none();
        let bidders = self.auctions[&shape.room].bidders().take(ASKED_MAX);
        let bidders = bidders.map(|at| eligible.slots[at as usize]).filter(around);
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
