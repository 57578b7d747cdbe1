//! Claims on folders of nodes, and their classes.
//!
//! Source: Kubernetes' `ValidatePersistentVolumeClaimSpec` and `ValidateStorageClass`.
//! Absent: whether a claim's class is there; whoever decides looks it up.

use setpoint_schemas::{LOCAL_PROVISIONER, Quantity};

use super::cursor::{Checker, Cursor};
use super::names;

/// How a claim's volume may be mounted.
const MODES: &[&str] = &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
/// When a claim gets its volume: what a node's own folder can be had by.
const BINDING: &str = "WaitForFirstConsumer";

/// A claim's spec.
pub(crate) fn claim(checker: &mut Checker, spec: &Cursor<'_>) {
    let modes = spec.field("accessModes");
    if modes.items().is_empty() {
        checker.refuse(&modes, format!("at least one is required: one of {}", MODES.join(", ")));
    }
    for mode in modes.items() {
        checker.one_of(&mode, MODES);
    }
    let alone = modes.items().iter().any(|mode| mode.text() == "ReadWriteOncePod");
    if alone && modes.items().len() > 1 {
        checker.refuse(&modes, "ReadWriteOncePod stands alone: it goes with no other mode");
    }
    let class = spec.field("storageClassName");
    if class.value.as_str() == Some("") {
        let reason = "a claim without a class is bound to a volume that someone made, which is not \
                      done here: leave the field out, or name the class local";
        checker.refuse(&class, reason);
    }
    let storage = spec.field("resources").field("requests").field("storage");
    if storage.value.is_null() {
        return checker.refuse(&storage, "is required");
    }
    let text = storage.value.as_str().map_or_else(|| storage.value.to_string(), str::to_owned);
    if Quantity::parse(&text).is_ok_and(|amount| amount.units() <= 0) {
        checker.refuse(&storage, format!("is {text} and must be greater than 0"));
    }
}

/// A storage class. What one of another provisioner says is for that to judge.
pub(crate) fn class(checker: &mut Checker, object: &Cursor<'_>) {
    let provisioner = object.field("provisioner");
    checker.one_of(&object.field("reclaimPolicy"), &["Delete", "Retain"]);
    checker.one_of(&object.field("volumeBindingMode"), &[BINDING, "Immediate"]);
    if !checker.required(&provisioner) || provisioner.text() != LOCAL_PROVISIONER {
        return;
    }
    let binding = object.field("volumeBindingMode");
    if binding.text() == "Immediate" {
        let reason = format!(
            "a folder is one node's, and which one is known with the first pod: set {BINDING}"
        );
        checker.refuse(&binding, reason);
    }
    for field in ["parameters", "mountOptions", "allowedTopologies"] {
        let at = object.field(field);
        if !at.items().is_empty() || !at.entries().is_empty() {
            checker.refuse(&at, format!("{LOCAL_PROVISIONER} takes none: leave it out"));
        }
    }
}

/// The claim of a volume.
pub(super) fn volume(checker: &mut Checker, claim: &Cursor<'_>) {
    let name = claim.field("claimName");
    if checker.required(&name)
        && let Err(reason) = names::subdomain(name.text())
    {
        checker.refuse(&name, reason);
    }
}
