//! When a node is lost, and when so many are silent that the doubt falls on ourselves.

use setpoint_schemas::{NodeRecord, Policy};

/// So many renewals fit into a grace period: two may be lost before a node is.
const RENEWALS_IN_A_GRACE: i64 = 3;

/// How often an agent is expected to renew its lease, milliseconds: as the policy says, and never so
/// seldom that one late renewal would lose the node.
#[must_use]
pub fn expected_renewal_ms(policy: &Policy) -> i64 {
    policy.lease_renew_ms.min(policy.lease_grace_ms / RENEWALS_IN_A_GRACE).max(1)
}

/// Whether a node has missed a renewal: its lease is as old as the grace period less one and a
/// half renewal intervals. Nodes that fell silent together renewed at most one interval apart, and
/// half of one allows for the ways of the renewals; so when the first of their leases ends all of
/// them are overdue.
#[must_use]
pub fn is_overdue(renewed_ms: i64, now_ms: i64, policy: &Policy) -> bool {
    let from = policy.lease_grace_ms - one_and_a_half(policy);
    now_ms - renewed_ms >= from.max(policy.lease_renew_ms / 2)
}

/// Whether so many nodes are overdue that replacements are held: more than
/// `policy.mass_loss_nodes` **and** more than `policy.mass_loss_percent` of the fleet. Nodes that
/// an operator confirmed as lost are in neither number.
#[must_use]
pub fn is_mass_loss(overdue: i64, fleet: i64, policy: &Policy) -> bool {
    overdue > policy.mass_loss_nodes && overdue * 100 > policy.mass_loss_percent * fleet
}

/// Whether nobody at all was heard for so long that each node must have missed a renewal: then it
/// is we who do not hear. However small the fleet is, one node that lives says something in time.
#[must_use]
pub fn is_silence(heard_ms: i64, now_ms: i64, policy: &Policy) -> bool {
    now_ms - heard_ms >= one_and_a_half(policy).min(policy.lease_grace_ms)
}

/// Whether what is told comes from an earlier life of the node's agent than the one that is known.
/// A life that does not say when it started (0) is taken for a new one.
#[must_use]
pub fn is_superseded(known: &NodeRecord, told: &NodeRecord) -> bool {
    told.session != known.session && (1..known.started_ms).contains(&told.started_ms)
}

fn one_and_a_half(policy: &Policy) -> i64 {
    policy.lease_renew_ms * 3 / 2
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{SessionId, samples};

    use super::*;

    #[test]
    fn both_bounds_must_be_exceeded() {
        let policy = Policy::default();
        assert!(!is_mass_loss(2, 3, &policy), "two nodes are never mass loss");
        assert!(!is_mass_loss(3, 10, &policy), "30 % is not above 30 %");
        assert!(is_mass_loss(4, 10, &policy));
    }

    #[test]
    fn when_one_of_the_leases_that_fell_silent_together_ends_all_are_overdue() {
        let policy = Policy::default();
        let apart = policy.lease_renew_ms + policy.lease_renew_ms / 2;
        assert!(is_overdue(apart, policy.lease_grace_ms, &policy));
        assert!(!is_overdue(0, policy.lease_renew_ms + 1_000, &policy), "a late renewal");
    }

    #[test]
    fn a_renewal_is_expected_three_times_in_a_grace_period_or_more_often() {
        let of = |lease_renew_ms, lease_grace_ms| {
            expected_renewal_ms(&Policy { lease_renew_ms, lease_grace_ms, ..Policy::default() })
        };
        assert_eq!(expected_renewal_ms(&Policy::default()), 5_000);
        assert_eq!((of(2_500, 3_000), of(500, 3_000), of(1, 2)), (1_000, 500, 1));
    }

    #[test]
    fn a_fleet_of_one_that_renews_in_time_is_no_silence() {
        let policy = Policy::default();
        assert!(!is_silence(0, policy.lease_renew_ms + 2_000, &policy));
        assert!(is_silence(0, policy.lease_grace_ms, &policy));
        let tight = Policy { lease_grace_ms: policy.lease_renew_ms + 1, ..policy };
        assert!(is_silence(0, tight.lease_grace_ms, &tight), "before the first lease ends");
    }

    #[test]
    fn an_earlier_life_is_superseded_and_one_that_does_not_say_is_new() {
        let life = |id: &str, started_ms| NodeRecord {
            session: SessionId::parse(id).expect("an id"),
            started_ms,
            ..samples::node()
        };
        let known = life("s2", 20);
        let verdicts = [("s1", 10), ("s2", 10), ("s3", 30), ("s4", 0)]
            .map(|(id, started_ms)| is_superseded(&known, &life(id, started_ms)));
        assert_eq!(verdicts, [true, false, false, false]);
    }
}
