//! Who is owned by nobody that is there, what goes and waits for what it owns, and which namespaces go: all that
//! is looked at anew.

use std::collections::BTreeMap;

use setpoint_rules::finalizers::{self, FOREGROUND, ORPHAN};
use setpoint_rules::garbage::{self, Reference};
use setpoint_schemas::{Position, Resource, ResourceKey};

use crate::causes::Cause;
use crate::decide::{is_namespace, is_terminating};
use crate::state::{OwnersRow, Subject, first_key};

/// The rows that follow. Where an owner is looked for and found after all, nothing comes of its row: pods are
/// known later.
pub(super) fn rows(resources: &BTreeMap<ResourceKey, (Resource, Position)>) -> Vec<OwnersRow> {
    let mut rows: BTreeMap<Subject, OwnersRow> = BTreeMap::new();
    for (key, (resource, position)) in resources {
        let words = format!("{} {} as it was last told", resource.kind, resource.name);
        let cause = Cause::told(*position, words);
        let is_there = |reference: &Reference| {
            let owners = reference.places(&key.namespace).filter_map(|place| resources.get(&place));
            owners.map(|(owner, _)| owner).any(|owner| owner.uid == reference.uid)
        };
        let references = garbage::references_in(&resource.body).into_iter();
        let absent = references.filter(|reference| !is_there(reference));
        let absent = absent.map(|reference| (Subject::Owner(reference.uid), None));
        let goes = goes_by_stages(resource)
            .then(|| (Subject::Owner(resource.uid.clone()), Some(key.clone())));
        let house = (is_namespace(key) && is_terminating(resource))
            .then(|| (Subject::Namespace(key.name.clone()), None));
        for (subject, owner) in absent.chain(goes).chain(house) {
            let from = Some(first_key());
            let row = OwnersRow { subject, owner, from, may_go: false, cause: cause.clone() };
            let known = rows.entry(row.subject.clone()).or_insert_with(|| row.clone());
            known.owner = row.owner.or(known.owner.take());
        }
    }
    rows.into_values().collect()
}

/// Whether a resource is being deleted and waits for what it owns.
fn goes_by_stages(resource: &Resource) -> bool {
    let names = || finalizers::of_text(&resource.kind, &resource.body);
    resource.deleted_ms.is_some() && names().iter().any(|name| name == FOREGROUND || name == ORPHAN)
}
