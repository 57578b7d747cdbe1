//! What is told of Jobs and CronJobs, as kubectl tells it.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::{age_of, human, since};
use crate::output::field::{is_true, list, name, number, or_none, text};

/// The conditions that say how far a Job is, the first that holds.
const WORDS: [&str; 5] = ["Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"];

/// The cells of a Job.
pub(crate) fn job(object: &Value, now: Timestamp) -> Vec<String> {
    vec![
        name(object).to_owned(),
        status(object).to_owned(),
        completions(object),
        duration(object, now),
        age_of(object, now),
    ]
}

/// The cells of a CronJob.
pub(crate) fn cron_job(object: &Value, now: Timestamp) -> Vec<String> {
    let last = match text(object, "/status/lastScheduleTime") {
        "" => or_none(""),
        last => since(last, now),
    };
    let suspended = if is_true(object, "/spec/suspend") { "True" } else { "False" };
    vec![
        name(object).to_owned(),
        text(object, "/spec/schedule").to_owned(),
        or_none(text(object, "/spec/timeZone")),
        suspended.to_owned(),
        list(object, "/status/active").len().to_string(),
        last,
        age_of(object, now),
    ]
}

/// How far a Job is, in one word.
pub(crate) fn status(job: &Value) -> &'static str {
    let conditions = list(job, "/status/conditions");
    let holds = |kind: &&str| {
        let is_it = |c: &Value| text(c, "/type") == *kind && text(c, "/status") == "True";
        conditions.iter().any(is_it)
    };
    WORDS.into_iter().find(holds).unwrap_or("Running")
}

/// How many of its pods succeeded, of how many.
pub(crate) fn completions(job: &Value) -> String {
    let succeeded = number(job, "/status/succeeded");
    let at_once = job.pointer("/spec/parallelism").and_then(Value::as_i64);
    match job.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(all) => format!("{succeeded}/{all}"),
        None => match at_once.filter(|at_once| *at_once > 1) {
            Some(at_once) => format!("{succeeded}/1 of {at_once}"),
            None => format!("{succeeded}/1"),
        },
    }
}

/// Its pods by what became of them.
pub(crate) fn pods(job: &Value) -> String {
    let count = |field: &str| number(job, &format!("/status/{field}"));
    format!(
        "{} active ({} ready) | {} succeeded | {} failed",
        count("active"),
        count("ready"),
        count("succeeded"),
        count("failed")
    )
}

/// How long a Job took, or takes so far.
fn duration(job: &Value, now: Timestamp) -> String {
    let time = |field: &str| text(job, &format!("/status/{field}")).parse::<Timestamp>().ok();
    let Some(began) = time("startTime") else { return String::new() };
    let ended = time("completionTime").unwrap_or(now);
    human((ended.as_second() - began.as_second()).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::columns::columns;
    use crate::output::table;
    use expect_test::expect;
    use serde_json::json;

    fn shown(kind: &str, objects: &[Value]) -> String {
        let now = "2026-01-01T01:00:00Z".parse().expect("a time");
        let columns = columns(kind);
        let rows: Vec<_> = objects.iter().map(|o| columns.row(o, false, false, now)).collect();
        table(&columns.headers(false, false), &rows)
    }

    #[test]
    fn a_job_shows_kubectls_columns() {
        let job = |name: &str, spec: Value, status: Value| {
            json!({"metadata": {"name": name, "creationTimestamp": "2026-01-01T00:30:00Z"},
                "spec": spec, "status": status})
        };
        let condition = |kind: &str| json!([{"type": kind, "status": "True"}]);
        let began = "2026-01-01T00:30:00Z";
        let done = json!({"succeeded": 3, "startTime": began,
            "completionTime": "2026-01-01T00:31:05Z", "conditions": condition("Complete")});
        let failed = json!({"failed": 7, "startTime": began, "conditions": condition("Failed")});
        let jobs = [
            job("done", json!({"completions": 3}), done),
            job("failed", json!({}), failed),
            job("queue", json!({"parallelism": 4}), json!({"startTime": began})),
            job("later", json!({"suspend": true}), json!({"conditions": condition("Suspended")})),
        ];
        expect![[r#"
            NAME     STATUS      COMPLETIONS   DURATION   AGE
            done     Complete    3/3           65s        30m
            failed   Failed      0/1           30m        30m
            queue    Running     0/1 of 4      30m        30m
            later    Suspended   0/1                      30m"#]]
        .assert_eq(&shown("Job", &jobs));
    }

    #[test]
    fn a_cron_job_shows_kubectls_columns() {
        let cron = json!({"metadata": {"name": "nightly", "creationTimestamp": "2026-01-01T00:30:00Z"},
            "spec": {"schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "suspend": true},
            "status": {"lastScheduleTime": "2026-01-01T00:55:00Z", "active": [{}]}});
        let new = json!({"metadata": {"name": "new", "creationTimestamp": "2026-01-01T00:59:00Z"},
            "spec": {"schedule": "@hourly"}, "status": {}});
        expect![[r#"
            NAME      SCHEDULE    TIMEZONE        SUSPEND   ACTIVE   LAST SCHEDULE   AGE
            nightly   0 3 * * *   Europe/Berlin   True      1        5m              30m
            new       @hourly     <none>          False     0        <none>          60s"#]]
        .assert_eq(&shown("CronJob", &[cron, new]));
    }
}
