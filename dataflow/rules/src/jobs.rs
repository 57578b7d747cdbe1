//! How many pods a Job is to have now, and whether it has ended.
//!
//! Source: `syncJob` and `manageJob` of Kubernetes' Job controller, with the reasons and the messages of
//! its conditions. Absent: which pod has which index, and what one failed pod means
//! ([`crate::job_failures`]).

use setpoint_schemas::{JobSpec, SuccessPolicy};

use crate::intervals::Intervals;

/// The first pause after a failed pod, doubled with each further one in a row.
const BACKOFF_MS: i64 = 10_000;
/// The longest pause, as Kubernetes' documentation has it: six minutes.
const BACKOFF_MS_MAX: i64 = 360_000;
/// Beyond so many doublings a pause is the longest anyway.
const DOUBLINGS_MAX: u32 = 16;

/// What became of a Job's pods.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Pods that run or are meant to.
    pub active: i64,
    /// Pods on their way out that have not finished.
    pub terminating: i64,
    /// Pods that succeeded; of an indexed Job its indexes.
    pub succeeded: i64,
    /// Pods that failed and count.
    pub failed: i64,
    /// The indexes that succeeded.
    pub completed: &'a Intervals,
    /// The indexes that failed for good.
    pub failed_indexes: &'a Intervals,
    /// Engine time of its start, milliseconds; `None` while it has none.
    pub started_ms: Option<i64>,
}

/// How a Job ended: a condition's reason and message, and whether well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Whether it succeeded.
    pub is_success: bool,
    /// One word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl End {
    fn well(reason: &'static str, message: &str) -> End {
        End { is_success: true, reason, message: message.to_owned() }
    }

    /// A failure of this reason.
    #[must_use]
    pub fn badly(reason: &'static str, message: impl Into<String>) -> End {
        End { is_success: false, reason, message: message.into() }
    }
}

/// How many pods it is to have now, while it has not ended.
#[must_use]
pub fn wanted(spec: &JobSpec, at: Standing<'_>) -> i64 {
    if spec.is_suspended() {
        return 0;
    }
    match spec.to_complete() {
        // One has done the work: no new ones, and the others are waited for.
        None if at.succeeded > 0 => at.active.min(spec.at_once()),
        None => spec.at_once(),
        Some(all) => {
            let failed = if spec.is_indexed() { at.failed_indexes.count_below(all) } else { 0 };
            (all - at.succeeded - failed).clamp(0, spec.at_once())
        }
    }
}

/// How many of those are to be started: one that waits for the last of a failed pod starts none in its
/// place before.
#[must_use]
pub fn lacking(spec: &JobSpec, wanted: i64, at: Standing<'_>) -> i64 {
    let held = if spec.waits_for_the_last() { at.terminating } else { 0 };
    (wanted - at.active - held).max(0)
}

/// Whether it has ended, and how. Deadlines are looked at only where time has surely passed.
#[must_use]
pub fn end(spec: &JobSpec, at: Standing<'_>, now_ms: Option<i64>) -> Option<End> {
    failure(spec, at, now_ms).or_else(|| success(spec, at))
}

fn failure(spec: &JobSpec, at: Standing<'_>, now_ms: Option<i64>) -> Option<End> {
    if at.failed > spec.failures_max() {
        let message = "Job has reached the specified backoff limit";
        return Some(End::badly("BackoffLimitExceeded", message));
    }
    if deadline_ms(spec, at.started_ms)
        .is_some_and(|due_ms| now_ms.is_some_and(|now| now >= due_ms))
    {
        let message = "Job was active longer than specified deadline";
        return Some(End::badly("DeadlineExceeded", message));
    }
    spec.backoff_limit_per_index?;
    let failed = at.failed_indexes.count();
    if spec.max_failed_indexes.is_some_and(|most| failed > i64::from(most)) {
        let message = "Job has exceeded the specified maximal number of failed indexes";
        return Some(End::badly("MaxFailedIndexesExceeded", message));
    }
    let all = spec.to_complete()?;
    let is_over = failed > 0 && failed + at.succeeded >= all;
    is_over.then(|| End::badly("FailedIndexes", "Job has failed indexes"))
}

