//! The fleet's devices: what is wanted of them, which of a node's a pod takes, what is left.

use std::sync::Arc;

use setpoint_schemas::TakenDevice;

use crate::auction::Auction;
use crate::fleet::{Fleet, make_room};
use crate::hold::Hold;
use crate::preempt::Amounts;
use crate::shape::PodShape;
use crate::{NodeId, PodId};

/// Different demands on devices whose bids are kept; beyond this all are forgotten. One takes some
/// fifty bytes for each node that fits: 100 MB at 10k nodes with devices.
const AUCTIONS_MAX: usize = 256;

/// A device of a node, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLeft {
    /// What the runtime knows it by.
    pub id: String,
    /// Its model; empty when nobody said.
    pub model: String,
    /// Thousandths that pods may use.
    pub milli: u16,
    /// Thousandths that no pod has.
    pub left: u16,
}

impl Fleet {
    /// So many pods of this shape are wanted under this number, whatever was before: what all ask
    /// of devices decides what leaving them is worth. A shape that asks for none costs nothing.
    pub fn want(&mut self, number: u32, shape: &Arc<PodShape>, pods: u64) {
        self.nodes.boards.appraisal.want(number, shape, pods);
    }

    /// The devices that a pod of this shape takes on the node, by index and id: those whose taking
    /// costs least. None when it asks for none, or when the node does not have them.
    pub fn devices_for(&mut self, node: NodeId, shape: &PodShape) -> Vec<(i32, Arc<str>)> {
        self.nodes.boards.appraisal.refresh();
        let (Some(demand), Some(slot)) = (&shape.devices, self.nodes.slot(node)) else {
            return Vec::new();
        };
        let boards = &self.nodes.boards;
        let bid = boards.bid(slot, self.nodes.free(slot), demand);
        let named = boards.get(slot).zip(bid).map(|(board, bid)| board.name(bid.devices));
        named.unwrap_or_default()
    }

    /// As [`Fleet::reserve`], of a pod that has these devices.
    pub fn reserve_with(
        &mut self,
        pod: PodId,
        node: NodeId,
        shape: &Arc<PodShape>,
        devices: &[TakenDevice],
    ) {
        self.reserve(pod, node, shape);
        if let (false, Some(slot)) = (devices.is_empty(), self.nodes.slot(node)) {
            let own = devices.iter().map(|t| (Arc::clone(&t.id), i64::from(t.milli.max(0))));
            self.nodes.boards.take(slot, pod, own.collect());
        }
    }

    /// The devices, by id, that a pod of this shape would take on the node if all who stop there
    /// were gone. None when it asks for none, or when there are too few even so.
    pub fn devices_left_by_leaving(&mut self, node: NodeId, shape: &PodShape) -> Vec<Arc<str>> {
        self.nodes.boards.appraisal.refresh();
        let (Some(demand), Some(slot)) = (&shape.devices, self.nodes.slot(node)) else {
            return Vec::new();
        };
        let leaves = |pod: &PodId| self.pods.get(*pod).is_some_and(|r| r.hold == Hold::Leaves);
        let leaving: Vec<PodId> = self.nodes.boards.holders(slot).filter(leaves).collect();
        let mut free = Amounts::free(self.nodes.hot(slot));
        free.add(self.levels.leaving(slot), 1);
        let boards = &mut self.nodes.boards;
        leaving.iter().for_each(|pod| boards.lift(slot, *pod));
        let bid = boards.bid(slot, (free.cpu_milli, free.memory_bytes), demand);
        let named = boards.get(slot).zip(bid).map(|(board, bid)| board.name(bid.devices));
        leaving.iter().for_each(|pod| boards.put_back(slot, *pod));
        named.unwrap_or_default().into_iter().map(|(_, id)| id).collect()
    }

    /// As [`Fleet::nominate`], of a pod that is promised these devices, by id: what it asks of each
    /// is nobody else's meanwhile, though others may still have them.
    pub fn nominate_with(
        &mut self,
        pod: PodId,
        node: NodeId,
        shape: &Arc<PodShape>,
        devices: &[Arc<str>],
    ) {
        self.nominate(pod, node, shape);
        if let (Some(demand), Some(slot)) = (&shape.devices, self.nodes.slot(node)) {
            let milli = i64::from(demand.ask.milli);
            let own = devices.iter().map(|id| (Arc::clone(id), milli));
            self.nodes.boards.take(slot, pod, own.collect());
        }
    }

    /// The node's devices and what is left of each, by index.
    #[must_use]
    pub fn devices(&self, node: NodeId) -> Vec<DeviceLeft> {
        let board = self.nodes.slot(node).and_then(|slot| self.nodes.boards.get(slot));
        let rows = board.into_iter().flat_map(|board| board.rows());
        let left = |(id, model, milli, left): (&str, &str, u16, u16)| DeviceLeft {
            id: id.to_owned(),
            model: model.to_owned(),
            milli,
            left,
        };
        rows.map(left).collect()
    }

    /// Keeps the bids for pods of this shape, and brings them up to date; says how many nodes were
    /// asked for it.
    pub(crate) fn prepare_auction(&mut self, shape: &PodShape) -> usize {
        let eligible = &self.eligible[&shape.demand.digest];
        if let Some(auction) = self.auctions.get_mut(&shape.room) {
            return auction.catch_up(&self.nodes, shape, eligible);
        }
        let (auction, asked) = Auction::new(&self.nodes, shape, eligible);
        make_room(&mut self.auctions, shape.room, AUCTIONS_MAX);
        self.auctions.insert(shape.room, auction);
        asked
    }
}
