//! People who have work to be done: Jobs of all kinds, and CronJobs that start some each minute.

use serde_json::{Value, json};
use setpoint_schemas::{RequestItem, Verb};

use crate::draw::Draw;
use crate::manifests::{cron_job, item, job, patch};

/// Few, so that requests meet.
const JOBS: [&str; 3] = ["import", "index", "mail"];
/// The CronJobs, each with its policies: they stay, so that what they promise can be held against all
/// that was started.
pub(crate) const CRONS: [(&str, &str, &str); 4] = [
    ("beat", "Allow", "all"),
    ("sweep", "Forbid", "latest"),
    ("drain", "Forbid", "all"),
    ("check", "Replace", "skip"),
];

/// Something about Jobs and CronJobs.
pub(super) fn ask(draw: &mut Draw) -> RequestItem {
    match draw.below(10) {
        0..=3 => item(Verb::Apply, &some_job(draw)),
        4 => delete("Job", draw.pick::<&str>(&JOBS)),
        5 => set("Job", draw.pick::<&str>(&JOBS), &json!({"suspend": draw.chance(500)})),
        6 => set("Job", draw.pick::<&str>(&JOBS), &json!({"parallelism": draw.between(0, 4)})),
        7 | 8 => item(Verb::Apply, &some_cron_job(draw)),
        _ if draw.chance(300) => delete("CronJob", draw.pick(&CRONS).0),
        _ => set("CronJob", draw.pick(&CRONS).0, &json!({"suspend": draw.chance(300)})),
    }
}

/// Lets nothing be started any more, and what is suspended go on to its end.
pub(super) fn last_words() -> Vec<RequestItem> {
    let crons = CRONS.iter().map(|(name, ..)| set("CronJob", name, &json!({"suspend": true})));
    let going_on = json!({"suspend": false, "parallelism": 2});
    crons.chain(JOBS.iter().map(|name| set("Job", name, &going_on))).collect()
}

fn some_job(draw: &mut Draw) -> Value {
    let mut spec = json!({
        "completions": draw.between(0, 6), "parallelism": draw.between(0, 4),
        "backoffLimit": draw.between(0, 3),
    });
    if draw.chance(400) {
        spec["completionMode"] = json!("Indexed");
        if draw.chance(500) {
            spec["backoffLimitPerIndex"] = json!(draw.between(0, 2));
        }
    }
    if draw.chance(200) {
        spec["ttlSecondsAfterFinished"] = json!(draw.between(0, 20));
    }
    if draw.chance(200) {
        spec["activeDeadlineSeconds"] = json!(draw.between(5, 40));
    }
    if draw.chance(200) {
        spec["podReplacementPolicy"] = json!("Failed");
    }
    if draw.chance(300) {
        spec["podFailurePolicy"] = json!({"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]});
    }
    let cpu = *draw.pick(&[50, 200, 900]);
    job("default", draw.pick::<&str>(&JOBS), cpu, &spec)
}

fn some_cron_job(draw: &mut Draw) -> Value {
    let (name, policy, catch_up) = *draw.pick(&CRONS);
    let more =
        json!({"concurrencyPolicy": policy, "successfulJobsHistoryLimit": draw.between(0, 2)});
    let mut cron = cron_job("default", name, "* * * * *", &more);
    cron["metadata"]["annotations"] = json!({"setpoint.dev/catch-up": catch_up});
    cron
}

fn set(kind: &str, name: &str, spec: &Value) -> RequestItem {
    let body = json!({"spec": spec});
    patch(Verb::MergePatch, ("batch/v1", kind), "default", name, &body)
}

fn delete(kind: &str, name: &str) -> RequestItem {
    patch(Verb::Delete, ("batch/v1", kind), "default", name, &json!({}))
}
