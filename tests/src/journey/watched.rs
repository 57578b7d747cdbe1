//! Views that an auditor can look into: either maintainer, with the allocation that it told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use setpoint_dataflow::views::{
    Allocation, Changes, ColdChanges, Differential, Fact, HandWritten, Views,
};

/// Reservations by node, as the views told them.
pub type Allocations = Rc<RefCell<BTreeMap<u32, Allocation>>>;

enum Inner {
    Hand(HandWritten),
    Flow(Box<Differential>),
}

/// A maintainer that is watched.
pub struct Watched {
    inner: Inner,
    allocations: Allocations,
}

impl Watched {
    /// Views kept by hand: fast.
    #[must_use]
    pub fn by_hand() -> Self {
        Watched { inner: Inner::Hand(HandWritten::new()), allocations: Allocations::default() }
    }

    /// Views kept by the dataflow.
    #[must_use]
    pub fn by_dataflow() -> Self {
        let inner = Inner::Flow(Box::new(Differential::new()));
        Watched { inner, allocations: Allocations::default() }
    }

    /// What it told of reservations.
    #[must_use]
    pub fn allocations(&self) -> Allocations {
        self.allocations.clone()
    }
}

impl Views for Watched {
    fn update(&mut self, fact: Fact, difference: isize) {
        match &mut self.inner {
            Inner::Hand(views) => views.update(fact, difference),
            Inner::Flow(views) => views.update(fact, difference),
        }
    }

    fn settle(&mut self) -> Changes {
        let changes = match &mut self.inner {
            Inner::Hand(views) => views.settle(),
            Inner::Flow(views) => views.settle(),
        };
        let mut allocations = self.allocations.borrow_mut();
        for (node, allocation) in &changes.allocation {
            match allocation {
                Some(allocation) => allocations.insert(*node, *allocation),
                None => allocations.remove(node),
            };
        }
        drop(allocations);
        changes
    }

    fn settle_cold(&mut self) -> ColdChanges {
        match &mut self.inner {
            Inner::Hand(views) => views.settle_cold(),
            Inner::Flow(views) => views.settle_cold(),
        }
    }
}
