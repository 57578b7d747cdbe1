//! When a pod whose eviction is asked for goes: after another is there in its place, and within budgets.
//!
//! A pod that serves, of a workload that can have one more, goes when as many others are available as are
//! wanted; one that does not serve is waited for by nobody. An eviction that had to wait too long is given
//! up: it never makes a gap, and who wants one deletes the pod.
//! Source of what budgets let go: Kubernetes' eviction subresource.
//! Absent: which workloads can have one more, and which budgets cover the pod.

use std::collections::BTreeMap;

/// The rule's name in the ledger.
pub const RULE: &str = "eviction";
/// How long an eviction waits for another pod in its place, in milliseconds: an annotation of the workload.
/// 0: it does not, as in Kubernetes.
pub const SURGE: &str = "setpoint.dev/eviction-surge-ms";
/// What it is without the annotation: a drain by hand is watched, and five minutes start most programs.
pub const SURGE_MS: i64 = 300_000;
/// No more than a day: what takes longer is no drain.
pub const SURGE_MS_MAX: i64 = 86_400_000;

/// A pod whose eviction is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaving<'a> {
    /// Whether another is to be there first: it serves, and its workload can have one more.
    pub is_replaced: bool,
    /// Other pods of its workload that are available.
    pub others: i64,
    /// How many pods its workload wants.
    pub desired: i64,
    /// Why no other can be placed, where that is known; empty otherwise.
    pub lack: &'a str,
    /// Why a budget keeps it; empty when none does.
    pub refused: &'a str,
    /// Engine time at which it is waited for no longer, milliseconds.
    pub until_ms: i64,
}

/// What becomes of an eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The pod goes now.
    Go,
    /// It waits, and for what.
    Wait(String),
    /// It waited too long, and for what: the pod stays.
    GiveUp(String),
}

/// What becomes of it at this time.
#[must_use]
pub fn rule(pod: &Leaving<'_>, now_ms: i64) -> Ruling {
    let lacks = pod.is_replaced && pod.others < pod.desired;
    let why = match (pod.desired, lacks, pod.refused) {
        (0, ..) | (_, false, "") => return Ruling::Go,
        (_, true, _) => awaited(pod),
        (_, false, refused) => refused.to_owned(),
    };
    if now_ms < pod.until_ms { Ruling::Wait(why) } else { Ruling::GiveUp(why) }
}

/// For what an eviction waits that has to be made up for first.
fn awaited(pod: &Leaving<'_>) -> String {
    let Leaving { others, desired, lack, .. } = pod;
    let lack =
        if lack.is_empty() { String::new() } else { format!("; it cannot be placed: {lack}") };
    format!(
        "another pod is made in its place first: {others} others are available, and {desired} are \
         wanted{lack}"
    )
}

/// How long an eviction waits for another pod, by a workload's annotations.
#[must_use]
pub fn surge_ms(annotations: &BTreeMap<String, String>) -> i64 {
    annotations.get(SURGE).and_then(|text| parsed(text)).unwrap_or(SURGE_MS)
}

/// Whether the annotation says something.
///
/// # Errors
/// A sentence that names it.
pub fn check(annotations: &BTreeMap<String, String>) -> Result<(), String> {
    match annotations.get(SURGE) {
        Some(text) if parsed(text).is_none() => Err(format!(
            "metadata.annotations[{SURGE}]: {text:?} is no number of milliseconds from 0 to {SURGE_MS_MAX}"
        )),
        _ => Ok(()),
    }
}

fn parsed(text: &str) -> Option<i64> {
    text.parse().ok().filter(|ms| (0..=SURGE_MS_MAX).contains(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_serves_goes_after_another_is_there_and_within_budgets() {
        let until_ms = 1_000;
        let serves = Leaving { is_replaced: true, desired: 1, until_ms, ..Leaving::default() };
        let waits = |pod: &Leaving<'_>| matches!(rule(pod, 999), Ruling::Wait(_));
        let gives_up = |pod: &Leaving<'_>| matches!(rule(pod, 1_000), Ruling::GiveUp(_));
        assert!(waits(&serves) && gives_up(&serves), "nobody is there for it");
        let replaced = Leaving { others: 1, ..serves };
        assert_eq!(rule(&replaced, 0), Ruling::Go);
        let kept = Leaving { refused: "a budget", ..replaced };
        assert_eq!(rule(&kept, 0), Ruling::Wait("a budget".to_owned()));
        assert_eq!(rule(&kept, 1_000), Ruling::GiveUp("a budget".to_owned()));
        let broken = Leaving { is_replaced: false, ..serves };
        assert_eq!(rule(&broken, 0), Ruling::Go, "it serves nobody");
        let unwanted = Leaving { desired: 0, ..kept };
        assert_eq!(rule(&unwanted, 0), Ruling::Go, "a workload that wants none keeps none");
    }

    #[test]
    fn a_wait_says_for_what() {
        let pod = Leaving { is_replaced: true, others: 2, desired: 3, ..Leaving::default() };
        let pod = Leaving { lack: "0/1 nodes are available", until_ms: 9, ..pod };
        let said = "another pod is made in its place first: 2 others are available, and 3 are wanted; \
                    it cannot be placed: 0/1 nodes are available";
        assert_eq!(rule(&pod, 0), Ruling::Wait(said.to_owned()));
    }

    #[test]
    fn the_wait_is_five_minutes_or_what_the_workload_says() {
        let says = |text: &str| BTreeMap::from([(SURGE.to_owned(), text.to_owned())]);
        assert_eq!(surge_ms(&BTreeMap::new()), 300_000);
        for (text, expected) in
            [("0", Some(0)), ("60000", Some(60_000)), ("-1", None), ("5m", None)]
        {
            assert_eq!(check(&says(text)).is_ok(), expected.is_some(), "{text}");
            assert_eq!(surge_ms(&says(text)), expected.unwrap_or(SURGE_MS), "{text}");
        }
        let error = check(&says("5m")).expect_err("no number");
        assert!(
            error.contains("setpoint.dev/eviction-surge-ms") && error.contains("5m"),
            "{error}"
        );
    }
}
