//! The topics of the log. The table is the architecture: name, key, cleanup, rank.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A topic of the log. The order of the variants is the rank in which records apply in an epoch:
/// what someone asks for first, then the nodes, then what runs on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// What someone asks for; a record carries a whole apply.
    Requests,
    /// Capacity, labels, conditions and session of each node.
    Nodes,
    /// Renewals of the nodes' leases.
    Leases,
    /// Observed pods, and node snapshots.
    Pods,
    /// Resources as accepted by the leader, with their status.
    Desired,
    /// What each node should run.
    Placements,
    /// One record an epoch: its cut, time and term.
    Epochs,
    /// The ledger.
    Decisions,
    /// Usage samples.
    Telemetry,
    /// Alerts, firing and resolved.
    Alerts,
    /// Records that could not be decoded.
    DeadLetter,
}

/// How a topic forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// The latest record of a key is kept for ever.
    Compact,
    /// Records are kept for this many hours.
    Hours(u32),
}

/// A day: what flows fast and is archived.
const HOURS_SHORT: u32 = 24;
/// A week: requests, so that a week's outage of the engine loses none.
const HOURS_MEDIUM: u32 = 24 * 7;
/// Thirty days: what audits and replays read.
const HOURS_LONG: u32 = 24 * 30;

impl Topic {
    /// All topics, by rank.
    pub const ALL: [Topic; 11] = [
        Topic::Requests,
        Topic::Nodes,
        Topic::Leases,
        Topic::Pods,
        Topic::Desired,
        Topic::Placements,
        Topic::Epochs,
        Topic::Decisions,
        Topic::Telemetry,
        Topic::Alerts,
        Topic::DeadLetter,
    ];

    /// The topics that the engine reads; everything else on the log follows from these.
    pub const INPUTS: [Topic; 4] = [Topic::Requests, Topic::Nodes, Topic::Leases, Topic::Pods];

    /// The topic's name on the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Topic::Requests => "setpoint.requests",
            Topic::Nodes => "setpoint.nodes",
            Topic::Leases => "setpoint.leases",
            Topic::Pods => "setpoint.pods",
            Topic::Desired => "setpoint.desired",
            Topic::Placements => "setpoint.placements",
            Topic::Epochs => "setpoint.epochs",
            Topic::Decisions => "setpoint.decisions",
            Topic::Telemetry => "setpoint.telemetry",
            Topic::Alerts => "setpoint.alerts",
            Topic::DeadLetter => "setpoint.deadletter",
        }
    }

    /// The topic of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// How the topic forgets.
    #[must_use]
    pub const fn cleanup(self) -> Cleanup {
        match self {
            Topic::Nodes | Topic::Pods | Topic::Desired | Topic::Placements | Topic::Alerts => {
                Cleanup::Compact
            }
            Topic::Leases | Topic::Telemetry => Cleanup::Hours(HOURS_SHORT),
            Topic::Requests => Cleanup::Hours(HOURS_MEDIUM),
            Topic::Epochs | Topic::Decisions | Topic::DeadLetter => Cleanup::Hours(HOURS_LONG),
        }
    }

    /// Whether the topic always has exactly one partition, so that its order is total.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self, Topic::Epochs)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_rank_order_and_names_are_unique() {
        assert!(Topic::ALL.is_sorted());
        for topic in Topic::ALL {
            assert_eq!(Topic::of_name(topic.name()), Some(topic));
        }
    }
}
