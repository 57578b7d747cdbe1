//! Whose updates are watched, and what of it each kind says where.
//!
//! A Deployment has fields for its deadline and its pause; a StatefulSet and a DaemonSet have none in
//! Kubernetes, and say both by annotations. Absent: what becomes of an update that fails (`guard.rs`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::guard::{
    BACK_DELAY, BACK_ORDER, BACK_PARALLELISM, FAILURE_ACTION, Guards, MONITOR_MS_MAX,
};

/// The annotation with the time for which an update may be without progress, in milliseconds.
pub const DEADLINE: &str = "setpoint.dev/update-deadline-ms";
/// The annotation, `true`, that lets an update stand still.
pub const PAUSED: &str = "setpoint.dev/update-paused";
/// What is said of a deadline that is none.
const TIME: &str = "must be milliseconds from 1 to a day";

/// The deadline that annotations say; one that says nothing sensible counts as absent.
#[must_use]
pub fn deadline_ms(annotations: &BTreeMap<String, String>) -> Option<i64> {
    annotations.get(DEADLINE)?.parse().ok().filter(|ms| (1..=MONITOR_MS_MAX).contains(ms))
}

/// Whether annotations let the update stand still.
#[must_use]
pub fn is_paused(annotations: &BTreeMap<String, String>) -> bool {
    annotations.get(PAUSED).is_some_and(|text| text == "true")
}

/// Whether what an object of this kind says of its updates can be acted upon.
///
/// # Errors
/// A sentence that names the first annotation that cannot.
pub fn check(kind: &str, object: &Value) -> Result<(), String> {
    let annotations: BTreeMap<String, String> =
        serde_json::from_value(object["metadata"]["annotations"].clone()).unwrap_or_default();
    let guards = Guards::of(&annotations)?;
    match kind {
        "Deployment" => {
            refuse(&annotations, DEADLINE, "a Deployment has spec.progressDeadlineSeconds")?;
            refuse(&annotations, PAUSED, "a Deployment has spec.paused")
        }
        "StatefulSet" | "DaemonSet" => {
            let why = format!("a {kind} goes back in the way in which it goes forward");
            for name in [BACK_ORDER, BACK_PARALLELISM, BACK_DELAY] {
                refuse(&annotations, name, &why)?;
            }
            by_annotations(&annotations, &object["spec"])?;
            let is_on_delete = object["spec"]["updateStrategy"]["type"] == "OnDelete";
            match is_on_delete && guards.act() {
                true => {
                    let why = "an update of the type OnDelete goes on when somebody deletes pods";
                    refuse(&annotations, FAILURE_ACTION, why)
                }
                false => Ok(()),
            }
        }
        _ => {
            let why = "only updates of a Deployment, a StatefulSet or a DaemonSet are watched";
            let acts = guards.act().then_some(FAILURE_ACTION);
            for name in acts.into_iter().chain([DEADLINE, PAUSED]) {
                refuse(&annotations, name, why)?;
            }
            Ok(())
        }
    }
}

fn refuse(
    annotations: &BTreeMap<String, String>,
    name: &'static str,
    why: &str,
) -> Result<(), String> {
    match annotations.contains_key(name) {
        true => Err(format!("metadata.annotations[{name}]: {why}")),
        false => Ok(()),
    }
}

fn by_annotations(annotations: &BTreeMap<String, String>, spec: &Value) -> Result<(), String> {
    let deadline_ms = deadline_ms(annotations);
    if deadline_ms.is_none() {
        refuse(annotations, DEADLINE, TIME)?;
    }
    let ready_ms = spec["minReadySeconds"].as_i64().unwrap_or(0).saturating_mul(1_000);
    if deadline_ms.is_some_and(|ms| ms <= ready_ms) {
        refuse(annotations, DEADLINE, "must be above minReadySeconds")?;
    }
    match annotations.get(PAUSED).map(String::as_str) {
        None | Some("true" | "false") => Ok(()),
        Some(_) => refuse(annotations, PAUSED, "must be true or false"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::guard::MONITOR;

    fn checked(kind: &str, says: &[(&str, &str)], spec: Value) -> Result<(), String> {
        let mut object = json!({"metadata": {"annotations": {}}, "spec": spec});
        for (name, value) in says {
            object["metadata"]["annotations"][*name] = json!(value);
        }
        check(kind, &object)
    }

    #[test]
    fn each_kind_says_what_it_has_no_field_for_and_nothing_that_nobody_acts_upon() {
        let goes_back = (FAILURE_ACTION, "rollback");
        for (kind, says) in [
            ("Deployment", vec![goes_back, (BACK_ORDER, "start-first")]),
            ("StatefulSet", vec![goes_back, (MONITOR, "5000"), (DEADLINE, "60000")]),
            ("DaemonSet", vec![goes_back, (PAUSED, "true")]),
            ("ReplicaSet", vec![(FAILURE_ACTION, "continue")]),
        ] {
            assert_eq!(checked(kind, &says, json!({})), Ok(()), "{kind}");
        }
        for (kind, (name, value), why) in [
            ("Deployment", (DEADLINE, "1000"), "a Deployment has spec.progressDeadlineSeconds"),
            ("Deployment", (PAUSED, "true"), "a Deployment has spec.paused"),
            ("StatefulSet", (DEADLINE, "0"), TIME),
            ("DaemonSet", (DEADLINE, "1m"), TIME),
            ("DaemonSet", (PAUSED, "yes"), "must be true or false"),
            (
                "StatefulSet",
                (BACK_ORDER, "stop-first"),
                "a StatefulSet goes back in the way in which it goes forward",
            ),
            (
                "ReplicaSet",
                goes_back,
                "only updates of a Deployment, a StatefulSet or a DaemonSet are watched",
            ),
            (
                "Job",
                (DEADLINE, "1000"),
                "only updates of a Deployment, a StatefulSet or a DaemonSet are watched",
            ),
        ] {
            let refused = checked(kind, &[(name, value)], json!({}));
            assert_eq!(refused, Err(format!("metadata.annotations[{name}]: {why}")), "{kind}");
        }
    }

    #[test]
    fn a_deadline_lies_behind_the_time_to_be_ready_and_what_others_delete_is_not_watched() {
        let slow = json!({"minReadySeconds": 10});
        let early = checked("DaemonSet", &[(DEADLINE, "10000")], slow.clone());
        let why = "must be above minReadySeconds";
        assert_eq!(early, Err(format!("metadata.annotations[{DEADLINE}]: {why}")));
        assert_eq!(checked("DaemonSet", &[(DEADLINE, "10001")], slow), Ok(()));
        let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
        let refused = checked("StatefulSet", &[(FAILURE_ACTION, "pause")], on_delete);
        let why = "an update of the type OnDelete goes on when somebody deletes pods";
        assert_eq!(refused, Err(format!("metadata.annotations[{FAILURE_ACTION}]: {why}")));
    }
}
