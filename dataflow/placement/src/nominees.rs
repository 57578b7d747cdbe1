//! Pods that are promised the room that others leave: how it stands with the promise.

use std::sync::Arc;

use crate::PodId;
use crate::filters::{self, Stage};
use crate::fleet::Fleet;
use crate::hold::Hold;
use crate::preempt::{Occupant, Roster, Trial};
use crate::trial::{Bound, FilterTrial};
use crate::view::View;

/// How it stands with a pod that was promised room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nominee {
    /// The room is there.
    Fits,
    /// Pods that stop still hold it.
    Waits,
    /// There will be none: the node is not what it was, or others came between.
    Lost,
}

impl Fleet {
    /// How it stands with a pod that was promised room on its node.
    pub fn nominee(&mut self, pod: PodId, bound: Bound, roster: &dyn Roster) -> Nominee {
        let promised = self.pods.get(pod).filter(|reserved| reserved.hold == Hold::Nominated);
        let Some(promised) = promised else { return Nominee::Lost };
        let (slot, shape) = (promised.slot, Arc::clone(&promised.shape));
        if self.nodes.node(slot).info.is_none()
            || filters::first_refusal(&View::bare(&self.nodes, &shape), slot, Stage::Static)
                .is_some()
        {
            return Nominee::Lost;
        }
        let mut occupants: Vec<Occupant<'_>> = Vec::new();
        roster.occupants(self.nodes.node(slot).id, &mut occupants);
        let leaves = |o: &Occupant<'_>| {
            self.pods.get(o.pod).is_some_and(|r| r.hold == Hold::Leaves && r.slot == slot)
        };
        let leaving = occupants.iter().filter(|o| leaves(o)).map(|o| o.pod);
        let lifted: Vec<PodId> = std::iter::once(pod).chain(leaving).collect();
        let mut trial = FilterTrial::of(self, slot, &shape, &lifted, bound);
        trial.lift(0);
        let mut standing = if trial.fits() { Nominee::Fits } else { Nominee::Lost };
        if standing == Nominee::Lost && lifted.len() > 1 {
            (1..lifted.len()).for_each(|number| trial.lift(number));
            standing = if trial.fits() { Nominee::Waits } else { Nominee::Lost };
            (1..lifted.len()).for_each(|number| trial.put_back(number));
        }
        trial.put_back(0);
        standing
    }
}
