//! How a pod holds its room on a node.

/// How a pod holds its room on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It is there.
    Placed,
    /// It is there, and stops.
    Leaves,
    /// It is promised the room that others leave.
    Nominated,
}
