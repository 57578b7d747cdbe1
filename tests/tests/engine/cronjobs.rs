//! CronJobs: the Jobs that a schedule starts, over a year of engine time, with clocks that jump and
//! engines that are down.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use setpoint_dataflow::Outcome;
use setpoint_schemas::{CATCH_UP, PodPhase, ResourceKey, Verb};
use setpoint_tests::manifests::{cron_job, item, patch};

use crate::story::{Story, observed, told};

const KEY: &str = "batch/CronJob/default/tick";
/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A story that begins in 2026, with the CronJob `tick` of this schedule.
fn ticking(schedule: &str, more: &Value, catch_up: Option<&str>) -> Story {
    let mut story = Story::with_living_nodes(&["a"]);
    let mut cron = cron_job("default", "tick", schedule, more);
    if let Some(catch_up) = catch_up {
        cron["metadata"]["annotations"] = json!({CATCH_UP: catch_up});
    }
    let outcome = story.asks(BEGIN, vec![item(Verb::Apply, &cron)]);
    assert_eq!(told(&outcome), "Accept 1");
    story
}

/// The Jobs that an epoch made, by the minutes since the beginning that they are for.
fn started(outcome: &Outcome) -> Vec<i64> {
    let jobs = outcome.decisions.iter().map(|decision| decision.record());
    let jobs = jobs.filter(|d| d.rule == "cron").map(|d| d.reason);
    let minute = |reason: String| {
        let name = reason.split_whitespace().nth(1).expect("a name").to_owned();
        let minute: i64 = name.strip_prefix("tick-").expect(&name).parse().expect(&name);
        minute - BEGIN / MINUTE
    };
    jobs.map(minute).collect()
}

fn jobs(story: &Story) -> Vec<ResourceKey> {
    let all = story.engine.everything().resources.into_iter();
    all.map(|(key, _)| key).filter(|key| &*key.kind.kind == "Job").collect()
}

/// Every pod that is placed ends well.
fn all_end(story: &mut Story, ms: i64, ended: &mut BTreeSet<String>) -> Outcome {
    let uids: Vec<_> =
        story.placed.keys().filter(|u| !ended.contains(&u.to_string())).cloned().collect();
    let mut words = Vec::new();
    for uid in uids {
        ended.insert(uid.to_string());
        let sequence = story.next_sequence();
        words.push(observed(&uid, "a", sequence, PodPhase::Succeeded));
    }
    story.at(ms, words)
}

