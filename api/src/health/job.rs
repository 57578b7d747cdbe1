//! What runs to an end, and what starts it by the clock.

use jiff::Timestamp;
use serde_json::Value;

use super::Health;
use super::field::{count, each, held, said};

pub(super) fn job(object: &Value) -> Health {
    if let Some(failed) = held(object, "Failed") {
        return Health::degraded(said(failed));
    }
    if let Some(complete) = held(object, "Complete") {
        return Health::healthy(said(complete));
    }
    if held(object, "Suspended").is_some() {
        return Health::suspended("it is suspended");
    }
    let of = |name: &str| count(object, name);
    let (active, succeeded, failed) = (of("active"), of("succeeded"), of("failed"));
    Health::progressing(format!("{active} active, {succeeded} succeeded, {failed} failed"))
}

/// By its latest run: while one goes on nobody knows how it ends.
pub(super) fn cron_job(object: &Value) -> Health {
    if object["spec"]["suspend"] == true {
        return Health::suspended("it is suspended");
    }
    let status = &object["status"];
    let active = each(&status["active"]).count();
    if active > 0 {
        return Health::healthy(format!("{active} of its Jobs are active"));
    }
    let time = |name: &str| status[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    match (time("lastScheduleTime"), time("lastSuccessfulTime")) {
        (None, _) => Health::healthy("no time of its schedule has come yet"),
        (Some(began), Some(done)) if done >= began => Health::healthy(""),
        (Some(_), _) => Health::degraded("its latest run did not succeed"),
    }
}
