//! How often and after which waits something is tried again: restarts here, and pods elsewhere.
//!
//! The two are policies of their own, as Nomad's `restart` and `reschedule` stanzas are, said by annotations
//! that begin alike: those of a pod say how its node restarts containers, those of a workload how its pods
//! that ended for good are replaced.
//! Source of what holds where nothing is said: Kubernetes' `CrashLoopBackOff` (10 s, doubled to 5 min, over
//! after 10 min without an end, and no bound).

use std::collections::BTreeMap;

/// What annotations of pods begin with that say how containers are restarted.
pub const RESTART: &str = "setpoint.dev/restart";
/// What annotations of workloads begin with that say how pods which ended for good are replaced.
pub const RESCHEDULE: &str = "setpoint.dev/reschedule";
/// The longest time that one of them may name: a day is longer than anybody waits for a program.
const MS_MAX: i64 = 86_400_000;
/// The largest factor: with a larger one the second wait is the longest anyhow.
const FACTOR_MAX: u32 = 100;
/// Attempts that may be asked for: more are no bound.
const ATTEMPTS_MAX: u32 = 1_000_000;
/// Steps of a backoff that are reckoned: the smallest factor that grows comes to a day within them.
const STEPS_MAX: u32 = 2_000;

/// One of the two policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// The wait before the second try of a row, milliseconds; the first follows at once.
    pub backoff_ms: i64,
    /// The longest wait, milliseconds.
    pub backoff_ms_max: i64,
    /// By how much a wait is longer than the one before, in thousandths.
    pub factor_milli: u32,
    /// Who held out so long begins a new row, milliseconds.
    pub healthy_ms: i64,
    /// So many tries and no more; `None`: without bound.
    pub attempts: Option<u32>,
    /// Within this time, milliseconds; `None`: ever, of restarts.
    pub interval_ms: Option<i64>,
}

impl Default for Retries {
    fn default() -> Self {
        Retries {
            backoff_ms: 10_000,
            backoff_ms_max: 300_000,
            factor_milli: 2_000,
            healthy_ms: 600_000,
            attempts: None,
            interval_ms: None,
        }
    }
}

impl Retries {
    /// What annotations that begin so say. One that says nothing sensible counts as absent: the door
    /// refuses it ([`Retries::check`]), and what came before that door does is kept running.
    #[must_use]
    pub fn of(prefix: &str, annotations: &BTreeMap<String, String>) -> Retries {
        let says = |name: &str| annotations.get(&format!("{prefix}-{name}")).map(String::as_str);
        let default = Retries::default();
        let backoff_ms = says("backoff-ms").and_then(time).unwrap_or(default.backoff_ms);
        let longest = says("backoff-ms-max").and_then(time).unwrap_or(default.backoff_ms_max);
        Retries {
            backoff_ms,
            backoff_ms_max: longest.max(backoff_ms),
            factor_milli: says("backoff-factor").and_then(factor).unwrap_or(default.factor_milli),
            healthy_ms: says("healthy-ms").and_then(time).unwrap_or(default.healthy_ms),
            attempts: says("attempts").and_then(attempts),
            interval_ms: says("interval-ms").and_then(time),
        }
    }

    /// Whether all annotations that begin so say something.
    ///
    /// # Errors
    /// A sentence that names the first that does not.
    pub fn check(prefix: &str, annotations: &BTreeMap<String, String>) -> Result<(), String> {
        let wrong = |name: &str, text: &str, must: &str| {
            Err(format!("annotations[{prefix}-{name}]: {text:?} is not {must}"))
        };
        let times = format!("a number of milliseconds from 1 to {MS_MAX}");
        for name in ["backoff-ms", "backoff-ms-max", "healthy-ms", "interval-ms"] {
            if let Some(text) = annotations.get(&format!("{prefix}-{name}"))
                && time(text).is_none()
            {
                return wrong(name, text, &times);
            }
        }
        if let Some(text) = annotations.get(&format!("{prefix}-backoff-factor"))
            && factor(text).is_none()
        {
            return wrong("backoff-factor", text, &format!("a number from 1 to {FACTOR_MAX}"));
        }
        if let Some(text) = annotations.get(&format!("{prefix}-attempts"))
            && attempts(text).is_none()
        {
            return wrong("attempts", text, &format!("a whole number up to {ATTEMPTS_MAX}"));
        }
        let has = |name: &str| annotations.contains_key(&format!("{prefix}-{name}"));
        // A node gives up for good; a workload never does, so that its bound is one of a time, as in Nomad.
        if prefix == RESCHEDULE && has("attempts") && !has("interval-ms") {
            return Err(format!(
                "annotations[{prefix}-attempts]: it bounds nothing without {prefix}-interval-ms: so many within which time?"
            ));
        }
        if has("interval-ms") && !has("attempts") {
            return Err(format!(
                "annotations[{prefix}-interval-ms]: it bounds nothing without {prefix}-attempts"
            ));
        }
        Ok(())
    }

