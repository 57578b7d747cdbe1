//! When a pod that ended for good is replaced, and where its replacement rather does not go.
//!
//! Restarts in place are the node's, by a policy of their own; this is the workload's: annotations that begin
//! with [`setpoint_schemas::RESCHEDULE`], and Kubernetes' backoff where they say nothing.
//! Source: Nomad's `reschedule` stanza,
//! <https://developer.hashicorp.com/nomad/docs/job-specification/reschedule>, which avoids the nodes of
//! failed allocations too.
//! Absent: which pods ended, and which nodes there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpoint_schemas::{ExitCodes, NodeName, RESCHEDULE, RESTART, Retries};

use crate::disruption;

/// Nodes that a workload remembers: more would leave few to go to, and a row of failures everywhere is the
/// program's and no node's.
const AVOIDED_MAX: usize = 8;
/// Nodes that a workload remembers whose pods have no other node to go to: of more than these at once the
/// program is at fault, and then all of its pods wait alike. A name and a number each, in its status.
const HELD_MAX: usize = 64;
/// How long a node is avoided for a failure, in milliseconds: an hour, after which most of what was wrong
/// with it was seen to or passed.
const AVOIDED_MS: i64 = 3_600_000;

/// What a workload remembers of replacements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescheduled {
    /// Replacements of the present row.
    pub row: u32,
    /// The last one, engine time in milliseconds.
    pub last_ms: i64,
    /// Replacements of the present interval.
    pub counted: u32,
    /// When that began, engine time in milliseconds.
    pub since_ms: i64,
    /// The nodes on which pods failed, and when; the latest last.
    pub failed_on: Vec<(NodeName, i64)>,
    /// Pods of a row that their nodes evicted before they had held out; whatever ran in between.
    #[serde(default)]
    pub evicted: u32,
    /// The last of them, engine time in milliseconds.
    #[serde(default)]
    pub evicted_ms: i64,
}

impl Rescheduled {
    /// Pods that ended are replaced at this time; engine time before which no other starts.
    pub fn replace(&mut self, policy: &Retries, now_ms: i64) -> i64 {
        if self.last_ms > 0 && now_ms - self.last_ms >= policy.healthy_ms {
            self.row = 0;
        }
        // The door refuses attempts without an interval; what came before it did has them within the time after
        // which a row is over.
        let interval_ms = policy.interval_ms.unwrap_or(policy.healthy_ms);
        let is_over = now_ms - self.since_ms >= interval_ms;
        if self.counted == 0 || is_over {
            (self.counted, self.since_ms) = (0, now_ms);
        }
        self.counted = self.counted.saturating_add(1);
        let mut from_ms = now_ms.saturating_add(policy.wait_ms(self.row));
        if let Some(attempts) = policy.attempts
            && self.counted > attempts
        {
            from_ms = from_ms.max(self.since_ms.saturating_add(interval_ms));
        }
        self.row = self.row.saturating_add(1);
        self.last_ms = now_ms;
        from_ms
    }

    /// As [`Rescheduled::replace`], where so many of them were evicted by their nodes before they had held out,
    /// of a workload that wants so many pods. These run well until they have taken too much, so that a row which
    /// ends as soon as all run would never grow: they have one of their own. It grows once for as many of them as
    /// there are pods, since what befell a few of many is no reason for all to wait.
    pub fn replace_evicted(
        &mut self,
        policy: &Retries,
        (evicted, desired): (u32, i64),
        now_ms: i64,
    ) -> i64 {
        if now_ms - self.evicted_ms >= policy.healthy_ms {
            self.evicted = 0;
        }
        let row = i64::from(self.evicted) / desired.max(1);
        self.evicted = self.evicted.saturating_add(evicted);
        self.evicted_ms = now_ms;
        let wait_ms = policy.wait_ms(u32::try_from(row).unwrap_or(u32::MAX));
        self.replace(policy, now_ms).max(now_ms.saturating_add(wait_ms))
    }

