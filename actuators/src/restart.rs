//! When a container that ended starts again in place.
//!
//! A pure rule, the agent's own: it decides the same whether the engine is up or not.
//! Source: Kubernetes' `CrashLoopBackOff` (10 s, doubled to 5 min, reset after 10 min without an
//! end), <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.
//! Invariant: never reads a clock; the caller keeps the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use setpoint_schemas::RestartPolicy;

/// The first wait, milliseconds; an annotation of the pod replaces it.
pub const ANNOTATION_FIRST: &str = "setpoint.dev/restart-backoff-ms";
/// The longest wait, milliseconds; an annotation of the pod replaces it.
pub const ANNOTATION_MAX: &str = "setpoint.dev/restart-backoff-ms-max";
/// A container that ran this long is healthy, milliseconds; an annotation of the pod replaces it.
pub const ANNOTATION_HEALTHY: &str = "setpoint.dev/restart-healthy-ms";

/// How a pod's containers restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Which ends are followed by a restart.
    pub policy: RestartPolicy,
    /// The wait before the second restart of a row; the first follows at once.
    pub backoff_ms: i64,
    /// The longest wait.
    pub backoff_ms_max: i64,
    /// A container that ran this long begins a new row.
    pub healthy_ms: i64,
}

/// How often a container was restarted. Kept by the agent over its own restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct History {
    /// All restarts in place.
    pub restarts: i32,
    /// Restarts of the present row: since the container was last healthy.
    pub row: u32,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its exit code.
    pub exit_code: i32,
    /// When it had started, milliseconds.
    pub started_ms: i64,
    /// When it ended, milliseconds.
    pub finished_ms: i64,
}

/// What the rule says of a container that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again now; this is its history from then on.
    Restart(History),
    /// Start it again at this time, milliseconds: it is in `CrashLoopBackOff`.
    Wait {
        /// The time.
        until_ms: i64,
        /// The length of the whole wait.
        backoff_ms: i64,
    },
    /// It ended for good.
    Settled,
}

/// Whether the container that ended so starts again, at `now_ms`.
#[must_use]
pub fn restart(rule: &Rule, history: History, end: End, now_ms: i64) -> Verdict {
    if !rule.restarts_after(end.exit_code) {
        return Verdict::Settled;
    }
    let healthy = end.finished_ms.saturating_sub(end.started_ms) >= rule.healthy_ms;
    let row = if healthy { 0 } else { history.row };
    let backoff_ms = rule.backoff_ms(row);
    let until_ms = end.finished_ms.saturating_add(backoff_ms);
    // An end that lies further ahead than any wait: the clock was set back, so it tells nothing.
    let is_clock_back = end.finished_ms.saturating_sub(now_ms) > rule.backoff_ms_max;
    if now_ms < until_ms && !is_clock_back {
        return Verdict::Wait { until_ms, backoff_ms };
    }
    let restarts = history.restarts.saturating_add(1);
    Verdict::Restart(History { restarts, row: row.saturating_add(1) })
}

impl Rule {
    /// The rule of a pod: its `restartPolicy` (absent means `Always`) and the annotations of this
    /// module. An annotation that is not a positive number is ignored.
    #[must_use]
    pub fn of(restart_policy: Option<&str>, annotations: &BTreeMap<String, String>) -> Self {
        let number = |name| annotations.get(name)?.parse().ok().filter(|&ms: &i64| ms > 0);
        let default = Rule::default();
        let first = number(ANNOTATION_FIRST).unwrap_or(default.backoff_ms);
        Rule {
            policy: RestartPolicy::of(restart_policy),
            backoff_ms: first,
            backoff_ms_max: number(ANNOTATION_MAX).unwrap_or(default.backoff_ms_max).max(first),
            healthy_ms: number(ANNOTATION_HEALTHY).unwrap_or(default.healthy_ms),
        }
    }

    /// Whether an end with this code is followed by a restart.
    #[must_use]
    pub fn restarts_after(&self, exit_code: i32) -> bool {
        self.policy.restarts_after(exit_code)
    }

