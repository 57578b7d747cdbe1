//! What the views are made from, and what they tell.

use serde::{Deserialize, Serialize};

/// A fact that holds or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A workload wants this many pods.
    Desired {
        /// The workload.
        workload: u32,
        /// How many.
        replicas: i64,
    },
    /// A placed pod.
    Pod(PodFact),
    /// A node is lost.
    Lost {
        /// The node.
        node: u32,
    },
}

/// A placed pod, as far as the views look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodFact {
    /// The node.
    pub node: u32,
    /// The pod.
    pub pod: u32,
    /// The workload.
    pub workload: u32,
    /// The revision, as the workload numbers its templates.
    pub revision: u32,
    /// The namespace.
    pub namespace: u32,
    /// Where it stands in its life.
    pub standing: Standing,
    /// Thousandths of a core that it reserves.
    pub cpu_milli: i64,
    /// Bytes of memory that it reserves.
    pub memory_bytes: i64,
}

/// Where a placed pod stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// Placed, not ready yet or no longer.
    Starting,
    /// Ready, but not for long enough to count as available.
    Ready,
    /// Ready for long enough.
    Available,
    /// Its placement is withdrawn; the node may still have it.
    Stopping,
    /// All its containers ended for good.
    Ended,
}

/// A revision of a workload.
pub type WorkloadRevision = (u32, u32);

/// The pods of one revision of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Starting, ready or available, on a node that is not lost.
    pub live: i64,
    /// Ready or available, on a node that is not lost.
    pub ready: i64,
    /// Available, on a node that is not lost.
    pub available: i64,
    /// On their way out.
    pub stopping: i64,
    /// Ended for good.
    pub ended: i64,
    /// Live but for their node, which is lost.
    pub stranded: i64,
}

/// What the pods of a node reserve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Thousandths of a core.
    pub cpu_milli: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Pods.
    pub pods: i64,
}

/// The pods of a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Pods that are not stopping or ended.
    pub pods: i64,
    /// Ready ones of them.
    pub ready: i64,
    /// Thousandths of a core that they reserve.
    pub cpu_milli: i64,
    /// Bytes of memory that they reserve.
    pub memory_bytes: i64,
}

/// What changed in the hot views, netted, in key order. `None`: the row is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Pods by workload and revision.
    pub tallies: Vec<(WorkloadRevision, Option<Tally>)>,
    /// Desired less live, by workload; above zero pods are missing, below there are too many.
    pub drift: Vec<(u32, Option<i64>)>,
    /// Live pods on lost nodes: whether a pod is one now.
    pub stranded: Vec<(u32, bool)>,
    /// Reservations by node.
    pub allocation: Vec<(u32, Option<Allocation>)>,
}

impl PodFact {
    /// What this pod adds to its revision's tally, its node not being lost.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        match self.standing {
            Standing::Starting => tally.live = 1,
            Standing::Ready => (tally.live, tally.ready) = (1, 1),
            Standing::Available => (tally.live, tally.ready, tally.available) = (1, 1, 1),
            Standing::Stopping => tally.stopping = 1,
            Standing::Ended => tally.ended = 1,
        }
        tally
    }

    /// What this pod adds when its node is lost.
    #[must_use]
    pub fn tally_lost(&self) -> Tally {
        let held = self.tally();
        Tally { stranded: held.live, live: 0, ready: 0, available: 0, ..held }
    }

    /// Whether it runs or is meant to.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.standing, Standing::Starting | Standing::Ready | Standing::Available)
    }

    /// Whether it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.standing, Standing::Ready | Standing::Available)
    }
}

impl Tally {
    /// Adds another tally, `times` over.
    pub fn add(&mut self, other: &Tally, times: i64) {
        self.live += other.live * times;
        self.ready += other.ready * times;
        self.available += other.available * times;
        self.stopping += other.stopping * times;
        self.ended += other.ended * times;
        self.stranded += other.stranded * times;
    }
}
