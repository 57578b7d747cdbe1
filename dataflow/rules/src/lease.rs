//! When a node is lost, and when so many are that the doubt falls on ourselves.

use setpoint_schemas::Policy;

/// Whether a node has missed a renewal: its lease is as old as the grace period less one renewal
/// interval. Nodes that fell silent together renewed at most one interval apart, so when the first
/// of their leases ends all of them are overdue.
#[must_use]
pub fn is_overdue(renewed_ms: i64, now_ms: i64, policy: &Policy) -> bool {
    now_ms - renewed_ms >= policy.lease_grace_ms - policy.lease_renew_ms
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
