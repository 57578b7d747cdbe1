//! What a StatefulSet has beside what all workloads have: its pods' names and numbers.

use super::cursor::{Checker, Cursor};
use super::names;

/// The name of a revision is a label's value, of 63 characters at most: the set's name, a hyphen and a
/// hash of ten.
const NAME_CHARS_MAX: usize = 52;

pub(super) fn check(checker: &mut Checker, object: &Cursor<'_>, spec: &Cursor<'_>) {
    let name = object.field("metadata").field("name");
    if name.text().len() > NAME_CHARS_MAX {
        let why = format!(
            "must have at most {NAME_CHARS_MAX} characters in a StatefulSet, whose pods have labels made of it"
        );
        checker.refuse(&name, why);
    } else if let Err(why) = names::label(name.text()) {
        checker.refuse(&name, format!("{why}: its pods' hostnames begin with it"));
    }
    let service = spec.field("serviceName");
    if !service.text().is_empty()
        && let Err(why) = names::label(service.text())
    {
        checker.refuse(&service, why);
    }
    checker.one_of(&spec.field("podManagementPolicy"), &["OrderedReady", "Parallel"]);
    checker.not_negative(&spec.field("ordinals").field("start"));
    checker.not_negative(&spec.field("updateStrategy").field("rollingUpdate").field("partition"));
}
