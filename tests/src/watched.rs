//! Views that an auditor can look into: any maintainer, with the allocation that it told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use setpoint_dataflow::views::{
    Allocation, Changes, ColdChanges, Differential, Fact, HandWritten, Scratch, Tally, Views,
    WorkloadRevision,
};

/// A maintainer that is watched.
pub struct Watched(Rc<RefCell<Inner>>);

/// Where an auditor looks in while the engine has the views.
#[derive(Clone)]
pub struct Window(Rc<RefCell<Inner>>);

struct Inner {
    views: Box<dyn Views>,
    allocation: BTreeMap<u32, Allocation>,
    /// What changed when somebody looked in, for the engine to hear when it asks.
    unheard: Unheard,
}

/// Changes of several settles as those of one: of each row the last.
#[derive(Default)]
struct Unheard {
    tallies: BTreeMap<WorkloadRevision, Option<Tally>>,
    drift: BTreeMap<u32, Option<i64>>,
    stranded: BTreeMap<u32, bool>,
    allocation: BTreeMap<u32, Option<Allocation>>,
}

impl Watched {
    /// Views kept by hand: fast.
    #[must_use]
    pub fn by_hand() -> Self {
        Watched::over(Box::new(HandWritten::new()))
    }

    /// Views kept by the dataflow.
    #[must_use]
    pub fn by_dataflow() -> Self {
        Watched::over(Box::new(Differential::new()))
    }

    /// Views recomputed from all facts at every settle.
    #[must_use]
    pub fn from_scratch() -> Self {
        Watched::over(Box::new(Scratch::new()))
    }

    fn over(views: Box<dyn Views>) -> Self {
        let (allocation, unheard) = (BTreeMap::new(), Unheard::default());
        Watched(Rc::new(RefCell::new(Inner { views, allocation, unheard })))
    }

    /// Where to look in.
    #[must_use]
    pub fn window(&self) -> Window {
        Window(self.0.clone())
    }
}

impl Window {
    /// Reservations by node as of all that the engine has told, the placements of its last epoch
    /// included.
    #[must_use]
    pub fn allocations(&self) -> BTreeMap<u32, Allocation> {
        let mut inner = self.0.borrow_mut();
        let changes = inner.settle();
        inner.unheard.add(changes);
        inner.allocation.clone()
    }
}

impl Inner {
    fn settle(&mut self) -> Changes {
        let changes = self.views.settle();
        for (node, allocation) in &changes.allocation {
            match allocation {
                Some(allocation) => self.allocation.insert(*node, *allocation),
                None => self.allocation.remove(node),
            };
        }
        changes
    }
}

impl Unheard {
    fn add(&mut self, changes: Changes) {
        self.tallies.extend(changes.tallies);
        self.drift.extend(changes.drift);
        self.stranded.extend(changes.stranded);
        self.allocation.extend(changes.allocation);
    }

    fn hear(self) -> Changes {
        Changes {
            tallies: self.tallies.into_iter().collect(),
            drift: self.drift.into_iter().collect(),
            stranded: self.stranded.into_iter().collect(),
            allocation: self.allocation.into_iter().collect(),
        }
    }
}

impl Views for Watched {
    fn update(&mut self, fact: Fact, difference: isize) {
        self.0.borrow_mut().views.update(fact, difference);
    }

    fn settle(&mut self) -> Changes {
        let mut inner = self.0.borrow_mut();
        let changes = inner.settle();
        let mut unheard = std::mem::take(&mut inner.unheard);
        unheard.add(changes);
        unheard.hear()
    }

    fn settle_cold(&mut self) -> ColdChanges {
        self.0.borrow_mut().views.settle_cold()
    }
}
