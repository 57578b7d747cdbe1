//! What outlooks of like interests share: which nodes a spread counts, and the camps where these go
//! by the domain alone. A fleet has many workloads and few ways to ask about zones.
//!
//! Guarantee: follows from the nodes' records and the demand on them, not from where pods are.

use std::sync::Arc;

use crate::camps::Camps;
use crate::domains::Included;

/// Shared by all interests that name the same topology keys and demand the same of nodes.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    /// The version of the nodes that this was built from.
    pub(crate) version: u64,
    /// Of each constraint that filters, then of each that scores.
    pub(crate) included: Vec<Arc<Included>>,
    /// Once they are pitched, where no number of pods moves a node.
    pub(crate) camps: Option<Arc<Camps>>,
}
