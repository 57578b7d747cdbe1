//! What the table of Jobs shows, as kubectl has it.

use serde_json::Value;

use super::age::{between, time_ms};

/// How far a Job is, in one word.
pub(super) fn job_status(job: &Value) -> &'static str {
    let conditions = || job["status"]["conditions"].as_array().into_iter().flatten();
    let holds = |kind: &str| conditions().any(|c| c["type"] == kind && c["status"] == "True");
    let words = ["Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"];
    words.into_iter().find(|kind| holds(kind)).unwrap_or("Running")
}

/// How many pods of a Job succeeded, of how many.
pub(super) fn completions(job: &Value) -> String {
    let (spec, succeeded) = (&job["spec"], job["status"]["succeeded"].as_i64().unwrap_or(0));
    match (spec["completions"].as_i64(), spec["parallelism"].as_i64()) {
        (Some(all), _) => format!("{succeeded}/{all}"),
        (None, Some(at_once)) if at_once > 1 => format!("{succeeded}/1 of {at_once}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

/// How long a Job took, or takes so far.
pub(super) fn duration(job: &Value, now_ms: i64) -> String {
    let Some(began_ms) = time_ms(&job["status"]["startTime"]) else { return String::new() };
    let ended_ms = time_ms(&job["status"]["completionTime"]).unwrap_or(now_ms);
    between(began_ms, ended_ms)
}

/// How long ago this was; `<none>` for what never was.
pub(super) fn since(time: &Value, now_ms: i64) -> String {
    time_ms(time).map_or_else(|| "<none>".to_owned(), |at_ms| between(at_ms, now_ms))
}