    /// A pod failed on this node, and another one goes rather elsewhere.
    pub fn note_failed(&mut self, node: NodeName, now_ms: i64) {
        self.remember(node, now_ms, AVOIDED_MAX);
    }

    /// A pod failed on this node, and the next one goes nowhere else.
    pub fn note_failed_in_place(&mut self, node: NodeName, now_ms: i64) {
        self.remember(node, now_ms, HELD_MAX);
    }

    fn remember(&mut self, node: NodeName, now_ms: i64, most: usize) {
        self.failed_on.retain(|(known, at_ms)| *known != node && now_ms - at_ms < AVOIDED_MS);
        let surplus = (self.failed_on.len() + 1).saturating_sub(most);
        self.failed_on.drain(..surplus);
        self.failed_on.push((node, now_ms));
    }

    /// Engine time in milliseconds before which no pod that goes nowhere else starts on this node, where none
    /// of the workload may before `not_before_ms` that failed last. Each node waits from its own failure on:
    /// those of others do not put it off. 0 for a node on which none failed of late.
    #[must_use]
    pub fn held_until_ms(&self, node: &NodeName, not_before_ms: i64) -> i64 {
        let wait_ms = not_before_ms - self.last_ms;
        let found = self.failed_on.iter().find(|(known, _)| known == node);
        // Who is not remembered any more failed before all who are.
        let earliest = self.failed_on.first().filter(|_| self.failed_on.len() >= HELD_MAX);
        found.or(earliest).map_or(0, |(_, at_ms)| at_ms.saturating_add(wait_ms))
    }

    /// How much a node is avoided now: 0 where no pod failed on it of late, more the less long ago.
    #[must_use]
    pub fn avoids(&self, node: &NodeName, now_ms: i64) -> i64 {
        let found = self.failed_on.iter().find(|(known, _)| known == node);
        found.map_or(0, |(_, at_ms)| (AVOIDED_MS - (now_ms - at_ms)).max(0))
    }
}

/// Whether an object's annotations about restarts, replacements and evictions say something, each where it
/// is looked for: those about restarts with the pod, the others with the workload.
///
/// # Errors
/// A sentence that names the first that does not.
pub fn check(kind: &str, object: &Value) -> Result<(), String> {
    let of = |metadata: &Value| -> BTreeMap<String, String> {
        serde_json::from_value(metadata["annotations"].clone()).unwrap_or_default()
    };
    let (path, template) = match kind {
        "Pod" => ("metadata.", None),
        "CronJob" => {
            let job = &object["spec"]["jobTemplate"]["spec"];
            ("spec.jobTemplate.spec.template.metadata.", Some(&job["template"]["metadata"]))
        }
        _ => ("spec.template.metadata.", Some(&object["spec"]["template"]["metadata"])),
    };
    let own = of(&object["metadata"]);
    let pods = template.map_or_else(|| own.clone(), of);
    let at = |path: &str| {
        let path = path.to_owned();
        move |why: String| format!("{path}{why}")
    };
    Retries::check(RESTART, &pods).map_err(at(path))?;
    ExitCodes::check(&pods).map_err(at(path))?;
    Retries::check(RESCHEDULE, &own).map_err(at("metadata."))?;
    disruption::check(&own)?;
    if template.is_some() {
        lies_elsewhere(&own, RESTART_OF_PODS, path).map_err(at("metadata."))?;
        lies_elsewhere(&pods, OF_WORKLOADS, "metadata.").map_err(at(path))?;
    }
    Ok(())
}

/// What only pods say.
const RESTART_OF_PODS: &[&str] = &[
    "setpoint.dev/restart-backoff-ms",
    "setpoint.dev/restart-backoff-ms-max",
    "setpoint.dev/restart-backoff-factor",
    "setpoint.dev/restart-healthy-ms",
    "setpoint.dev/restart-attempts",
    "setpoint.dev/restart-interval-ms",
    "setpoint.dev/restart-exempt-codes",
];
/// What only workloads say.
const OF_WORKLOADS: &[&str] = &[
    "setpoint.dev/reschedule-backoff-ms",
    "setpoint.dev/reschedule-backoff-ms-max",
    "setpoint.dev/reschedule-backoff-factor",
    "setpoint.dev/reschedule-healthy-ms",
    "setpoint.dev/reschedule-attempts",
    "setpoint.dev/reschedule-interval-ms",
    disruption::SURGE,
];

