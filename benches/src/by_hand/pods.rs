//! What the engine by hand keeps: rows by index, nothing twice.

use setpoint_rules::identity;
use setpoint_schemas::PodUid;

use crate::by_hand::decode::Phase;

/// Where a pod stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Starting,
    Available,
    Stopping,
    Ended,
}

/// Standings, as indexes of a tally.
pub(super) const STANDINGS: usize = 4;

/// A pod with its latest status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod {
    pub(super) uid: u128,
    pub(super) sequence: i64,
    pub(super) started_ms: i64,
    pub(super) node: u32,
    pub(super) workload: u32,
    pub(super) restarts: i32,
    pub(super) phase: Phase,
    pub(super) ready: bool,
    pub(super) standing: Standing,
}

/// A node: what is free of it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: Box<[u8]>,
    pub(super) session: Box<[u8]>,
    pub(super) cpu_milli: i64,
    pub(super) memory_bytes: i64,
    pub(super) pods: i64,
}

/// A workload of pods that are all alike.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) uid: String,
    pub(super) desired: i64,
    pub(super) next: u64,
    /// The endings of its pods' names, those that stop left out.
    pub(super) endings: Vec<u32>,
    pub(super) tally: [i64; STANDINGS],
    /// Pods that ended since it was looked at.
    pub(super) ended: Vec<u32>,
    pub(super) is_dirty: bool,
}

impl Workload {
    /// The uid of its next pod: the next one whose name nobody has.
    pub(super) fn next_uid(&mut self) -> PodUid {
        loop {
            let uid = identity::pod_uid(&self.uid, self.next);
            self.next += 1;
            if !self.endings.contains(&identity::ending(&uid)) {
                return uid;
            }
        }
    }

    /// A pod's name is free again.
    pub(super) fn unname(&mut self, ending: u32) {
        if let Some(at) = self.endings.iter().position(|other| *other == ending) {
            self.endings.swap_remove(at);
        }
    }

    pub(super) fn live(&self) -> i64 {
        self.tally[Standing::Starting as usize] + self.tally[Standing::Available as usize]
    }
}
