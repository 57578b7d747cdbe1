//! What the engine is told: one closed door.

use crate::{Lease, NodeName, NodeRecord, NodeSnapshot, Observation, PodUid, Position, Request};

/// One decoded record of an input topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Someone asks for something.
    Request(Box<Request>),
    /// A node reports itself.
    Node(Box<NodeRecord>),
    /// A node was removed (a tombstone).
    NodeRemoved(NodeName),
    /// A lease is renewed.
    Lease(Lease),
    /// A pod was observed.
    Pod(Observation),
    /// A pod's observation was removed (a tombstone).
    PodRemoved(PodUid),
    /// All that a node has.
    Snapshot(Box<NodeSnapshot>),
}

/// An input and where it stands on the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub input: Input,
}
