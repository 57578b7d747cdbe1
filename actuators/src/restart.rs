//! When a container that ended starts again in place, and when it was tried often enough here.
//!
//! A pure rule, the agent's own: it decides the same whether the engine is up or not. A pod that was tried
//! often enough has failed, and the engine sees to another one elsewhere.
//! Source: Kubernetes' `CrashLoopBackOff` (10 s, doubled to 5 min, reset after 10 min without an
//! end), <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>; attempts within an interval
//! as in Nomad's `restart` stanza, <https://developer.hashicorp.com/nomad/docs/job-specification/restart>.
//! Invariant: never reads a clock; the caller keeps the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{
    ContainerObserved, ContainerState, ExitCodes, RESTART, RestartPolicy, Retries,
};

/// The wait after an end with an exempt code, counted from the start: a container that ends so at once is
/// not started more often than once a second.
const EXEMPT_MS: i64 = 1_000;

/// How a pod's containers restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// Which ends are followed by a restart.
    pub policy: RestartPolicy,
    /// After which waits, and how often.
    pub retries: Retries,
    /// Ends with one of these codes are followed by a restart without a wait, and are not counted.
    pub exempt: ExitCodes,
}

/// How often a container was restarted. Kept by the agent over its own restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// All restarts in place.
    pub restarts: i32,
    /// Restarts of the present row: since the container was last healthy.
    pub row: u32,
    /// Restarts of the present interval.
    pub counted: u32,
    /// When that began, milliseconds.
    pub since_ms: i64,
    /// The end that the last restart followed, milliseconds: as long as it is the last, that restart is
    /// still under way.
    pub answered_ms: i64,
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
    /// It was restarted as often as its pod allows: the pod has failed here.
    Exhausted,
}

/// Whether the container that ended so starts again, at `now_ms`.
#[must_use]
pub fn restart(rule: &Rule, history: History, end: End, now_ms: i64) -> Verdict {
    if !rule.restarts_after(end.exit_code) {
        return Verdict::Settled;
    }
    let exempt = rule.exempt.has(end.exit_code);
    let healthy = end.finished_ms.saturating_sub(end.started_ms) >= rule.retries.healthy_ms;
    let row = if healthy { 0 } else { history.row };
    let (counted, since_ms) = rule.counted(history, end);
    let is_answered = history.restarts > 0 && history.answered_ms == end.finished_ms;
    let is_last = rule.retries.attempts.is_some_and(|attempts| counted >= attempts);
    if !exempt && !is_answered && is_last {
        return Verdict::Exhausted;
    }
    let (from_ms, backoff_ms) = match exempt {
        true => (end.started_ms, EXEMPT_MS),
        false => (end.finished_ms, rule.backoff_ms(row)),
    };
    let until_ms = from_ms.saturating_add(backoff_ms);
    // An end that lies further ahead than any wait: the clock was set back, so it tells nothing.
    let is_clock_back = end.finished_ms.saturating_sub(now_ms) > rule.retries.backoff_ms_max;
    if now_ms < until_ms && !is_clock_back {
        return Verdict::Wait { until_ms, backoff_ms };
    }
    let restarts = history.restarts.saturating_add(1);
    let next = History { restarts, answered_ms: end.finished_ms, ..history };
    Verdict::Restart(match exempt {
        true => next,
        false => {
            let (row, counted) = (row.saturating_add(1), counted.saturating_add(1));
            History { row, counted, since_ms, ..next }
        }
    })
}

/// How a container ended; `None` while it has not.
pub(crate) fn end_of(container: &ContainerObserved) -> Option<End> {
    let ended = container.state == ContainerState::Terminated;
    ended.then(|| End {
        exit_code: container.exit_code.unwrap_or(0),
        started_ms: container.started_ms,
        finished_ms: container.finished_ms,
    })
}

impl Rule {
    /// The rule of a pod: its `restartPolicy` (absent means `Always`) and its annotations that begin with
    /// [`RESTART`]. One that says nothing sensible counts as absent.
    #[must_use]
    pub fn of(restart_policy: Option<&str>, annotations: &BTreeMap<String, String>) -> Self {
        Rule {
            policy: RestartPolicy::of(restart_policy),
            retries: Retries::of(RESTART, annotations),
            exempt: ExitCodes::exempt(annotations),
        }
    }

    /// Whether an end with this code is followed by a restart.
    #[must_use]
    pub fn restarts_after(&self, exit_code: i32) -> bool {
        self.policy.restarts_after(exit_code)
    }

    pub(crate) fn backoff_ms(&self, row: u32) -> i64 {
        self.retries.wait_ms(row)
    }

