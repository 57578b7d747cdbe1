//! Two ways to see whether a pod fits on a node without some of those who are there: by adding up
//! amounts, or by taking them away for a moment and asking every filter.
//!
//! Guarantee: whoever is put back holds exactly what he held before.

use std::sync::Arc;

use crate::PodId;
use crate::filters::{self, Stage};
use crate::fleet::Fleet;
use crate::hold::Hold;
use crate::place::Placing;
use crate::preempt::{Amounts, Below, Trial};
use crate::shape::PodShape;

/// Whether a pod is meant for one node, as a DaemonSet's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It may go to any.
    Free,
    /// It goes to this node or nowhere.
    ToNode,
}

/// By amounts: for pods that ask for nothing else.
pub(crate) struct AmountsTrial {
    asks: Amounts,
    free: Amounts,
    held: Vec<Amounts>,
}

impl AmountsTrial {
    pub(crate) fn new(fleet: &Fleet, slot: u32, shape: &PodShape, below: &[Below<'_>]) -> Self {
        let held = |below: &Below<'_>| {
            let reserved = fleet.pods.get(below.occupant.pod);
            reserved.map_or_else(Amounts::default, |reserved| Amounts::of(&reserved.shape))
        };
        AmountsTrial {
            asks: Amounts::of(shape),
            free: Amounts::free(fleet.nodes.hot(slot)),
            held: below.iter().map(held).collect(),
        }
    }
}

impl Trial for AmountsTrial {
    fn lift(&mut self, number: usize) {
        self.free.add(self.held[number], 1);
    }

    fn put_back(&mut self, number: usize) {
        self.free.add(self.held[number], -1);
    }

    fn fits(&mut self) -> bool {
        self.free.suffice(&self.asks)
    }
}

/// By asking every filter that depends on who is where.
pub(crate) struct FilterTrial<'f> {
    fleet: &'f mut Fleet,
    slot: u32,
    shape: &'f Arc<PodShape>,
    held: Vec<(PodId, Arc<PodShape>, Hold)>,
    bound: Bound,
}

impl<'f> FilterTrial<'f> {
    pub(crate) fn new(
        fleet: &'f mut Fleet,
        slot: u32,
        shape: &'f Arc<PodShape>,
        below: &[Below<'_>],
        bound: Bound,
    ) -> Self {
        let pods: Vec<PodId> = below.iter().map(|below| below.occupant.pod).collect();
        FilterTrial::of(fleet, slot, shape, &pods, bound)
    }

    /// With these pods of the node as occupants.
    pub(crate) fn of(
        fleet: &'f mut Fleet,
        slot: u32,
        shape: &'f Arc<PodShape>,
        pods: &[PodId],
        bound: Bound,
    ) -> Self {
        let held = |pod: &PodId| {
            let reserved = fleet.pods.get(*pod).expect("whoever is asked about has a place");
            (*pod, Arc::clone(&reserved.shape), reserved.hold)
        };
        let held = pods.iter().map(held).collect();
        FilterTrial { fleet, slot, shape, held, bound }
    }
}

impl Trial for FilterTrial<'_> {
    fn lift(&mut self, number: usize) {
        let (pod, shape, hold) = &self.held[number];
        if shape.devices.is_some() {
            self.fleet.nodes.boards.lift(self.slot, *pod);
        }
        self.fleet.census.subtract(shape, self.slot, *hold);
        self.fleet.nodes.release(self.slot, shape, *hold);
    }

    fn put_back(&mut self, number: usize) {
        let (pod, shape, hold) = &self.held[number];
        if shape.devices.is_some() {
            self.fleet.nodes.boards.put_back(self.slot, *pod);
        }
        self.fleet.nodes.reserve(self.slot, shape, *hold);
        self.fleet.census.add(shape, self.slot, *hold, &self.fleet.namespaces);
    }

    fn fits(&mut self) -> bool {
        if self.bound == Bound::ToNode {
            let node = self.fleet.nodes.node(self.slot).id;
            return matches!(self.fleet.place_on(node, self.shape), Some(Placing::Placed { .. }));
        }
        let mut interest = self.fleet.interest(self.shape);
        self.fleet.prepare(self.shape, &mut interest);
        let view = self.fleet.view(self.shape, &interest, false);
        filters::first_refusal(&view, self.slot, Stage::Dynamic).is_none()
    }
}
