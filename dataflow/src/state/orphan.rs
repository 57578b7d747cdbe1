//! Pods that a node says it has and that are not placed there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use setpoint_schemas::{NodeName, PodUid, SessionId};

use crate::causes::Cause;
use crate::views::Sighting;

/// A pod without a placement.
#[derive(Debug, Clone)]
pub(crate) struct Orphan {
    pub(crate) row: OrphanRow,
    /// The fact that the views have of it, once it is certain.
    pub(crate) fact: Option<Sighting>,
}

/// What the checkpoint keeps of an orphan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrphanRow {
    pub(crate) node: NodeName,
    pub(crate) uid: PodUid,
    /// The last snapshot that named it.
    pub(crate) session: SessionId,
    pub(crate) sequence: i64,
    pub(crate) cause: Cause,
    /// Engine time when it was first named.
    pub(crate) since_ms: i64,
    /// Whether two snapshots in a row named it. One alone may be older than the pod's end.
    pub(crate) is_certain: bool,
    /// Whether the ledger has it.
    pub(crate) is_told: bool,
}

/// All orphans, and those that the views show.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    by_node: BTreeMap<NodeName, BTreeMap<PodUid, Orphan>>,
    pub(crate) shown: BTreeSet<Sighting>,
}

impl Orphans {
    pub(crate) fn get(&self, node: &NodeName, uid: &PodUid) -> Option<&Orphan> {
        self.by_node.get(node)?.get(uid)
    }

    pub(crate) fn get_mut(&mut self, node: &NodeName, uid: &PodUid) -> Option<&mut Orphan> {
        self.by_node.get_mut(node)?.get_mut(uid)
    }

    /// By its row's key in the checkpoint.
    pub(crate) fn by_text(&self, key: &str) -> Option<&Orphan> {
        let (node, uid) = key.split_once('/')?;
        self.get(&NodeName::parse(node).ok()?, &PodUid::parse(uid).ok()?)
    }

    pub(crate) fn insert(&mut self, orphan: Orphan) {
        let (node, uid) = (orphan.row.node.clone(), orphan.row.uid.clone());
        self.by_node.entry(node).or_default().insert(uid, orphan);
    }

    pub(crate) fn remove(&mut self, node: &NodeName, uid: &PodUid) -> Option<Orphan> {
        let of_node = self.by_node.get_mut(node)?;
        let orphan = of_node.remove(uid);
        if of_node.is_empty() {
            self.by_node.remove(node);
        }
        orphan
    }

    /// All, by node and uid.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Orphan> {
        self.by_node.values_mut().flat_map(BTreeMap::values_mut)
    }

    /// Those that a node is said to have.
    pub(crate) fn of(&self, node: &NodeName) -> impl Iterator<Item = &Orphan> {
        self.by_node.get(node).into_iter().flat_map(BTreeMap::values)
    }

    /// How many the views show on a node, and since when there is one.
    pub(crate) fn shown_on(&self, node: &NodeName) -> (usize, i64) {
        let is_shown = |o: &&Orphan| o.fact.is_some_and(|fact| self.shown.contains(&fact));
        let since = self.of(node).filter(is_shown).map(|orphan| orphan.row.since_ms);
        since.fold((0, i64::MAX), |(count, first), ms| (count + 1, first.min(ms)))
    }
}

impl OrphanRow {
    /// Its row's key in the checkpoint.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.node, self.uid)
    }
}