    /// How many restarts count against this end, and since when. By the time of the end, not of the look
    /// at it: what it says of an end it says for ever.
    fn counted(&self, history: History, end: End) -> (u32, i64) {
        let past_ms = end.finished_ms.saturating_sub(history.since_ms);
        // A clock that was set back begins a new interval.
        let is_over = self.retries.interval_ms.is_some_and(|ms| past_ms >= ms || past_ms < 0);
        match is_over || history.counted == 0 {
            true => (0, end.finished_ms),
            false => (history.counted, history.since_ms),
        }
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
        let history = History { restarts: 9, row: 9, ..History::default() };
        let table = [(599, true), (600, false)];
        for (ran_s, waits) in table {
            let verdict = restart(&Rule::default(), history, end(1, 0, ran_s), ran_s * 1_000);
            assert_eq!(matches!(verdict, Verdict::Wait { .. }), waits, "after {ran_s} s");
        }
        let verdict = restart(&Rule::default(), history, end(1, 0, 600), 600_000);
        let (since_ms, answered_ms) = (600_000, 600_000);
        let next = History { restarts: 10, row: 1, counted: 1, since_ms, answered_ms };
        assert_eq!(verdict, Verdict::Restart(next));
    }

    #[test]
    fn a_workload_may_choose_its_own_backoff() {
        let says = |name: &str, value: &str| (format!("{RESTART}-{name}"), value.to_owned());
        let annotations = BTreeMap::from([
            says("backoff-ms", "500"),
            says("backoff-ms-max", "800"),
            says("healthy-ms", "nonsense"),
        ]);
        let rule = Rule::of(None, &annotations);
        let retries = Retries { backoff_ms: 500, backoff_ms_max: 800, ..Retries::default() };
        assert_eq!(rule, Rule { retries, ..Rule::default() });
        let waits: Vec<i64> = (0..4).map(|row| rule.backoff_ms(row)).collect();
        assert_eq!(waits, [0, 500, 800, 800]);
    }

    #[test]
    fn after_so_many_attempts_within_an_interval_it_has_failed_here() {
        let retries =
            Retries { attempts: Some(2), interval_ms: Some(60_000), ..Retries::default() };
        let rule = Rule { retries, ..Rule::default() };
        let mut history = History::default();
        for ended_s in [1, 20] {
            let verdict = restart(&rule, history, end(1, 0, ended_s), i64::MAX);
            let Verdict::Restart(next) = verdict else { panic!("{ended_s}: {verdict:?}") };
            history = next;
        }
        let within = end(1, 0, 60);
        for look_ms in [60_000, 61_000, i64::MAX] {
            assert_eq!(restart(&rule, history, within, look_ms), Verdict::Exhausted, "{look_ms}");
        }
        let later = restart(&rule, history, end(1, 0, 61), i64::MAX);
        let Verdict::Restart(next) = later else { panic!("{later:?}") };
        assert_eq!((next.counted, next.since_ms), (1, 61_000), "another interval");
        let never = Rule { retries: Retries { attempts: Some(0), ..retries }, ..rule };
        assert_eq!(restart(&never, History::default(), within, 60_000), Verdict::Exhausted);
        let under_way = History { restarts: 2, counted: 2, answered_ms: 60_000, ..history };
        let verdict = restart(&rule, under_way, within, i64::MAX);
        assert!(matches!(verdict, Verdict::Restart(_)), "it was answered already: {verdict:?}");
    }

    #[test]
    fn an_exempt_code_is_followed_by_a_restart_that_does_not_count() {
        let says =
            BTreeMap::from([("setpoint.dev/restart-exempt-codes".to_owned(), "42".to_owned())]);
        let rule = Rule::of(None, &says);
        let retries = Retries { attempts: Some(1), ..rule.retries };
        let rule = Rule { retries, ..rule };
        let history = History { restarts: 7, row: 7, counted: 1, since_ms: 1, answered_ms: 1 };
        let verdict = restart(&rule, history, end(42, 0, 5), 5_000);
        assert_eq!(
            verdict,
            Verdict::Restart(History { restarts: 8, answered_ms: 5_000, ..history })
        );
        assert_eq!(restart(&rule, history, end(1, 0, 5), 5_000), Verdict::Exhausted);
        let at_once = restart(&rule, history, end(42, 5, 5), 5_000);
        assert_eq!(at_once, Verdict::Wait { until_ms: 6_000, backoff_ms: 1_000 });
    }

    #[test]
    fn a_clock_that_is_set_back_by_an_hour_does_not_hold_a_restart_for_an_hour() {
        let history = History { restarts: 1, row: 1, ..History::default() };
        let verdict =
            |now_s: i64| restart(&Rule::default(), history, end(1, 0, 3_600), now_s * 1_000);
        assert!(matches!(verdict(1), Verdict::Restart(_)));
        assert!(matches!(verdict(3_599), Verdict::Wait { .. }), "clocks differ a little");
    }

    #[test]
    fn a_row_without_end_does_not_overflow() {
        let history =
            History { restarts: i32::MAX, row: u32::MAX, counted: u32::MAX, ..History::default() };
        let history = History { since_ms: 1_000, answered_ms: 1_000, ..history };
        let verdict = restart(&Rule::default(), history, end(1, 0, 1), i64::MAX);
        assert_eq!(verdict, Verdict::Restart(history));
    }
}
