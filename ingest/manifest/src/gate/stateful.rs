//! What a StatefulSet has beside what all workloads have: its pods' names, numbers and claims.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};
use super::{names, storage};

/// The name of a revision is a label's value, of 63 characters at most: the set's name, a hyphen and a
/// hash of ten.
const NAME_CHARS_MAX: usize = 52;
/// All templates of claims together, as JSON: some hundred pods may start at once, and each gets its own of
/// every one with the same append.
const CLAIMS_BYTES_MAX: usize = 16 << 10;

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
    own_claims(checker, &spec.field("volumeClaimTemplates"));
    let retention = spec.field("persistentVolumeClaimRetentionPolicy");
    for when in ["whenDeleted", "whenScaled"] {
        checker.one_of(&retention.field(when), &["Retain", "Delete"]);
    }
}

/// The templates of the claims that each pod has for itself. Each is a volume of the pods, too.
fn own_claims(checker: &mut Checker, templates: &Cursor<'_>) {
    let bytes = templates.value.to_string().len();
    if bytes > CLAIMS_BYTES_MAX {
        let why = format!(
            "they have {bytes} bytes together, more than {CLAIMS_BYTES_MAX}: each pod gets claims of its own"
        );
        checker.refuse(templates, why);
    }
    let mut seen = BTreeSet::new();
    for template in templates.items() {
        let (metadata, spec) = (template.field("metadata"), template.field("spec"));
        let name = metadata.field("name");
        if checker.required(&name) {
            if let Err(why) = names::label(name.text()) {
                checker.refuse(&name, why);
            }
            if !seen.insert(name.text()) {
                checker.refuse(&name, "two templates have the same name");
            }
        }
        names::labels(checker, &metadata.field("labels"));
        names::annotations(checker, &metadata.field("annotations"));
        storage::claim(checker, &spec);
        let volume = spec.field("volumeName");
        if !volume.text().is_empty() {
            checker
                .refuse(&volume, "each pod's claim gets a volume of its own: leave the field out");
        }
    }
}
