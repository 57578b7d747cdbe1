//! Which rows of the checkpoint changed since it was last written.
//!
//! Guarantee: each changed row is named. A pod bears its own mark, so that marking the same one again
//! costs nothing.

use std::collections::BTreeSet;

use setpoint_schemas::{NodeName, PodUid, ResourceKey};

use super::{Marks, Remains, Table};

/// The changed rows.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// By number; a pod that was forgotten meanwhile, or whose mark is gone, is none.
    pub(crate) pods: Vec<u32>,
    /// Pods that are forgotten.
    pub(crate) pods_gone: Vec<PodUid>,
    /// By number. Of one that is forgotten there is its key.
    pub(crate) workloads: Marks,
    pub(crate) workloads_gone: BTreeSet<ResourceKey>,
    /// The resources of workloads, by number.
    pub(crate) statuses: Marks,
    /// By number. Of one that was removed there is its name.
    pub(crate) nodes: Marks,
    pub(crate) nodes_gone: BTreeSet<NodeName>,
    /// What is gone for good; named again when that is settled.
    pub(crate) remains: Vec<Remains>,
    /// Rows of the other tables, by their keys.
    pub(crate) others: BTreeSet<(Table, String)>,
}