#[test]
fn a_job_is_started_for_each_time_and_the_latest_are_kept() {
    let mut story = ticking("*/10 * * * *", &json!({}), None);
    let mut ended = BTreeSet::new();
    let mut now = BEGIN;
    for round in 1..=6 {
        let early = story.at(now + 9 * MINUTE, vec![]);
        assert_eq!(started(&early), [0; 0]);
        now = BEGIN + round * 10 * MINUTE;
        let outcome = story.at(now, vec![]);
        assert_eq!(started(&outcome), [round * 10]);
        let status = story.status(now + 2, KEY);
        assert_eq!(status["active"].as_array().map(Vec::len), Some(1), "{status}");
        assert!(status["lastScheduleTime"].is_string());
        all_end(&mut story, now + 1_000, &mut ended);
    }
    let status = story.status(now + 2_000, KEY);
    assert_eq!(status["active"], Value::Null);
    assert!(status["lastSuccessfulTime"].is_string());
    assert_eq!(jobs(&story).len(), 3, "as many as Kubernetes keeps");
    let owner = story.engine.everything().resources.into_iter().find_map(|(key, resource)| {
        let body: Value = serde_json::from_str(&resource?.body).ok()?;
        (&*key.kind.kind == "Job").then(|| body["metadata"].clone())
    });
    let owner = owner.expect("a Job");
    assert_eq!(owner["ownerReferences"][0]["name"], "tick");
    let at = &owner["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert!(at.as_str().is_some_and(|at| at.starts_with("2026-01-01T00:")), "{at}");
    let delete = patch(Verb::Delete, ("batch/v1", "CronJob"), "default", "tick", &json!({}));
    story.asks(now + 3_000, vec![delete]);
    assert_eq!(jobs(&story), [], "they go with it");
}

#[test]
fn what_was_missed_is_made_up_for_as_it_is_said() {
    for (catch_up, expected) in [
        (None, vec![300]),
        (Some("latest"), vec![300]),
        (Some("skip"), vec![]),
        (Some("all"), vec![60, 120, 180, 240, 300]),
    ] {
        let mut story = ticking("@hourly", &json!({}), catch_up);
        let late = story.at(BEGIN + 5 * HOUR + 20 * MINUTE, vec![]);
        assert_eq!(started(&late), expected, "{catch_up:?}");
        let next = story.at(BEGIN + 6 * HOUR + 500, vec![]);
        assert_eq!(started(&next), [360], "{catch_up:?}: the next is in time");
    }
}

#[test]
fn making_up_for_all_has_a_bound() {
    let mut story = ticking("* * * * *", &json!({}), Some("all"));
    let late = started(&story.at(BEGIN + 30 * 24 * HOUR, vec![]));
    assert_eq!(late.len(), 100);
    assert_eq!(late.last(), Some(&(30 * 24 * 60)));
    assert_eq!(started(&story.at(BEGIN + 30 * 24 * HOUR + 1, vec![])), [0; 0]);
}

#[test]
fn who_forbids_has_one_after_the_other_and_who_replaces_the_last() {
    let forbid = json!({"concurrencyPolicy": "Forbid"});
    let mut story = ticking("@hourly", &forbid, Some("all"));
    let mut ended = BTreeSet::new();
    assert_eq!(started(&story.at(BEGIN + HOUR, vec![])), [60]);
    assert_eq!(started(&story.at(BEGIN + 3 * HOUR, vec![])), [0; 0], "it still runs");
    assert_eq!(started(&all_end(&mut story, BEGIN + 3 * HOUR + 1, &mut ended)), [120]);
    assert_eq!(started(&all_end(&mut story, BEGIN + 3 * HOUR + 2, &mut ended)), [180]);
    assert_eq!(started(&all_end(&mut story, BEGIN + 3 * HOUR + 3, &mut ended)), [0; 0]);

    let replace = json!({"concurrencyPolicy": "Replace"});
    let mut story = ticking("@hourly", &replace, None);
    story.at(BEGIN + HOUR, vec![]);
    let first = jobs(&story);
    assert_eq!(started(&story.at(BEGIN + 2 * HOUR, vec![])), [120]);
    assert_eq!((jobs(&story).len(), jobs(&story) == first), (1, false));
}

#[test]
fn a_deadline_and_a_pause_keep_a_job_from_being_started() {
    let mut story = ticking("@hourly", &json!({"startingDeadlineSeconds": 100}), None);
    assert_eq!(started(&story.at(BEGIN + HOUR + 200_000, vec![])), [0; 0], "too late");
    assert_eq!(started(&story.at(BEGIN + 2 * HOUR + 90_000, vec![])), [120]);
    let set = |suspend: bool| {
        let body = json!({"spec": {"suspend": suspend}});
        patch(Verb::MergePatch, ("batch/v1", "CronJob"), "default", "tick", &body)
    };
    story.asks(BEGIN + 2 * HOUR + 91_000, vec![set(true)]);
    assert_eq!(started(&story.at(BEGIN + 9 * HOUR, vec![])), [0; 0]);
    let resumed = story.asks(BEGIN + 9 * HOUR + 50_000, vec![set(false)]);
    assert_eq!(started(&resumed), [540], "the last that it is in time for");
}

#[test]
fn what_cannot_be_acted_upon_is_refused_with_its_field() {
    let mut story = Story::with_living_nodes(&["a"]);
    let refused = |story: &mut Story, cron: Value| {
        let outcome = story.asks(BEGIN, vec![item(Verb::Apply, &cron)]);
        assert_eq!(told(&outcome), "Refuse 1");
        outcome.verdicts[0].items[0].message.clone()
    };
    let zone = json!({"timeZone": "Europe/Atlantis"});
    for (schedule, more, word) in [
        ("61 * * * *", json!({}), "spec.schedule: the minute \"61\""),
        ("0 0 31 2 *", json!({}), "never comes"),
        ("@hourly", zone, "is no time zone of the IANA"),
    ] {
        let message = refused(&mut story, cron_job("default", "tick", schedule, &more));
        assert!(message.contains(word), "{message}");
    }
    let mut cron = cron_job("default", "tick", "@hourly", &json!({}));
    cron["metadata"]["annotations"] = json!({CATCH_UP: "some"});
    assert!(refused(&mut story, cron).contains("none of skip, latest, all"));
}

#[test]
fn a_job_made_by_hand_is_one_of_the_cron_jobs() {
    let mut story = ticking("@yearly", &json!({"successfulJobsHistoryLimit": 0}), None);
    let all = story.engine.everything().resources;
    let uid = all.iter().find_map(|(key, r)| {
        (key.to_string() == KEY).then(|| r.as_ref().map(|r| r.uid.clone())).flatten()
    });
    let mut made = setpoint_tests::manifests::job("default", "now", 100, &json!({}));
    made["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob",
        "name": "tick", "uid": uid, "controller": true}]);
    story.asks(BEGIN + 1, vec![item(Verb::Create, &made)]);
    let active = story.status(BEGIN + 2, KEY)["active"][0]["name"].clone();
    assert_eq!(active, "now");
    all_end(&mut story, BEGIN + 1_000, &mut BTreeSet::new());
    assert_eq!(jobs(&story), [], "none that succeeded is kept");
}

/// A year of hours in a zone whose clocks change, with an engine that is down now and then for some
/// hours, restored from its checkpoint beside itself in every epoch, and once a quarter rebuilt without
/// any memory: each time has one Job, and none has two.
#[test]
fn a_year_has_one_job_for_each_of_its_times() {
    let spec = json!({"timeZone": "Europe/Berlin", "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 1});
    let mut story = ticking("30 */6 * * *", &spec, Some("all"));
    let mut ended = BTreeSet::new();
    let mut minutes = Vec::new();
    let (mut now, end) = (BEGIN, BEGIN + 365 * 24 * HOUR);
    let mut round = 0;
    while now < end {
        round += 1;
        // Hours pass; now and then days; and the wall's clock may have gone back, which the engine's
        // never does.
        now += if round % 41 == 0 { 50 * HOUR } else { 2 * HOUR };
        minutes.extend(started(&story.at(now, vec![])));
        for step in 1.. {
            let next = started(&all_end(&mut story, now + step * 1_000, &mut ended));
            if next.is_empty() {
                break;
            }
            minutes.extend(next);
        }
        if round % 900 == 0 {
            let placed = story.compacted_placements();
            minutes.extend(started(&story.rebuilt(now + 20_000, placed)));
        }
        assert!(jobs(&story).len() <= 2, "the history is bounded");
    }
    minutes.retain(|minute| *minute <= (end - BEGIN) / MINUTE);
    let twice: BTreeSet<i64> = minutes.iter().copied().collect();
    assert_eq!(twice.len(), minutes.len(), "no time has two Jobs");
    assert_eq!(
        minutes.len(),
        365 * 4,
        "every quarter of a day has one, on the days of a change too"
    );
}
