//! Pods that are promised room that others leave, by node: they are in the placer like pods, and
//! nothing of them runs.
//!
//! Guarantee: follows from what the workloads' rows promise. Absent: the promises themselves; those
//! are in the checkpoint with their workloads.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{NodeName, PodUid};

use super::Waiting;

/// Numbers of nominees in the placer begin here: no placed pod has such a number.
const NUMBERS_FROM: u32 = 1 << 31;

/// What a workload's row keeps of a promise, by the number that the pod will have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nominated {
    /// Where the room is.
    pub(crate) node: NodeName,
    /// The revision that it will have.
    pub(crate) revision: u32,
    /// What it waits for.
    pub(crate) reason: String,
    /// Engine time since when it is promised.
    pub(crate) since_ms: i64,
    /// The node's devices that are promised with it, by id.
    pub(crate) devices: Vec<Arc<str>>,
}

/// A pod to which room is promised.
#[derive(Debug, Clone)]
pub(crate) struct Nominee {
    /// Its number in the placer.
    pub(crate) id: u32,
    pub(crate) workload: u32,
    pub(crate) counter: u64,
    pub(crate) uid: PodUid,
    pub(crate) since_ms: i64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Nominees {
    on: HashMap<u32, Vec<Nominee>>,
    nodes: HashMap<(u32, u64), u32>,
    given: u32,
    free: Vec<u32>,
}

impl Nominated {
    /// As a group of one, its number being this.
    pub(crate) fn alone(&self, counter: u64) -> Waiting {
        let (reason, revision) = (self.reason.clone(), self.revision);
        Waiting { reason, from: counter, count: 1, revision }
    }
}

impl Nominees {
    /// Adds one on this node; its number in the placer.
    pub(crate) fn add(
        &mut self,
        node: u32,
        (workload, counter): (u32, u64),
        uid: PodUid,
        since_ms: i64,
    ) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.given += 1;
            NUMBERS_FROM + self.given - 1
        });
        self.nodes.insert((workload, counter), node);
        self.on.entry(node).or_default().push(Nominee { id, workload, counter, uid, since_ms });
        id
    }

    /// The number in the placer of a workload's pod of this number.
    pub(crate) fn id_of(&self, workload: u32, counter: u64) -> Option<u32> {
        let on = self.on.get(self.nodes.get(&(workload, counter))?)?;
        on.iter().find(|n| (n.workload, n.counter) == (workload, counter)).map(|n| n.id)
    }

    /// Takes one away; its number in the placer.
    pub(crate) fn remove(&mut self, workload: u32, counter: u64) -> Option<u32> {
        let node = self.nodes.remove(&(workload, counter))?;
        let on = self.on.get_mut(&node)?;
        let at = on.iter().position(|n| (n.workload, n.counter) == (workload, counter))?;
        let id = on.swap_remove(at).id;
        if on.is_empty() {
            self.on.remove(&node);
        }
        self.free.push(id);
        Some(id)
    }

    /// Those on a node, in no order that may decide anything.
    pub(crate) fn on(&self, node: u32) -> &[Nominee] {
        self.on.get(&node).map_or(&[], Vec::as_slice)
    }

    /// The one of this number in the placer, on this node.
    pub(crate) fn by_id(&self, node: u32, id: u32) -> Option<&Nominee> {
        self.on(node).iter().find(|nominee| nominee.id == id)
    }
}