fn success(spec: &JobSpec, at: Standing<'_>) -> Option<End> {
    if spec.success_policy.as_ref().is_some_and(|policy| is_enough(spec, policy, at.completed)) {
        return Some(End::well("SuccessPolicy", "Matched rules at index 0"));
    }
    let is_reached = match spec.to_complete() {
        Some(all) => at.succeeded >= all && !spec.is_suspended(),
        None => at.succeeded > 0 && at.active == 0,
    };
    let message = "Reached expected number of succeeded pods";
    is_reached.then(|| End::well("CompletionsReached", message))
}

/// Whether the indexes that succeeded are enough by one of the rules.
fn is_enough(spec: &JobSpec, policy: &SuccessPolicy, completed: &Intervals) -> bool {
    policy.rules.iter().any(|rule| {
        let meant = rule.succeeded_indexes.as_deref().map(Intervals::parse);
        let (has, all) = match meant {
            Some(Ok(meant)) => (completed.count_in(&meant), meant.count()),
            // The gate has read it; what cannot be read is enough for nothing.
            Some(Err(_)) => return false,
            None => (completed.count(), spec.to_complete().unwrap_or(i64::MAX)),
        };
        has >= rule.succeeded_count.map_or(all, i64::from)
    })
}

/// Engine time at which it fails for having taken too long.
#[must_use]
pub fn deadline_ms(spec: &JobSpec, started_ms: Option<i64>) -> Option<i64> {
    let seconds = spec.active_deadline_seconds.filter(|_| !spec.is_suspended())?;
    started_ms?.checked_add(seconds.saturating_mul(1_000))
}

/// Engine time at which a Job that ended then is deleted.
#[must_use]
pub fn expires_ms(spec: &JobSpec, finished_ms: i64) -> Option<i64> {
    let seconds = i64::from(spec.ttl_seconds_after_finished?);
    finished_ms.checked_add(seconds.saturating_mul(1_000))
}

