//! The settings that decide. They are part of the log: every change is in an epoch's record.

use serde::{Deserialize, Serialize};

use crate::ServiceRange;

/// The settings that decide. Durations in milliseconds of engine time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How often an agent renews its lease.
    pub lease_renew_ms: i64,
    /// Without a renewal for this long, a node is lost.
    pub lease_grace_ms: i64,
    /// More overdue nodes than this, and more than `mass_loss_percent`, hold all replacements.
    pub mass_loss_nodes: i64,
    /// More overdue nodes than this share of the fleet, and more than `mass_loss_nodes`.
    pub mass_loss_percent: i64,
    /// Fleet-wide pacing: starts a second.
    pub starts_per_second: i64,
    /// Fleet-wide pacing: starts at once.
    pub starts_burst: i64,
    /// At least this long between two cold steps.
    pub cold_interval_ms: i64,
    /// How many nodes are looked at for a placement before the full index is asked.
    pub placement_samples: i64,
    /// The addresses that Services are given, such as `127.96.0.0/12`.
    pub service_range: ServiceRange,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            lease_renew_ms: 5_000,
            lease_grace_ms: 15_000,
            mass_loss_nodes: 2,
            mass_loss_percent: 30,
            starts_per_second: 10_000,
            starts_burst: 100_000,
            cold_interval_ms: 100,
            placement_samples: 8,
            // Every machine answers on all of it without a route or a rule of its own.
            service_range: "127.96.0.0/12".parse().expect("the default is a range"),
        }
    }
}
