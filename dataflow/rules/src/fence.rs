//! When a pod that may run at most once has surely ended on a node that is not heard.
//!
//! The node promises to end it so many milliseconds after the sending of the last renewal of its lease
//! that the engine has taken in. Both sides measure that by their own steady clocks, and only
//! durations are compared: no two clocks need show the same.

use setpoint_schemas::Policy;

/// By how much two clocks may differ in a million: each may be slewed by 500, which is the most that
/// NTP does, and crystals are ten times better.
const DRIFT_IN_A_MILLION: i64 = 1_000;

/// How long after the last renewal was taken in, in milliseconds of engine time, the pod has surely
/// ended.
///
/// A renewal may be taken in with an engine time before that of its sending, since the time of an epoch
/// is read before all its records are; and a machine's clock may be set forward. A leader that notices
/// half a grace period begins all leases anew, so no more than that is unnoticed: it is added.
#[must_use]
pub fn ended_after_ms(promised_ms: i64, policy: &Policy) -> i64 {
    let drift_ms = promised_ms.saturating_mul(DRIFT_IN_A_MILLION) / 1_000_000 + 1;
    promised_ms.saturating_add(drift_ms).saturating_add(policy.lease_grace_ms / 2)
}

/// The same where it is not known which node it was, or what that promises: of these nodes' promises
/// the longest, and no less than a lease.
#[must_use]
pub fn all_ended_after_ms(promised_ms: impl Iterator<Item = i64>, policy: &Policy) -> i64 {
    let longest_ms = promised_ms.max().unwrap_or(0).max(policy.lease_grace_ms);
    ended_after_ms(longest_ms, policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_waited_for_with_the_drift_of_two_clocks_and_what_a_leader_may_not_notice() {
        let policy = Policy { lease_grace_ms: 15_000, ..Policy::default() };
        for (promised_ms, ended_ms) in [(0, 7_501), (30_000, 37_531), (i64::MAX, i64::MAX)] {
            assert_eq!(ended_after_ms(promised_ms, &policy), ended_ms, "{promised_ms}");
        }
    }

    #[test]
    fn of_nodes_that_are_not_known_the_longest_promise_counts() {
        let policy = Policy { lease_grace_ms: 10_000, ..Policy::default() };
        assert_eq!(all_ended_after_ms([].into_iter(), &policy), 15_011);
        assert_eq!(all_ended_after_ms([5_000, 20_000].into_iter(), &policy), 25_021);
    }
}
