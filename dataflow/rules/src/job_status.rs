//! What is remembered of a Job, and the status that says it.
//!
//! Guarantee: what is remembered reads back from the status. The status is written in the epoch that
//! changes it, so that a leader without any other memory counts no pod twice and none of them not.
//!
//! Source: the conditions of Kubernetes' Job controller from version 1.31 on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::cron::time_ms;
use crate::intervals::Intervals;
use crate::jobs::End;

/// What became of a Job. Times are engine time in whole seconds, rounded up, as a status has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Since when it may have pods, milliseconds; a suspended one has none.
    pub started_ms: Option<i64>,
    /// Whether it is suspended, and since when, once it was.
    pub suspended: Option<(bool, i64)>,
    /// What decided how it ends, as soon as that is known.
    pub met: Option<Met>,
    /// When nothing of it ran any more after that.
    pub finished_ms: Option<i64>,
    /// Pods that succeeded.
    pub succeeded: i64,
    /// Pods that failed and count.
    pub failed: i64,
    /// The indexes that succeeded.
    pub completed: Intervals,
    /// The indexes that failed for good.
    pub failed_indexes: Intervals,
}

/// What decided how a Job ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Whether it succeeded.
    pub is_success: bool,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// Since when.
    pub at_ms: i64,
}

impl Met {
    /// What is said of it: its sentence, or its word.
    #[must_use]
    pub fn said(&self) -> &str {
        if self.message.is_empty() { &self.reason } else { &self.message }
    }
}

/// The pods that there are, which a status tells and nobody need remember.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pods {
    /// Those that run or are meant to.
    pub active: i64,
    /// Ready ones of them.
    pub ready: i64,
    /// Those on their way out that have not finished.
    pub terminating: i64,
}

/// Milliseconds since 1970 in whole seconds, rounded up, so that nothing is due too soon.
#[must_use]
pub fn whole_second(time_ms: i64) -> i64 {
    time_ms.div_euclid(1_000) * 1_000 + if time_ms.rem_euclid(1_000) > 0 { 1_000 } else { 0 }
}

impl Met {
    /// By this end, decided now.
    #[must_use]
    pub fn by(end: End, now_ms: i64) -> Met {
        let End { is_success, reason, message } = end;
        Met { is_success, reason: reason.to_owned(), message, at_ms: whole_second(now_ms) }
    }
}

