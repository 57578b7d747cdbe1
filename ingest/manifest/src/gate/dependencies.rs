//! What a workload says that it depends on, and of which kinds that is acted upon.

use setpoint_schemas::{DEPENDS_ON, Dependency};

use super::cursor::{Checker, Cursor};

/// Kinds whose pods wait for other workloads.
const KINDS: &[&str] = &["Deployment", "ReplicaSet", "ReplicationController", "DaemonSet"];

pub(super) fn check(checker: &mut Checker, object: &Cursor<'_>) {
    let at = object.field("metadata").field("annotations").field(DEPENDS_ON);
    let Some(text) = at.value.as_str() else { return };
    let kind = object.field("kind").text();
    if !KINDS.contains(&kind) {
        let kinds = KINDS.join(", ");
        return checker.refuse(&at, format!("is acted upon only in a {kinds}"));
    }
    match Dependency::parse_all(text) {
        Err(reason) => checker.refuse(&at, reason),
        Ok(all) => {
            let own = object.field("metadata").field("name").text();
            if all.iter().any(|one| one.kind == kind && one.name == own) {
                checker.refuse(&at, "names the workload itself");
            }
        }
    }
}
