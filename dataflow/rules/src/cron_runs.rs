//! Which times of a schedule a CronJob starts Jobs for now.
//!
//! Source: `syncCronJob` of Kubernetes' controller. Ours beside it: what becomes of times that were
//! missed is said by an annotation; `latest` is what Kubernetes does.

use setpoint_schemas::CronJobSpec;

use crate::cron::Schedule;

/// Missed times that are made up for, with `all`: as many as Kubernetes' controller calls too many.
pub const CAUGHT_UP_MAX: usize = 100;
/// A start within the minute that it is for is in time; with `skip`, a later one is missed.
const IN_TIME_MS: i64 = 60_000;

/// What becomes of times that were missed, because nobody led or because a Job was still running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing.
    Skip,
    /// The last of them is made up for.
    #[default]
    Latest,
    /// Each is, up to [`CAUGHT_UP_MAX`].
    All,
}

impl CatchUp {
    /// Of the annotation; `None`: it says something else.
    #[must_use]
    pub fn of(text: Option<&str>) -> Option<CatchUp> {
        match text {
            None => Some(CatchUp::default()),
            Some("skip") => Some(CatchUp::Skip),
            Some("latest") => Some(CatchUp::Latest),
            Some("all") => Some(CatchUp::All),
            Some(_) => None,
        }
    }
}

/// Where a CronJob stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The time that it started a Job for last, or when it was made.
    pub after_ms: i64,
    /// How many of its Jobs have not ended.
    pub active: usize,
    /// Engine time.
    pub now_ms: i64,
}

/// What it does now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// The times to start Jobs for, oldest first.
    pub start: Vec<i64>,
    /// Whether those that have not ended go for it.
    pub replaces: bool,
    /// When to look again, if nothing happens before.
    pub look_ms: Option<i64>,
}

/// What a CronJob does now.
#[must_use]
pub fn runs(spec: &CronJobSpec, schedule: &Schedule, catch_up: CatchUp, at: Standing) -> Runs {
    if spec.suspend == Some(true) {
        return Runs::default();
    }
    let look_ms = schedule.next(at.now_ms);
    let most = if catch_up == CatchUp::All { CAUGHT_UP_MAX } else { 1 };
    let limit_ms = spec.starting_deadline_seconds.map(|seconds| seconds.saturating_mul(1_000));
    let earliest_ms = limit_ms.map_or(i64::MIN, |limit_ms| at.now_ms.saturating_sub(limit_ms));
    let mut times = schedule.latest(at.after_ms.max(earliest_ms), at.now_ms, most);
    if catch_up == CatchUp::Skip {
        times.retain(|time| at.now_ms - time <= IN_TIME_MS);
    }
    let is_busy = at.active > 0;
    let start = match spec.concurrency_policy.as_deref() {
        Some("Forbid") if is_busy => Vec::new(),
        Some("Forbid") => times.into_iter().take(1).collect(),
        // An earlier one would have to go for a later one at once.
        Some("Replace") => times.pop().into_iter().collect(),
        _ => times,
    };
    let replaces = spec.concurrency_policy.as_deref() == Some("Replace") && !start.is_empty();
    Runs { start, replaces, look_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Hourly; made at 0, looked at some minutes after an hour.
    fn at(
        policy: &str,
        catch_up: CatchUp,
        (after, active, hours, minutes): (i64, usize, i64, i64),
    ) -> (Vec<i64>, bool) {
        let schedule = Schedule::parse("@hourly", None).expect("a schedule");
        let spec =
            CronJobSpec { concurrency_policy: Some(policy.to_owned()), ..CronJobSpec::default() };
        let now_ms = hours * HOUR + minutes * 60_000;
        let standing = Standing { after_ms: after * HOUR, active, now_ms };
        let runs = runs(&spec, &schedule, catch_up, standing);
        assert_eq!(runs.look_ms, Some((hours + 1) * HOUR));
        (runs.start.iter().map(|time| time / HOUR).collect(), runs.replaces)
    }

    #[test]
    fn missed_times_are_made_up_for_as_it_is_said() {
        use CatchUp::{All, Latest, Skip};
        let missed = (2, 0, 6, 20);
        for (policy, catch_up, starts) in [
            ("Allow", Latest, vec![6]),
            ("Allow", Skip, vec![]),
            ("Allow", All, vec![3, 4, 5, 6]),
            ("Forbid", Latest, vec![6]),
            ("Forbid", All, vec![3]),
            ("Replace", Latest, vec![6]),
            ("Replace", All, vec![6]),
        ] {
            let (started, _) = at(policy, catch_up, missed);
            assert_eq!(started, starts, "{policy} {catch_up:?}");
        }
        assert_eq!(at("Allow", Skip, (5, 0, 6, 0)).0, [6], "in time");
        assert_eq!(at("Allow", Latest, (6, 0, 6, 20)).0, [0; 0], "it was started for");
    }

    #[test]
    fn who_still_runs_keeps_the_next_away_or_goes_for_it() {
        assert_eq!(at("Allow", CatchUp::Latest, (5, 1, 6, 0)), (vec![6], false));
        assert_eq!(at("Forbid", CatchUp::Latest, (5, 1, 6, 0)), (vec![], false));
        assert_eq!(at("Replace", CatchUp::Latest, (5, 1, 6, 0)), (vec![6], true));
        assert_eq!(at("Replace", CatchUp::Latest, (6, 1, 6, 0)), (vec![], false));
    }

    #[test]
    fn what_is_later_than_the_deadline_does_not_happen_and_the_bound_is_kept() {
        let schedule = Schedule::parse("* * * * *", None).expect("a schedule");
        let spec = CronJobSpec { starting_deadline_seconds: Some(90), ..CronJobSpec::default() };
        let standing = Standing { after_ms: 0, active: 0, now_ms: 1_000 * HOUR + 30_000 };
        let of = |spec: &CronJobSpec| runs(spec, &schedule, CatchUp::All, standing).start.len();
        assert_eq!(of(&spec), 1, "of the last ninety seconds, the end of them left out");
        assert_eq!(of(&CronJobSpec::default()), CAUGHT_UP_MAX);
        let paused = CronJobSpec { suspend: Some(true), ..spec };
        assert_eq!(runs(&paused, &schedule, CatchUp::All, standing), Runs::default());
    }
}
