//! The metadata of any object: its name, namespace, labels and annotations.

use super::cursor::{Checker, Cursor};
use super::names;

/// Groups whose names are only held to be a segment of a path.
const PATH_NAMED: &str = "rbac.authorization.k8s.io";

pub(crate) fn check(checker: &mut Checker, object: &Cursor<'_>, namespaced: bool, group: &str) {
    let metadata = object.field("metadata");
    if metadata.map().is_none() {
        return checker.refuse(&metadata, "is required");
    }
    name(checker, object, &metadata, group);
    namespace(checker, &metadata, namespaced);
    names::labels(checker, &metadata.field("labels"));
    names::annotations(checker, &metadata.field("annotations"));
}

fn name(checker: &mut Checker, object: &Cursor<'_>, metadata: &Cursor<'_>, group: &str) {
    let name = metadata.field("name");
    if name.value.is_null() || name.value.as_str() == Some("") {
        let generated = metadata.get("generateName").is_some();
        let why =
            if generated { "is required: an apply cannot make up names" } else { "is required" };
        return checker.refuse(&name, why);
    }
    if !name.value.is_string() {
        return;
    }
    let outcome = match object.field("kind").text() {
        "Namespace" => names::label(name.text()),
        _ if group == PATH_NAMED => names::path_segment(name.text()),
        _ => names::subdomain(name.text()),
    };
    if let Err(reason) = outcome {
        checker.refuse(&name, reason);
    }
}

fn namespace(checker: &mut Checker, metadata: &Cursor<'_>, namespaced: bool) {
    let Some(namespace) = metadata.get("namespace").filter(|at| !at.text().is_empty()) else {
        return;
    };
    if !namespaced {
        return checker.refuse(&namespace, "a resource of this kind has no namespace");
    }
    if let Err(reason) = names::label(namespace.text()) {
        checker.refuse(&namespace, reason);
    }
}
