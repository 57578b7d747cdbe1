//! Where each pod has its place, by the pod's number.
//!
//! Guarantee: a place costs sixteen bytes where pods are numbered without large gaps.

use std::sync::Arc;

use crate::PodId;
use crate::hold::Hold;
use crate::ids::IdMap;
use crate::preempt::LEAVING;
use crate::shape::PodShape;

/// Numbers in one page: growing moves no place, and a lonely number costs no more than a page.
const PAGE: u32 = 4_096;

/// All places.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pages: IdMap<u32, Vec<Option<Reserved>>>,
}

/// A pod's place.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) slot: u32,
    pub(crate) hold: Hold,
    pub(crate) shape: Arc<PodShape>,
}

impl Places {
    /// The place of a pod; `None` when it has none.
    pub(crate) fn get(&self, PodId(pod): PodId) -> Option<&Reserved> {
        self.pages.get(&(pod / PAGE))?.get(at(pod))?.as_ref()
    }

    /// The same, to change how it is held.
    pub(crate) fn get_mut(&mut self, PodId(pod): PodId) -> Option<&mut Reserved> {
        self.pages.get_mut(&(pod / PAGE))?.get_mut(at(pod))?.as_mut()
    }

    /// Gives a pod that has no place this one.
    pub(crate) fn insert(&mut self, PodId(pod): PodId, place: Reserved) {
        let page = self.pages.entry(pod / PAGE).or_default();
        if page.len() <= at(pod) {
            page.resize_with(at(pod) + 1, || None);
        }
        page[at(pod)] = Some(place);
    }

    /// Takes a pod's place away; what it was.
    pub(crate) fn remove(&mut self, PodId(pod): PodId) -> Option<Reserved> {
        self.pages.get_mut(&(pod / PAGE))?.get_mut(at(pod))?.take()
    }
}

impl Reserved {
    /// Where it stands among those who may have to go.
    pub(crate) fn rank(&self) -> i64 {
        match self.hold {
            Hold::Leaves => LEAVING,
            Hold::Placed | Hold::Nominated => i64::from(self.shape.priority()),
        }
    }
}

/// Where in its page a number stands.
fn at(pod: u32) -> usize {
    (pod % PAGE) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_small() {
        assert_eq!(size_of::<Option<Reserved>>(), 16);
    }
}
