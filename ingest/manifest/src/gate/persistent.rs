//! Volumes that people write: a folder or a path of one node.
//!
//! Source: Kubernetes' `ValidatePersistentVolume` and what it calls.
//! Absent: whether that node is there, and whether the path is; its agent looks when a pod starts.

use serde_json::Value;
use setpoint_schemas::{Quantity, VolumeNodeAffinity, is_made_folder};

use super::cursor::{Checker, Cursor};
use super::{names, storage, volumes};

/// The sources that a node serves.
const SERVED: [&str; 2] = ["hostPath", "local"];
/// The fields of a volume that are no source.
const NO_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

pub(super) fn check(checker: &mut Checker, object: &Cursor<'_>) {
    let spec = object.field("spec");
    storage::modes(checker, &spec.field("accessModes"));
    capacity(checker, &spec.field("capacity").field("storage"));
    checker.one_of(&spec.field("persistentVolumeReclaimPolicy"), &["Retain", "Delete"]);
    source(checker, &spec, object.field("metadata").field("name").text());
    affinity(checker, &spec);
    if let Some(claim) = spec.get("claimRef") {
        claim_ref(checker, &claim);
    }
}

fn capacity(checker: &mut Checker, storage: &Cursor<'_>) {
    if storage.value.is_null() {
        return checker.refuse(storage, "is required");
    }
    let text = storage.value.as_str().map_or_else(|| storage.value.to_string(), str::to_owned);
    if Quantity::parse(&text).is_ok_and(|amount| amount.units() <= 0) {
        checker.refuse(storage, format!("is {text} and must be greater than 0"));
    }
}

fn source(checker: &mut Checker, spec: &Cursor<'_>, name: &str) {
    let sources = spec
        .entries()
        .into_iter()
        .filter(|(field, at)| !NO_SOURCE.contains(field) && !at.value.is_null());
    match sources.count() {
        0 => checker.refuse(
            spec,
            format!("names nothing that lies there: one of {} is required", SERVED.join(", ")),
        ),
        1 => {}
        _ => checker.refuse(spec, "a volume has only one source"),
    }
    if let Some(host) = spec.get("hostPath") {
        volumes::host_path(checker, &host);
    }
    if let Some(local) = spec.get("local") {
        let path = local.field("path");
        if checker.required(&path) && !is_made_folder(path.text(), name) {
            if !path.text().starts_with('/') {
                checker.refuse(&path, "must be an absolute path of the node");
            }
            if path.text().split('/').any(|part| part == "..") {
                checker.refuse(&path, "must not contain '..'");
            }
        }
    }
}

/// A volume is on one node, and a folder that is there says on which.
fn affinity(checker: &mut Checker, spec: &Cursor<'_>) {
    let required = spec.field("nodeAffinity").field("required");
    let is_given = spec.get("nodeAffinity").is_some();
    if required.value.is_null() {
        if is_given || spec.get("local").is_some() {
            checker.refuse(&required, "is required: it says on which node the volume is");
        }
        return;
    }
    let read =
        serde_json::from_value::<VolumeNodeAffinity>(spec.field("nodeAffinity").value.clone());
    if read.unwrap_or_default().node().is_none() {
        let why = "a volume here is on one node: say which by one term with one expression, \
                   kubernetes.io/hostname In and the node's name";
        checker.refuse(&required.field("nodeSelectorTerms"), why);
    }
}

fn claim_ref(checker: &mut Checker, claim: &Cursor<'_>) {
    checker.one_of(&claim.field("kind"), &["PersistentVolumeClaim"]);
    for (field, form) in [
        ("name", names::subdomain as fn(&str) -> Result<(), String>),
        ("namespace", names::label as fn(&str) -> Result<(), String>),
    ] {
        let at = claim.field(field);
        if checker.required(&at)
            && let Err(why) = form(at.text())
        {
            checker.refuse(&at, why);
        }
    }
}

/// What the asker should know of a volume that is to be removed, where nobody can.
pub(super) fn warning(object: &Value) -> Option<String> {
    let (spec, name) = (&object["spec"], object["metadata"]["name"].as_str().unwrap_or_default());
    let is_made = spec["local"]["path"].as_str().is_some_and(|path| is_made_folder(path, name));
    (spec["persistentVolumeReclaimPolicy"] == "Delete" && !is_made).then(|| {
        "spec.persistentVolumeReclaimPolicy: nothing here removes what somebody else made: once its \
         claim is gone the volume is Failed, and its data stays"
            .to_owned()
    })
}
