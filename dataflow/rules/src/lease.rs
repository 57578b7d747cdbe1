//! When a node is lost, and when so many are that the doubt falls on ourselves.

use setpoint_schemas::Policy;

/// What is known of a node's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseState {
    /// Engine time until which the lease holds.
    pub due_ms: i64,
    /// Whether an operator said that the node is lost.
    pub confirmed_lost: bool,
}

/// What a lease says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseVerdict {
    /// It holds.
    Held,
    /// It ended, or an operator said so.
    Overdue,
}

/// What the lease says at this engine time.
#[must_use]
pub fn verdict(lease: LeaseState, now_ms: i64) -> LeaseVerdict {
    if lease.confirmed_lost || now_ms >= lease.due_ms {
        LeaseVerdict::Overdue
    } else {
        LeaseVerdict::Held
    }
}

/// Whether so many nodes are overdue that replacements are held: more than
/// `policy.mass_loss_nodes` **and** more than `policy.mass_loss_percent` of the fleet. Nodes that
/// an operator confirmed as lost are in neither number.
#[must_use]
pub fn is_mass_loss(overdue: i64, fleet: i64, policy: &Policy) -> bool {
    overdue > policy.mass_loss_nodes && overdue * 100 > policy.mass_loss_percent * fleet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_must_be_exceeded() {
        let policy = Policy::default();
        assert!(!is_mass_loss(2, 3, &policy), "two nodes are never mass loss");
        assert!(!is_mass_loss(3, 10, &policy), "30 % is not above 30 %");
        assert!(is_mass_loss(4, 10, &policy));
    }
}