/// The pause after so many failed pods in a row.
#[must_use]
pub fn backoff_ms(failed_in_row: u32) -> i64 {
    let Some(doublings) = failed_in_row.checked_sub(1) else { return 0 };
    (BACKOFF_MS << doublings.min(DOUBLINGS_MAX)).min(BACKOFF_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> JobSpec {
        serde_json::from_str(json).expect(json)
    }

    static NONE: Intervals = Intervals::none();

    fn at(active: i64, succeeded: i64, failed: i64) -> Standing<'static> {
        Standing {
            active,
            terminating: 0,
            succeeded,
            failed,
            completed: &NONE,
            failed_indexes: &NONE,
            started_ms: Some(1_000),
        }
    }

    #[test]
    fn it_has_no_more_pods_than_at_once_and_no_more_than_are_left() {
        for (job, standing, pods) in [
            ("{}", at(0, 0, 0), 1),
            ("{}", at(0, 1, 0), 0),
            (r#"{"parallelism": 3}"#, at(0, 0, 2), 3),
            (r#"{"parallelism": 3}"#, at(2, 1, 0), 2),
            (r#"{"completions": 5}"#, at(1, 2, 0), 1),
            (r#"{"completions": 5, "parallelism": 3}"#, at(3, 0, 0), 3),
            (r#"{"completions": 5, "parallelism": 3}"#, at(3, 4, 0), 1),
            (r#"{"completions": 5, "parallelism": 3, "suspend": true}"#, at(3, 0, 0), 0),
            (r#"{"completions": 5, "parallelism": 0}"#, at(0, 0, 0), 0),
            (r#"{"completions": 0}"#, at(0, 0, 0), 0),
        ] {
            assert_eq!(wanted(&spec(job), standing), pods, "{job} {standing:?}");
        }
        let indexed = r#"{"completions": 5, "parallelism": 5, "completionMode": "Indexed"}"#;
        let failed = Intervals::parse("1,3").expect("a set");
        let standing = Standing { failed_indexes: &failed, ..at(0, 1, 0) };
        assert_eq!(wanted(&spec(indexed), standing), 2, "failed indexes are not tried again");
    }

    #[test]
    fn it_ends_as_kubernetes_says() {
        for (job, standing, now_ms, reason) in [
            ("{}", at(0, 0, 0), 5_000, ""),
            ("{}", at(0, 1, 3), 5_000, "CompletionsReached"),
            ("{}", at(0, 0, 6), 5_000, ""),
            ("{}", at(0, 0, 7), 5_000, "BackoffLimitExceeded"),
            (r#"{"backoffLimit": 0}"#, at(0, 0, 1), 5_000, "BackoffLimitExceeded"),
            (r#"{"completions": 3}"#, at(0, 2, 0), 5_000, ""),
            (r#"{"completions": 0}"#, at(0, 0, 0), 5_000, "CompletionsReached"),
            (r#"{"parallelism": 2}"#, at(1, 1, 0), 5_000, ""),
            (r#"{"parallelism": 2}"#, at(0, 1, 0), 5_000, "CompletionsReached"),
            (r#"{"activeDeadlineSeconds": 4}"#, at(1, 0, 0), 4_999, ""),
            (r#"{"activeDeadlineSeconds": 4}"#, at(1, 0, 0), 5_000, "DeadlineExceeded"),
            (r#"{"activeDeadlineSeconds": 4, "suspend": true}"#, at(1, 0, 0), 9_000, ""),
        ] {
            let end = end(&spec(job), standing, Some(now_ms));
            assert_eq!(end.map_or("", |end| end.reason), reason, "{job} {standing:?}");
        }
        let late = at(1, 0, 0);
        assert_eq!(end(&spec(r#"{"activeDeadlineSeconds": 4}"#), late, None), None);
    }

    #[test]
    fn indexes_that_fail_end_it_when_there_are_too_many_or_none_is_left() {
        let job = |more: &str| {
            spec(&format!(
                r#"{{"completions": 4, "completionMode": "Indexed", "backoffLimitPerIndex": 0{more}}}"#
            ))
        };
        let failed = Intervals::parse("0,2").expect("a set");
        let of = |more: &str, succeeded| {
            let standing = Standing { failed_indexes: &failed, ..at(0, succeeded, 2) };
            end(&job(more), standing, None).map_or("", |end| end.reason)
        };
        assert_eq!(of("", 1), "");
        assert_eq!(of("", 2), "FailedIndexes");
        assert_eq!(of(r#", "maxFailedIndexes": 2"#, 1), "");
        assert_eq!(of(r#", "maxFailedIndexes": 1"#, 1), "MaxFailedIndexesExceeded");
    }

    #[test]
    fn a_success_policy_is_met_by_the_indexes_that_it_names() {
        let done = Intervals::parse("0,2-3").expect("a set");
        for (rule, is_met) in [
            (r#"{"succeededIndexes": "0,2"}"#, true),
            (r#"{"succeededIndexes": "0-2"}"#, false),
            (r#"{"succeededIndexes": "0-2", "succeededCount": 2}"#, true),
            (r#"{"succeededCount": 3}"#, true),
            (r#"{"succeededCount": 4}"#, false),
        ] {
            let job = spec(&format!(
                r#"{{"completions": 9, "completionMode": "Indexed", "successPolicy": {{"rules": [{rule}]}}}}"#
            ));
            let standing = Standing { completed: &done, ..at(2, 3, 0) };
            let end = end(&job, standing, None);
            assert_eq!(end.is_some_and(|end| end.reason == "SuccessPolicy"), is_met, "{rule}");
        }
    }

    #[test]
    fn one_that_waits_for_the_last_of_a_failed_pod_starts_none_before() {
        let standing = Standing { terminating: 1, ..at(1, 0, 1) };
        let waits = spec(r#"{"parallelism": 3, "podReplacementPolicy": "Failed"}"#);
        assert_eq!(lacking(&waits, 3, standing), 1);
        assert_eq!(lacking(&spec(r#"{"parallelism": 3}"#), 3, standing), 2);
        let by_policy = spec(r#"{"parallelism": 3, "podFailurePolicy": {"rules": []}}"#);
        assert_eq!(lacking(&by_policy, 3, standing), 1);
    }

    #[test]
    fn pauses_double_up_to_six_minutes() {
        let pauses: Vec<i64> = (0..9).map(|row| backoff_ms(row) / 1_000).collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 320, 360, 360]);
        assert_eq!(backoff_ms(u32::MAX), 360_000);
    }
}