fn lies_elsewhere(
    annotations: &BTreeMap<String, String>,
    names: &[&str],
    place: &str,
) -> Result<(), String> {
    match names.iter().find(|name| annotations.contains_key(**name)) {
        Some(name) => Err(format!(
            "annotations[{name}]: nobody looks for it here; it belongs to {place}annotations"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::parse(name).expect("a node's name")
    }

    #[test]
    fn replacements_back_off_as_restarts_do_and_begin_anew_after_a_time_without_an_end() {
        let mut memory = Rescheduled::default();
        let policy = Retries::default();
        let mut at_s = 1;
        for wait_s in [0, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(memory.replace(&policy, at_s * 1_000), (at_s + wait_s) * 1_000, "{wait_s}");
            at_s += wait_s;
        }
        at_s += 600;
        assert_eq!(memory.replace(&policy, at_s * 1_000), at_s * 1_000, "it held out");
    }

    #[test]
    fn evictions_soon_after_a_start_back_off_though_all_ran_in_between() {
        let policy = Retries::default();
        let mut memory = Rescheduled::default();
        let mut evicted = |at_s: i64, of: i64| {
            // All run: the other row is over.
            memory.row = 0;
            memory.replace_evicted(&policy, (1, of), at_s * 1_000) / 1_000 - at_s
        };
        let waits = [1, 20, 60, 120].map(|at_s| evicted(at_s, 1));
        assert_eq!(waits, [0, 10, 20, 40]);
        assert_eq!(evicted(719, 1), 80, "not yet ten minutes");
        assert_eq!(evicted(1_319, 1), 0, "ten minutes without one");
        let waits = [2_000, 2_001, 2_002, 2_003, 2_004].map(|at_s| evicted(at_s, 2));
        assert_eq!(waits, [0, 0, 10, 10, 20], "of two pods");
    }

    #[test]
    fn after_so_many_replacements_the_end_of_the_interval_is_waited_for() {
        let mut memory = Rescheduled::default();
        let policy = Retries {
            backoff_ms: 1_000,
            factor_milli: 1_000,
            attempts: Some(2),
            interval_ms: Some(60_000),
            ..Retries::default()
        };
        assert_eq!(memory.replace(&policy, 10_000), 10_000);
        assert_eq!(memory.replace(&policy, 20_000), 21_000);
        assert_eq!(memory.replace(&policy, 30_000), 70_000, "it began at 10 s");
        assert_eq!(memory.replace(&policy, 70_000), 71_000, "another interval");
        let once = Retries { attempts: Some(0), interval_ms: None, ..policy };
        let mut memory = Rescheduled::default();
        assert_eq!(
            memory.replace(&once, 10_000),
            610_000,
            "as long as it takes to count as healthy"
        );
        assert_eq!(memory.replace(&once, 610_000), 1_210_000, "and each time again");
    }

    #[test]
    fn a_node_is_avoided_for_an_hour_less_and_less_and_few_are() {
        let mut memory = Rescheduled::default();
        memory.note_failed(node("a"), 0);
        memory.note_failed(node("b"), 1_000);
        let avoids = |memory: &Rescheduled, name, at_ms| memory.avoids(&node(name), at_ms);
        assert!(avoids(&memory, "a", 2_000) < avoids(&memory, "b", 2_000));
        assert_eq!(avoids(&memory, "c", 2_000), 0);
        assert_eq!(avoids(&memory, "a", 3_600_000), 0);
        memory.note_failed(node("a"), 5_000);
        assert_eq!(memory.failed_on.len(), 2, "each node once");
        (0..20).for_each(|n| memory.note_failed(node(&format!("n{n}")), 6_000));
        assert_eq!((memory.failed_on.len(), avoids(&memory, "n11", 6_000)), (8, 0));
        memory.note_failed(node("late"), 9_000_000);
        assert_eq!(memory.failed_on, [(node("late"), 9_000_000)]);
    }

    #[test]
    fn who_goes_nowhere_else_waits_from_the_failure_on_its_own_node() {
        let mut memory = Rescheduled::default();
        let policy = Retries::default();
        let mut fails = |name: &str, at_ms| {
            memory.note_failed_in_place(node(name), at_ms);
            let not_before_ms = memory.replace(&policy, at_ms);
            (memory.clone(), not_before_ms)
        };
        let (memory, not_before_ms) = fails("a", 1_000);
        assert_eq!(
            memory.held_until_ms(&node("a"), not_before_ms),
            1_000,
            "the first goes at once"
        );
        let (memory, not_before_ms) = fails("a", 2_000);
        assert_eq!(memory.held_until_ms(&node("a"), not_before_ms), 12_000);
        assert_eq!(memory.held_until_ms(&node("b"), not_before_ms), 0, "none failed there");
        let (memory, not_before_ms) = fails("b", 9_000);
        assert_eq!(memory.held_until_ms(&node("b"), not_before_ms), 29_000);
        assert_eq!(memory.held_until_ms(&node("a"), not_before_ms), 22_000, "twenty seconds, too");
        assert_eq!(memory.held_until_ms(&node("c"), not_before_ms), 0);
    }

    #[test]
    fn where_very_many_failed_those_that_are_not_remembered_wait_as_well() {
        let mut memory = Rescheduled::default();
        (0..70).for_each(|n| memory.note_failed_in_place(node(&format!("n{n}")), 1_000 + n));
        memory.last_ms = 2_000;
        assert_eq!(memory.failed_on.len(), 64);
        assert_eq!(memory.held_until_ms(&node("n69"), 12_000), 11_069);
        assert_eq!(memory.held_until_ms(&node("n0"), 12_000), 11_006, "as n6, the first of those");
    }

    #[test]
    fn annotations_are_refused_by_name_and_place() {
        let workload = |own: &str, pods: &str, value: &str| {
            let (mut object, says) =
                (json!({}), |name: &str| json!({format!("setpoint.dev/{name}"): value}));
            if !own.is_empty() {
                object["metadata"]["annotations"] = says(own);
            }
            if !pods.is_empty() {
                object["spec"]["template"]["metadata"]["annotations"] = says(pods);
            }
            check("Deployment", &object)
        };
        assert_eq!(workload("reschedule-backoff-ms", "restart-attempts", "3"), Ok(()));
        assert_eq!(workload("", "", ""), Ok(()));
        for (own, pods, value, said) in [
            (
                "reschedule-attempts",
                "",
                "x",
                "metadata.annotations[setpoint.dev/reschedule-attempts]: ",
            ),
            (
                "",
                "restart-attempts",
                "x",
                "spec.template.metadata.annotations[setpoint.dev/restart-attempts]: ",
            ),
            (
                "",
                "restart-exempt-codes",
                "x",
                "spec.template.metadata.annotations[setpoint.dev/restart-exempt",
            ),
            (
                "eviction-surge-ms",
                "",
                "x",
                "metadata.annotations[setpoint.dev/eviction-surge-ms]: ",
            ),
            (
                "reschedule-attempts",
                "",
                "3",
                "metadata.annotations[setpoint.dev/reschedule-attempts]: it bounds nothing without",
            ),
            ("restart-attempts", "", "3", "belongs to spec.template.metadata.annotations"),
            ("", "reschedule-attempts", "3", "belongs to metadata.annotations"),
        ] {
            let error = workload(own, pods, value).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
        let pod = json!({"metadata": {"annotations": {"setpoint.dev/restart-attempts": "-"}}});
        let error = check("Pod", &pod).expect_err("no number");
        assert!(
            error.starts_with("metadata.annotations[setpoint.dev/restart-attempts]"),
            "{error}"
        );
        assert_eq!(check("Pod", &json!({"metadata": {"annotations": null}})), Ok(()));
    }
}
