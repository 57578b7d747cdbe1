//! Who owns an object and what holds it: `metadata.ownerReferences` and `metadata.finalizers`.
//!
//! Source: Kubernetes' `ValidateOwnerReferences` and `ValidateFinalizers`. An owner of a kind that is not known
//! here could never be found, and what it owns would be deleted as nobody's: such a reference is refused.
//! Absent: whether an owner is there; what has none is collected by the leader.

use super::cursor::{Checker, Cursor};
use super::{CustomKind, names};
use crate::kinds::KINDS;

/// Finalizers that need no domain before their name.
const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
/// The two that cannot both be said.
const EXCLUSIVE: [&str; 2] = ["orphan", "foregroundDeletion"];

/// What is judged: whether its kind is one of Kubernetes' own, and where its resources live.
pub(super) struct Judged<'o> {
    pub(super) is_built_in: bool,
    pub(super) namespaced: bool,
    pub(super) custom: &'o [CustomKind],
}

/// Checks the metadata of one object.
pub(super) fn check(checker: &mut Checker, metadata: &Cursor<'_>, judged: &Judged<'_>) {
    finalizers(checker, &metadata.field("finalizers"), judged.is_built_in);
    let references = metadata.field("ownerReferences");
    for reference in references.items() {
        owner(checker, &reference, judged);
    }
    let controls = |at: &&Cursor<'_>| at.field("controller").value == true;
    let items = references.items();
    let mut controllers = items.iter().filter(controls).map(|at| at.field("name").text());
    if let (Some(first), Some(second)) = (controllers.next(), controllers.next()) {
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for \
             {first} and {second}"
        );
        checker.refuse(&references, why);
    }
}

fn finalizers(checker: &mut Checker, all: &Cursor<'_>, is_built_in: bool) {
    for name in all.items() {
        let text = name.text();
        if let Err(why) = names::qualified(text) {
            checker.refuse(&name, why);
        } else if is_built_in && !text.contains('/') && !STANDARD.contains(&text) {
            checker.refuse(
                &name,
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
    }
    let has = |wanted: &str| all.items().iter().any(|name| name.text() == wanted);
    if EXCLUSIVE.into_iter().all(has) {
        let [one, other] = EXCLUSIVE;
        checker.refuse(all, format!("finalizer {one} and {other} cannot be both set"));
    }
}

fn owner(checker: &mut Checker, at: &Cursor<'_>, judged: &Judged<'_>) {
    let mut is_whole = true;
    for name in ["apiVersion", "kind", "name", "uid"] {
        let field = at.field(name);
        if field.text().is_empty() {
            is_whole = false;
            checker.refuse(&field, "must not be empty");
        }
    }
    if !is_whole {
        return;
    }
    let (version, kind) = (at.field("apiVersion").text(), at.field("kind").text());
    let group = version.split_once('/').map_or("", |(group, _)| group);
    if (group, kind) == ("", "Event") {
        return checker.refuse(at, "v1, Kind=Event is disallowed from being an owner");
    }
    match is_namespaced(group, kind, judged.custom) {
        None => checker.refuse(
            &at.field("kind"),
            format!("{version} {kind} is unknown, so that the owner could never be found; leave the reference out"),
        ),
        Some(true) if !judged.namespaced => checker.refuse(
            at,
            format!("a resource without a namespace cannot be owned by a {kind}, which lives in one"),
        ),
        Some(_) => {}
    }
}

/// Whether resources of a kind live in a namespace; `None` for a kind that nobody knows.
fn is_namespaced(group: &str, kind: &str, custom: &[CustomKind]) -> Option<bool> {
    let known = KINDS.iter().find(|row| row.group == group && row.kind == kind);
    let named = || custom.iter().find(|row| row.group == group && row.kind == kind);
    known.map(|row| row.namespaced).or_else(|| named().map(|row| row.namespaced))
}
