//! Priorities that are the same for everyone, as Kubernetes numbers them.

/// The greatest priority that a user may give: Kubernetes' `HighestUserDefinablePriority`.
pub const PRIORITY_MAX: i32 = 1_000_000_000;

/// The classes that are always there, with their values.
pub const SYSTEM_PRIORITIES: &[(&str, i32)] = &[
    ("system-cluster-critical", 2 * PRIORITY_MAX),
    ("system-node-critical", 2 * PRIORITY_MAX + 1_000),
];

/// The priority of a class that is always there.
#[must_use]
pub fn system_priority(class: &str) -> Option<i32> {
    SYSTEM_PRIORITIES.iter().find(|(name, _)| *name == class).map(|(_, value)| *value)
}