    pub(crate) fn backoff_ms(&self, row: u32) -> i64 {
        let Some(doublings) = row.checked_sub(1) else { return 0 };
        let factor = 1_i64.checked_shl(doublings.min(62)).unwrap_or(i64::MAX);
        self.backoff_ms.saturating_mul(factor).min(self.backoff_ms_max)
    }
}

impl Default for Rule {
    fn default() -> Self {
        let policy = RestartPolicy::Always;
        Rule { policy, backoff_ms: 10_000, backoff_ms_max: 300_000, healthy_ms: 600_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(exit_code: i32, started_s: i64, finished_s: i64) -> End {
        End { exit_code, started_ms: started_s * 1_000, finished_ms: finished_s * 1_000 }
    }

    #[test]
    fn the_policy_decides_which_ends_are_followed_by_a_restart() {
        let table = [
            ("Always", 0, true),
            ("Always", 1, true),
            ("OnFailure", 0, false),
            ("OnFailure", 137, true),
            ("Never", 0, false),
            ("Never", 1, false),
        ];
        for (policy, code, restarts) in table {
            let rule = Rule::of(Some(policy), &BTreeMap::new());
            let verdict = restart(&rule, History::default(), end(code, 0, 1), 1_000);
            assert_eq!(verdict != Verdict::Settled, restarts, "{policy} after {code}");
        }
    }

    #[test]
    fn waits_double_from_ten_seconds_to_five_minutes() {
        let waits_s = [0, 10, 20, 40, 80, 160, 300, 300];
        let mut history = History::default();
        for (restarts, wait_s) in (1..).zip(waits_s) {
            let ended = end(1, 0, 1);
            let until_ms = 1_000 + wait_s * 1_000;
            if wait_s > 0 {
                let early = restart(&Rule::default(), history, ended, until_ms - 1);
                let wait = Verdict::Wait { until_ms, backoff_ms: wait_s * 1_000 };
                assert_eq!(early, wait, "restart {restarts}");
            }
            let verdict = restart(&Rule::default(), history, ended, until_ms);
            let Verdict::Restart(next) = verdict else { panic!("{restarts}: {verdict:?}") };
            assert_eq!(next.restarts, restarts);
            history = next;
        }
    }

    #[test]
    fn ten_minutes_of_health_begin_a_new_row() {
        let history = History { restarts: 9, row: 9 };
        let table = [(599, true), (600, false)];
        for (ran_s, waits) in table {
            let verdict = restart(&Rule::default(), history, end(1, 0, ran_s), ran_s * 1_000);
            assert_eq!(matches!(verdict, Verdict::Wait { .. }), waits, "after {ran_s} s");
        }
        let verdict = restart(&Rule::default(), history, end(1, 0, 600), 600_000);
        assert_eq!(verdict, Verdict::Restart(History { restarts: 10, row: 1 }));
    }

    #[test]
    fn a_workload_may_choose_its_own_backoff() {
        let annotation = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let annotations = BTreeMap::from([
            annotation(ANNOTATION_FIRST, "500"),
            annotation(ANNOTATION_MAX, "800"),
            annotation(ANNOTATION_HEALTHY, "nonsense"),
        ]);
        let rule = Rule::of(None, &annotations);
        assert_eq!(rule, Rule { backoff_ms: 500, backoff_ms_max: 800, ..Rule::default() });
        let waits: Vec<i64> = (0..4).map(|row| rule.backoff_ms(row)).collect();
        assert_eq!(waits, [0, 500, 800, 800]);
    }

    #[test]
    fn a_clock_that_is_set_back_by_an_hour_does_not_hold_a_restart_for_an_hour() {
        let history = History { restarts: 1, row: 1 };
        let verdict =
            |now_s: i64| restart(&Rule::default(), history, end(1, 0, 3_600), now_s * 1_000);
        assert!(matches!(verdict(1), Verdict::Restart(_)));
        assert!(matches!(verdict(3_599), Verdict::Wait { .. }), "clocks differ a little");
    }

    #[test]
    fn a_row_without_end_does_not_overflow() {
        let history = History { restarts: i32::MAX, row: u32::MAX };
        let verdict = restart(&Rule::default(), history, end(1, 0, 1), i64::MAX);
        assert_eq!(verdict, Verdict::Restart(history));
    }
}
