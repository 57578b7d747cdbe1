//! CronJobs.
//!
//! Source: `ValidateCronJobSpec` of Kubernetes. Absent: reading the schedule; the leader does, who acts
//! upon it, and refuses what he cannot read with the field's path.

use super::cursor::{Checker, Cursor};
use super::{job, names};
use setpoint_schemas::CATCH_UP;

/// Characters of a CronJob's name at most: its Jobs' names are eleven longer, and their pods' are labelled
/// with them.
const NAME_CHARS_MAX: usize = 52;

/// A CronJob.
pub(super) fn check(checker: &mut Checker, object: &Cursor<'_>) {
    let metadata = object.field("metadata");
    if metadata.field("name").text().len() > NAME_CHARS_MAX {
        let why = format!("must not be longer than {NAME_CHARS_MAX} characters");
        checker.refuse(&metadata.field("name"), why);
    }
    let catch_up = metadata.field("annotations").field(CATCH_UP);
    checker.one_of(&catch_up, &["skip", "latest", "all"]);
    let spec = object.field("spec");
    if spec.map().is_none() {
        return checker.refuse(&spec, "is required");
    }
    checker.required(&spec.field("schedule"));
    checker.one_of(&spec.field("concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    for name in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"]
    {
        checker.not_negative(&spec.field(name));
    }
    let zone = spec.field("timeZone");
    if zone.value.as_str() == Some("") {
        checker.refuse(&zone, "must not be empty");
    }
    let template = spec.field("jobTemplate");
    if template.map().is_none() {
        return checker.refuse(&template, "is required");
    }
    names::labels(checker, &template.field("metadata").field("labels"));
    names::annotations(checker, &template.field("metadata").field("annotations"));
    job::check(checker, &template.field("spec"));
}