impl JobRecord {
    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished_ms.is_some()
    }

    /// As a status says it.
    #[must_use]
    pub fn of_status(status: &Value) -> JobRecord {
        let count = |name: &str| status[name].as_i64().unwrap_or(0);
        let time = |name: &str| status[name].as_str().and_then(time_ms);
        let set = |name: &str| {
            let text = status[name].as_str().unwrap_or_default();
            Intervals::parse(text).unwrap_or_default()
        };
        let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
        let condition = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
        let since = |condition: &Value| {
            condition["lastTransitionTime"].as_str().and_then(time_ms).unwrap_or(0)
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let met = |(kind, is_success): (&str, bool)| {
            let condition = condition(kind)?;
            let (reason, message) = (text(&condition["reason"]), text(&condition["message"]));
            Some(Met { is_success, reason, message, at_ms: since(condition) })
        };
        let finished = condition("Complete").or_else(|| condition("Failed"));
        JobRecord {
            started_ms: time("startTime"),
            suspended: condition("Suspended").map(|c| (c["status"] == "True", since(c))),
            met: [("SuccessCriteriaMet", true), ("FailureTarget", false)].into_iter().find_map(met),
            finished_ms: finished.map(since),
            succeeded: count("succeeded"),
            failed: count("failed"),
            completed: set("completedIndexes"),
            failed_indexes: set("failedIndexes"),
        }
    }

    /// The status that says it, in JSON; `write` writes a time as Kubernetes does. Of a Job without
    /// indexes, or without limits of their own, nothing is said of them.
    #[must_use]
    pub fn status(
        &self,
        pods: Pods,
        (is_indexed, has_limits): (bool, bool),
        write: fn(i64) -> String,
    ) -> String {
        let mut status = Map::new();
        let mut tell = |name: &str, value: Value| drop(status.insert(name.to_owned(), value));
        for (name, count) in
            [("active", pods.active), ("succeeded", self.succeeded), ("failed", self.failed)]
        {
            if count > 0 {
                tell(name, json!(count));
            }
        }
        tell("ready", json!(pods.ready));
        tell("terminating", json!(pods.terminating));
        tell("uncountedTerminatedPods", json!({}));
        if is_indexed && self.completed.count() > 0 {
            tell("completedIndexes", json!(self.completed.to_string()));
        }
        if is_indexed && has_limits {
            tell("failedIndexes", json!(self.failed_indexes.to_string()));
        }
        if let Some(started_ms) = self.started_ms {
            tell("startTime", json!(write(started_ms)));
        }
        let is_success = self.met.as_ref().is_some_and(|met| met.is_success);
        if let Some(finished_ms) = self.finished_ms.filter(|_| is_success) {
            tell("completionTime", json!(write(finished_ms)));
        }
        let conditions = self.conditions(write);
        if !conditions.is_empty() {
            tell("conditions", json!(conditions));
        }
        Value::Object(status).to_string()
    }

    fn conditions(&self, write: fn(i64) -> String) -> Vec<Value> {
        let condition = |kind: &str, (status, reason, message): (&str, &str, &str), at_ms| {
            let at = write(at_ms);
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastProbeTime": at, "lastTransitionTime": at,
            })
        };
        let suspended = self.suspended.map(|(is_so, at_ms)| {
            let said = match is_so {
                true => ("True", "JobSuspended", "Job suspended"),
                false => ("False", "JobResumed", "Job resumed"),
            };
            condition("Suspended", said, at_ms)
        });
        let met = self.met.as_ref().map(|met| {
            let kinds = match met.is_success {
                true => ("SuccessCriteriaMet", "Complete"),
                false => ("FailureTarget", "Failed"),
            };
            (kinds, ("True", &*met.reason, &*met.message), met.at_ms)
        });
        let first = met.map(|((kind, _), said, at_ms)| condition(kind, said, at_ms));
        let last = met.zip(self.finished_ms);
        let last = last.map(|(((_, kind), said, _), at_ms)| condition(kind, said, at_ms));
        [suspended, first, last].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(time_ms: i64) -> String {
        format!("2026-01-01T00:00:{:02}Z", time_ms / 1_000 - 1_767_225_600)
    }

    fn told(record: &JobRecord) -> Vec<String> {
        let pods = Pods { active: 1, ready: 1, terminating: 0 };
        let status: Value =
            serde_json::from_str(&record.status(pods, (true, true), write)).expect("JSON");
        assert_eq!(JobRecord::of_status(&status), *record, "it reads back");
        let line = |c: &Value| {
            let text = |name: &str| c[name].as_str().unwrap_or_default().to_owned();
            ["type", "status", "reason", "lastTransitionTime"].map(text).join(" ")
        };
        status["conditions"].as_array().into_iter().flatten().map(line).collect()
    }

    #[test]
    fn a_status_says_what_is_remembered_and_reads_back() {
        let second = |second: i64| 1_767_225_600_000 + second * 1_000;
        let mut record = JobRecord { started_ms: Some(second(1)), ..JobRecord::default() };
        assert_eq!(told(&record), [""; 0]);
        record.suspended = Some((true, second(2)));
        assert_eq!(told(&record), ["Suspended True JobSuspended 2026-01-01T00:00:02Z"]);
        record.suspended = Some((false, second(3)));
        (record.succeeded, record.failed) = (4, 1);
        record.completed = Intervals::parse("0-2,7").expect("a set");
        record.failed_indexes = Intervals::parse("4").expect("a set");
        let end = End::badly("BackoffLimitExceeded", "too many");
        record.met = Some(Met::by(end, second(4) - 999));
        record.finished_ms = Some(second(5));
        assert_eq!(
            told(&record),
            [
                "Suspended False JobResumed 2026-01-01T00:00:03Z",
                "FailureTarget True BackoffLimitExceeded 2026-01-01T00:00:04Z",
                "Failed True BackoffLimitExceeded 2026-01-01T00:00:05Z",
            ]
        );
        record.suspended = None;
        if let Some(met) = &mut record.met {
            (met.is_success, met.reason) = (true, "CompletionsReached".to_owned());
        }
        assert_eq!(
            told(&record),
            [
                "SuccessCriteriaMet True CompletionsReached 2026-01-01T00:00:04Z",
                "Complete True CompletionsReached 2026-01-01T00:00:05Z",
            ]
        );
    }

    #[test]
    fn a_job_without_indexes_says_nothing_of_them() {
        let record = JobRecord { succeeded: 1, ..JobRecord::default() };
        let status = record.status(Pods::default(), (false, false), write);
        let right = r#"{"ready":0,"succeeded":1,"terminating":0,"uncountedTerminatedPods":{}}"#;
        assert_eq!(status, right);
    }
}