    /// The wait before the next try, after so many of the present row, milliseconds.
    #[must_use]
    pub fn wait_ms(&self, row: u32) -> i64 {
        let Some(steps) = row.checked_sub(1) else { return 0 };
        let mut wait_ms = self.backoff_ms;
        for _ in 0..steps.min(STEPS_MAX) {
            if wait_ms >= self.backoff_ms_max || self.factor_milli <= 1_000 {
                break;
            }
            let longer = wait_ms.saturating_mul(i64::from(self.factor_milli)) / 1_000;
            // A factor that is lost in rounding grows by a millisecond.
            wait_ms = longer.max(wait_ms + 1);
        }
        wait_ms.min(self.backoff_ms_max)
    }
}

fn time(text: &str) -> Option<i64> {
    text.parse().ok().filter(|ms| (1..=MS_MAX).contains(ms))
}

fn attempts(text: &str) -> Option<u32> {
    text.parse().ok().filter(|attempts| *attempts <= ATTEMPTS_MAX)
}

/// In thousandths: a decimal number with up to three digits behind its point.
fn factor(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || part.len() > 3 {
        return None;
    }
    let part: u32 = format!("{part:0<3}").parse().ok()?;
    let milli = whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(part)?;
    (1_000..=FACTOR_MAX * 1_000).contains(&milli).then_some(milli)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| (format!("{RESTART}-{name}"), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn waits_follow_the_curve_up_to_the_longest() {
        let waits = |retries: Retries| (0..8).map(|row| retries.wait_ms(row)).collect::<Vec<i64>>();
        let seconds = [0, 10, 20, 40, 80, 160, 300, 300].map(|s| s * 1_000);
        assert_eq!(waits(Retries::default()), seconds);
        let constant = Retries { factor_milli: 1_000, ..Retries::default() };
        assert_eq!(waits(constant)[1..], [10_000; 7]);
        let slow = Retries { backoff_ms: 100, factor_milli: 1_500, ..Retries::default() };
        assert_eq!(waits(slow)[..5], [0, 100, 150, 225, 337]);
        for row in [u32::MAX, 1 << 20] {
            assert_eq!(Retries::default().wait_ms(row), 300_000);
            let creeping = Retries { backoff_ms: 1, factor_milli: 1_001, ..Retries::default() };
            assert!(creeping.wait_ms(row) > 1_000, "it ends, and it grew");
        }
    }

    #[test]
    fn annotations_say_all_of_it() {
        let all = says(&[
            ("backoff-ms", "500"),
            ("backoff-ms-max", "800"),
            ("backoff-factor", "1.5"),
            ("healthy-ms", "60000"),
            ("attempts", "3"),
            ("interval-ms", "90000"),
        ]);
        assert_eq!(Retries::check(RESTART, &all), Ok(()));
        let expected = Retries {
            backoff_ms: 500,
            backoff_ms_max: 800,
            factor_milli: 1_500,
            healthy_ms: 60_000,
            attempts: Some(3),
            interval_ms: Some(90_000),
        };
        assert_eq!(Retries::of(RESTART, &all), expected);
        assert_eq!(
            Retries::of(RESCHEDULE, &all),
            Retries::default(),
            "those are of another policy"
        );
        assert_eq!(Retries::of(RESTART, &BTreeMap::new()), Retries::default());
    }

    #[test]
    fn what_says_nothing_is_refused_by_name_and_counts_as_absent() {
        for (name, value) in [
            ("backoff-ms", "0"),
            ("backoff-ms", "10s"),
            ("backoff-ms-max", "-1"),
            ("backoff-factor", "0.5"),
            ("backoff-factor", "NaN"),
            ("backoff-factor", "many"),
            ("healthy-ms", "86400001"),
            ("attempts", "-1"),
            ("interval-ms", "1000"),
        ] {
            let wrong = says(&[(name, value)]);
            let error = Retries::check(RESTART, &wrong).expect_err(value);
            assert!(
                error.starts_with(&format!("annotations[setpoint.dev/restart-{name}]: ")),
                "{error}"
            );
            let kept = Retries { interval_ms: None, ..Retries::of(RESTART, &wrong) };
            assert_eq!(kept, Retries::default(), "{name} {value}");
        }
    }

    #[test]
    fn attempts_of_replacements_are_those_within_an_interval() {
        let says = |prefix: &str, names: &[&str]| -> BTreeMap<String, String> {
            names.iter().map(|name| (format!("{prefix}-{name}"), "3".to_owned())).collect()
        };
        let error = Retries::check(RESCHEDULE, &says(RESCHEDULE, &["attempts"])).expect_err("ever");
        let path = "annotations[setpoint.dev/reschedule-attempts]: ";
        assert!(error.starts_with(path) && error.contains("reschedule-interval-ms"), "{error}");
        for (prefix, names) in
            [(RESCHEDULE, &["attempts", "interval-ms"][..]), (RESTART, &["attempts"])]
        {
            assert_eq!(Retries::check(prefix, &says(prefix, names)), Ok(()), "{prefix}");
        }
    }
}
