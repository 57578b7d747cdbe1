//! Claims on folders of nodes, and their classes.
//!
//! Source: Kubernetes' `ValidatePersistentVolumeClaimSpec` and `ValidateStorageClass`.
//! Absent: whether a claim's class is there; whoever decides looks it up.

use serde_json::Value;
use setpoint_schemas::{LOCAL_PROVISIONER, Quantity};

use super::cursor::{Checker, Cursor};
use super::{names, selector};

/// How a claim's volume may be mounted.
const MODES: &[&str] = &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
/// When a claim gets its volume: what a node's own folder can be had by.
const BINDING: &str = "WaitForFirstConsumer";

/// The template of one claim, as JSON: some hundred pods may start at once, and each gets its own with the
/// same append.
const TEMPLATE_BYTES_MAX: usize = 16 << 10;

/// A claim's spec.
pub(crate) fn claim(checker: &mut Checker, spec: &Cursor<'_>) {
    modes(checker, &spec.field("accessModes"));
    selector::check(checker, &spec.field("selector"));
    let storage = spec.field("resources").field("requests").field("storage");
    if storage.value.is_null() {
        return checker.refuse(&storage, "is required");
    }
    let text = storage.value.as_str().map_or_else(|| storage.value.to_string(), str::to_owned);
    if Quantity::parse(&text).is_ok_and(|amount| amount.units() <= 0) {
        checker.refuse(&storage, format!("is {text} and must be greater than 0"));
    }
}

/// How a claim's volume is to be mounted, or how one may be.
pub(super) fn modes(checker: &mut Checker, modes: &Cursor<'_>) {
    if modes.items().is_empty() {
        checker.refuse(modes, format!("at least one is required: one of {}", MODES.join(", ")));
    }
    for mode in modes.items() {
        checker.one_of(&mode, MODES);
    }
    let alone = modes.items().iter().any(|mode| mode.text() == "ReadWriteOncePod");
    if alone && modes.items().len() > 1 {
        checker.refuse(modes, "ReadWriteOncePod stands alone: it goes with no other mode");
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

/// The template of a claim that is made with each pod. Kubernetes' `ValidatePersistentVolumeClaimTemplate`.
pub(super) fn made_with_pod(checker: &mut Checker, template: &Cursor<'_>) {
    if template.map().is_none() {
        return checker.refuse(template, "is required");
    }
    let bytes = template.value.to_string().len();
    if bytes > TEMPLATE_BYTES_MAX {
        let why = format!(
            "has {bytes} bytes, more than {TEMPLATE_BYTES_MAX}: each pod gets a claim of its own"
        );
        checker.refuse(template, why);
    }
    let metadata = template.field("metadata");
    for (field, at) in metadata.entries() {
        if !matches!(field, "labels" | "annotations") && !is_absent(at.value) {
            checker.refuse(&at, "may not be set: the claim is named after pod and volume");
        }
    }
    names::labels(checker, &metadata.field("labels"));
    names::annotations(checker, &metadata.field("annotations"));
    let spec = template.field("spec");
    claim(checker, &spec);
    let volume = spec.field("volumeName");
    if !volume.text().is_empty() {
        checker.refuse(&volume, "each pod's claim gets a volume of its own: leave the field out");
    }
    // It is made on the pod's node once that is known: no volume is looked for.
    let class = spec.field("storageClassName");
    if class.value.as_str() == Some("") {
        let why = "a claim that is made with its pod gets a folder of its own, and no volume that \
                   somebody wrote: leave the field out, or name the class local";
        checker.refuse(&class, why);
    }
    let selector = spec.field("selector");
    if !selector.value.is_null() {
        let why = "a claim that is made with its pod gets a folder of its own, and chooses none: leave it \
                   out";
        checker.refuse(&selector, why);
    }
}

/// Whether a field is as if it were left out; tools write `creationTimestamp: null`.
fn is_absent(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
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
