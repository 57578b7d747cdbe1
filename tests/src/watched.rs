//! Views that an auditor can look into: any maintainer, with the allocation that it told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::rc::Rc;

use setpoint_dataflow::views::{
    Allocation, Changes, ColdChanges, Differential, Fact, Fleet, HandWritten, NodeRollup, Rollup,
    Scratch, Sighting, Status, Tally, Views, WorkloadRevision,
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
    stranded: BTreeMap<u32, bool>,
    statuses: BTreeMap<u32, Option<Status>>,
    stale: BTreeMap<WorkloadRevision, Option<i64>>,
    orphans: BTreeMap<Sighting, bool>,
    nodes: BTreeMap<u32, Option<NodeRollup>>,
    namespaces: BTreeMap<u32, Option<Rollup>>,
    fleet: Option<Fleet>,
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

    /// Views kept by the dataflow on so many workers.
    #[must_use]
    pub fn by_workers(workers: NonZeroUsize) -> Self {
        Watched::over(Box::new(Differential::with_workers(workers)))
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
        let (hot, cold) = (inner.views.settle(), inner.settle_cold());
        inner.unheard.add(hot);
        inner.unheard.add_cold(cold);
        inner.allocation.clone()
    }
}

impl Inner {
    fn settle_cold(&mut self) -> ColdChanges {
        let changes = self.views.settle_cold();
        for (node, row) in &changes.nodes {
            let requested = row.map(|row| row.requested).filter(|r| *r != Allocation::default());
            match requested {
                Some(requested) => self.allocation.insert(*node, requested),
                None => self.allocation.remove(node),
            };
        }
        changes
    }
}

impl Unheard {
    fn add(&mut self, changes: Changes) {
        self.tallies.extend(changes.tallies);
        self.stranded.extend(changes.stranded);
    }

    fn add_cold(&mut self, changes: ColdChanges) {
        self.statuses.extend(changes.statuses);
        self.stale.extend(changes.stale);
        for (sighting, is_one) in changes.orphans {
            // What became one and is none any more was none before either.
            if self.orphans.remove(&sighting).is_none() {
                self.orphans.insert(sighting, is_one);
            }
        }
        self.nodes.extend(changes.nodes);
        self.namespaces.extend(changes.namespaces);
        self.fleet = changes.fleet.or(self.fleet);
    }

    fn hear(&mut self) -> Changes {
        Changes {
            tallies: std::mem::take(&mut self.tallies).into_iter().collect(),
            stranded: std::mem::take(&mut self.stranded).into_iter().collect(),
        }
    }

    fn hear_cold(&mut self) -> ColdChanges {
        ColdChanges {
            statuses: std::mem::take(&mut self.statuses).into_iter().collect(),
            stale: std::mem::take(&mut self.stale).into_iter().collect(),
            orphans: std::mem::take(&mut self.orphans).into_iter().collect(),
            nodes: std::mem::take(&mut self.nodes).into_iter().collect(),
            namespaces: std::mem::take(&mut self.namespaces).into_iter().collect(),
            fleet: self.fleet.take(),
        }
    }
}

impl Views for Watched {
    fn update(&mut self, fact: Fact, difference: isize) {
        self.0.borrow_mut().views.update(fact, difference);
    }

    fn settle(&mut self) -> Changes {
        let mut inner = self.0.borrow_mut();
        let changes = inner.views.settle();
        inner.unheard.add(changes);
        inner.unheard.hear()
    }

    fn settle_cold(&mut self) -> ColdChanges {
        let mut inner = self.0.borrow_mut();
        let changes = inner.settle_cold();
        inner.unheard.add_cold(changes);
        inner.unheard.hear_cold()
    }
}
