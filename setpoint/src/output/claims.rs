//! The columns of claims, volumes and storage classes, as kubectl's users know them; where the data
//! lives with `-o wide`.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::age_of;
use crate::output::field::{is_true, list, name, or_none, text};

/// A claim.
pub(crate) fn claim(object: &Value, now: Timestamp) -> Vec<String> {
    let cell = |pointer: &str| text(object, pointer).to_owned();
    vec![
        name(object).to_owned(),
        standing(object),
        cell("/spec/volumeName"),
        cell("/status/capacity/storage"),
        modes(object, "/status/accessModes"),
        cell("/spec/storageClassName"),
        age_of(object, now),
    ]
}

/// The node that its data lives on.
pub(crate) fn claim_wide(object: &Value, _: Timestamp) -> Vec<String> {
    vec![or_none(text(object, "/metadata/annotations/volume.kubernetes.io~1selected-node"))]
}

/// A volume.
pub(crate) fn volume(object: &Value, now: Timestamp) -> Vec<String> {
    let cell = |pointer: &str| text(object, pointer).to_owned();
    let of = |field: &str| text(object, &format!("/spec/claimRef/{field}"));
    let claim = if of("name").is_empty() {
        String::new()
    } else {
        format!("{}/{}", of("namespace"), of("name"))
    };
    vec![
        name(object).to_owned(),
        cell("/spec/capacity/storage"),
        modes(object, "/spec/accessModes"),
        cell("/spec/persistentVolumeReclaimPolicy"),
        standing(object),
        claim,
        cell("/spec/storageClassName"),
        age_of(object, now),
    ]
}

/// A storage class.
pub(crate) fn storage_class(object: &Value, now: Timestamp) -> Vec<String> {
    let mark = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
    let default = if text(object, mark) == "true" { " (default)" } else { "" };
    let or = |pointer: &str, word: &str| match text(object, pointer) {
        "" => word.to_owned(),
        found => found.to_owned(),
    };
    vec![
        format!("{}{default}", name(object)),
        text(object, "/provisioner").to_owned(),
        or("/reclaimPolicy", "Delete"),
        or("/volumeBindingMode", "WaitForFirstConsumer"),
        is_true(object, "/allowVolumeExpansion").to_string(),
        age_of(object, now),
    ]
}

/// The phase, unless it is to go.
fn standing(object: &Value) -> String {
    match text(object, "/metadata/deletionTimestamp") {
        "" => text(object, "/status/phase").to_owned(),
        _ => "Terminating".to_owned(),
    }
}

/// Access modes by the letters that kubectl has for them.
fn modes(object: &Value, pointer: &str) -> String {
    let short = |mode: &Value| match mode.as_str() {
        Some("ReadWriteOnce") => Some("RWO"),
        Some("ReadOnlyMany") => Some("ROX"),
        Some("ReadWriteMany") => Some("RWX"),
        Some("ReadWriteOncePod") => Some("RWOP"),
        _ => None,
    };
    list(object, pointer).iter().filter_map(short).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_shows_where_it_stands_and_what_it_may_be_used_for() {
        let mut object = json!({
            "metadata": {"name": "data", "annotations": {"volume.kubernetes.io/selected-node": "n1"}},
            "spec": {"volumeName": "pvc-1", "storageClassName": "local"},
            "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
                "capacity": {"storage": "1Gi"}},
        });
        let now = Timestamp::UNIX_EPOCH;
        let row = claim(&object, now);
        assert_eq!(row[..6], ["data", "Bound", "pvc-1", "1Gi", "RWO,ROX", "local"]);
        assert_eq!(claim_wide(&object, now), ["n1"]);
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(claim(&object, now)[1], "Terminating");
    }
}
