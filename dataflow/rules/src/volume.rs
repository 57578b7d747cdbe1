//! Volumes, those that people write above all: which claim each fits, what may change of one, and what
//! becomes of one whose claim is gone.
//!
//! Source: Kubernetes' `FindMatchingVolume` and `checkVolumeSatisfyClaim`, what its controller of volumes
//! does with one that is released, and `ValidatePersistentVolumeUpdate`.
//! Absent: the nodes that could have a pod. A claim is bound before anyone looks at them.

use std::collections::BTreeMap;

use serde_json::Value;
use setpoint_schemas::{
    ClaimRef, LabelSelector, PersistentVolumeSpec, Quantity, Resource, VolumeSource, VolumeStatus,
};

/// The fields of a volume that may change. All others say what lies there.
const MAY_CHANGE: [&str; 8] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
];

/// A volume, as far as it decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// Its class; empty for none.
    pub class: String,
    /// How much it is said to hold, in bytes.
    pub bytes: i64,
    /// How it may be mounted.
    pub modes: Vec<String>,
    /// Which claims' selectors choose it.
    pub labels: BTreeMap<String, String>,
    /// The claim that has it, or is to have it.
    pub claim: Option<ClaimRef>,
    /// The node that it is on; empty where its first pod will say.
    pub node: String,
    /// What lies there; `None` for a folder that an agent made.
    pub source: Option<VolumeSource>,
    /// Whether a node can serve it.
    pub is_served: bool,
    /// Whether it is to go.
    pub is_leaving: bool,
}

/// What a claim without a volume asks of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// The claim's uid.
    pub uid: String,
    /// The class; empty for none.
    pub class: String,
    /// At least so much, in bytes.
    pub bytes: i64,
    /// Each of these.
    pub modes: Vec<String>,
    /// Only one that has such labels.
    pub selector: Option<LabelSelector>,
    /// Only the volume of this name; empty for any.
    pub volume: String,
}

/// What becomes of a volume whose claim is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is, and is nobody's until its `claimRef` is taken off.
    Kept,
    /// Its node removes its folder.
    Removed,
    /// It was to be removed, and nobody can: why.
    Failed(String),
}

impl Volume {
    /// As its resource has it.
    #[must_use]
    pub fn of(resource: &Resource) -> Volume {
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let spec = spec_of(&body);
        let status = VolumeStatus::read(&resource.status);
        let labels = serde_json::from_value(body["metadata"]["labels"].clone());
        let named = spec.node_affinity.as_ref().and_then(|affinity| affinity.node());
        let node = named.map_or_else(|| status.lives_on.clone(), str::to_owned);
        let is_made = spec.is_made_folder(&resource.name);
        let is_there = match (&spec.source.local, &spec.source.host_path) {
            (Some(_), None) => named.is_some(),
            (None, Some(_)) => named.is_some() || spec.node_affinity.is_none(),
            _ => false,
        };
        let is_block = spec.volume_mode.as_deref() == Some("Block");
        Volume {
            class: spec.storage_class_name.unwrap_or_default(),
            bytes: spec.capacity.get("storage").map_or(0, Quantity::units),
            modes: spec.access_modes,
            labels: labels.unwrap_or_default(),
            claim: spec.claim_ref,
            node,
            source: (!is_made).then_some(spec.source),
            is_served: is_there && !is_block,
            is_leaving: resource.deleted_ms.is_some() || status.is_leaving(),
        }
    }

    /// Whether any claim that it fits may have it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.is_served && !self.is_leaving && self.claim.is_none()
    }

    /// Whether it is kept for the claim that wants this, and is enough for it.
    #[must_use]
    pub fn is_kept_for(&self, claim: (&str, &str), wants: &Wants) -> bool {
        let means =
            |kept: &ClaimRef| (&*kept.namespace, &*kept.name) == claim && kept.means(&wants.uid);
        self.is_served
            && !self.is_leaving
            && self.claim.as_ref().is_some_and(means)
            && self.is_enough(wants)
    }

    /// Whether it is free and what a claim wants; of one that the claim names the labels do not matter.
    #[must_use]
    pub fn fits(&self, wants: &Wants) -> bool {
        let is_chosen = || match &wants.selector {
            Some(selector) if wants.volume.is_empty() => selector.matches(&self.labels),
            _ => true,
        };
        self.is_free() && self.class == wants.class && self.is_enough(wants) && is_chosen()
    }

    fn is_enough(&self, wants: &Wants) -> bool {
        self.bytes >= wants.bytes && wants.modes.iter().all(|mode| self.modes.contains(mode))
    }
}

impl Wants {
    /// As a claim's resource and its body say.
    #[must_use]
    pub fn of(resource: &Resource, body: &Value) -> Wants {
        let spec = &body["spec"];
        let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
        let modes = spec["accessModes"].as_array().into_iter().flatten();
        let selector = Some(&spec["selector"]).filter(|selector| !selector.is_null());
        Wants {
            uid: resource.uid.clone(),
            class: text("storageClassName"),
            bytes: bytes_asked(spec),
            modes: modes.filter_map(Value::as_str).map(str::to_owned).collect(),
            selector: selector.map(|s| serde_json::from_value(s.clone()).unwrap_or_default()),
            volume: text("volumeName"),
        }
    }
}

/// How much a claim with this spec asks for, in bytes.
#[must_use]
pub fn bytes_asked(spec: &Value) -> i64 {
    bytes_of(&spec["resources"]["requests"]["storage"])
}

/// An amount of storage, in bytes; 0 for what is none.
#[must_use]
pub fn bytes_of(storage: &Value) -> i64 {
    let text = storage.as_str().map_or_else(|| storage.to_string(), str::to_owned);
    Quantity::parse(&text).map_or(0, |amount| amount.units())
}

/// A volume's spec, as its body has it; what does not read is served by no node.
#[must_use]
pub fn spec_of(body: &Value) -> PersistentVolumeSpec {
    serde_json::from_value(body["spec"].clone()).unwrap_or_default()
}

/// What becomes of the volume of this name when its claim is gone.
#[must_use]
pub fn fate(name: &str, spec: &PersistentVolumeSpec) -> Fate {
    match spec.persistent_volume_reclaim_policy.as_deref() {
        Some("Delete") if spec.is_made_folder(name) => Fate::Removed,
        Some("Delete") => Fate::Failed(format!(
            "error getting deleter volume plugin for volume {name:?}: no deletable volume plugin matched: \
             nothing here removes what somebody else made; its data stays: delete the volume, or set \
             Retain and take its claimRef off"
        )),
        _ => Fate::Kept,
    }
}

/// Why a volume may not become this, each reason beginning with the field's path.
#[must_use]
pub fn refusals(before: &Value, after: &Value) -> Vec<String> {
    let mut refusals = Vec::new();
    let mode = |spec: &Value| spec["volumeMode"].as_str().unwrap_or("Filesystem").to_owned();
    let (before, after) = (&before["spec"], &after["spec"]);
    if mode(before) != mode(after) {
        refusals.push("spec.volumeMode: Invalid value: field is immutable".to_owned());
    }
    let affinity = &before["nodeAffinity"];
    if !affinity.is_null() && *affinity != after["nodeAffinity"] {
        refusals.push("spec.nodeAffinity: Invalid value: field is immutable".to_owned());
    }
    let names = before.as_object().into_iter().chain(after.as_object()).flat_map(|o| o.keys());
    let mut changed: Vec<&String> = names
        .filter(|name| !MAY_CHANGE.contains(&name.as_str()) && *name != "volumeMode")
        .filter(|name| before[name.as_str()] != after[name.as_str()])
        .collect();
    changed.sort();
    changed.dedup();
    let said = |name: &String| {
        format!("spec.{name}: Forbidden: spec.persistentvolumesource is immutable after creation")
    };
    refusals.extend(changed.into_iter().map(said));
    refusals
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use setpoint_schemas::samples;

    use super::*;

    fn volume(spec: &Value, status: &str) -> Volume {
        let labels = json!({"tier": "db"});
        let body = json!({"metadata": {"labels": labels}, "spec": spec}).to_string();
        Volume::of(&Resource {
            kind: "PersistentVolume".to_owned(),
            name: "pv-1".to_owned(),
            body: body.into(),
            status: status.into(),
            deleted_ms: None,
            ..samples::desired()
        })
    }

    fn on(node: &str) -> Value {
        json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}})
    }

    fn host() -> Value {
        json!({"accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "capacity": {"storage": "2Gi"},
            "hostPath": {"path": "/mnt/data"}, "storageClassName": "manual"})
    }

    fn wants() -> Wants {
        Wants {
            uid: "u-1".to_owned(),
            class: "manual".to_owned(),
            bytes: 1 << 30,
            modes: vec!["ReadWriteOnce".to_owned()],
            ..Wants::default()
        }
    }

    #[test]
    fn a_volume_fits_by_class_modes_amount_and_labels() {
        let free = volume(&host(), "{}");
        assert!(free.is_free() && free.node.is_empty(), "{free:?}");
        let labelled = |value: &str| {
            let selector = json!({"matchLabels": {"tier": value}});
            Some(serde_json::from_value(selector).expect("a selector"))
        };
        let mode = |mode: &str| vec![mode.to_owned()];
        let named = || "pv-1".to_owned();
        let table = [
            ("as it is", wants(), true),
            ("all of it", Wants { bytes: 2 << 30, ..wants() }, true),
            ("too much", Wants { bytes: (2 << 30) + 1, ..wants() }, false),
            ("another class", Wants { class: String::new(), ..wants() }, false),
            ("a mode more", Wants { modes: mode("ReadWriteMany"), ..wants() }, false),
            ("its label", Wants { selector: labelled("db"), ..wants() }, true),
            ("another label", Wants { selector: labelled("web"), ..wants() }, false),
            ("named", Wants { selector: labelled("web"), volume: named(), ..wants() }, true),
        ];
        for (name, wants, expected) in table {
            assert_eq!(free.fits(&wants), expected, "{name}");
        }
    }

    #[test]
    fn a_volume_that_is_kept_for_a_claim_is_that_claims_whatever_its_class() {
        let mut spec = host();
        spec["claimRef"] = json!({"namespace": "default", "name": "data"});
        let kept = volume(&spec, "{}");
        let other = Wants { class: String::new(), ..wants() };
        assert!(!kept.is_free() && !kept.fits(&wants()));
        assert!(kept.is_kept_for(("default", "data"), &other));
        assert!(!kept.is_kept_for(("default", "web"), &other));
        assert!(!kept.is_kept_for(("default", "data"), &Wants { bytes: 3 << 30, ..other.clone() }));
        spec["claimRef"]["uid"] = json!("u-2");
        assert!(!volume(&spec, "{}").is_kept_for(("default", "data"), &other));
    }

    #[test]
    fn a_volume_is_served_where_one_node_has_it() {
        let local = json!({"local": {"path": "/mnt/disk"}, "nodeAffinity": on("n1")});
        let with = |mut spec: Value, field: &str, value: Value| {
            spec[field] = value;
            spec
        };
        let table = [
            ("a path somewhere", host(), true, ""),
            ("a path there", with(host(), "nodeAffinity", on("n1")), true, "n1"),
            ("a folder", local.clone(), true, "n1"),
            ("a folder nowhere", json!({"local": {"path": "/mnt/disk"}}), false, ""),
            ("a device", with(local, "volumeMode", json!("Block")), false, "n1"),
            ("of the network", json!({"nfs": {"server": "a", "path": "/"}}), false, ""),
        ];
        for (name, spec, is_served, node) in table {
            let found = volume(&spec, "{}");
            assert_eq!((found.is_served, found.node.as_str()), (is_served, node), "{name}");
        }
        let lives = volume(&host(), r#"{"phase": "Released", "livesOn": "n2"}"#);
        assert_eq!(lives.node, "n2", "its first pod has said where");
    }

    #[test]
    fn only_what_an_agent_made_is_removed() {
        let spec = |path: &str, policy: Value| {
            spec_of(&json!({"spec": {"local": {"path": path},
                "persistentVolumeReclaimPolicy": policy}}))
        };
        assert_eq!(fate("pvc-1", &spec("claims/pvc-1", json!("Delete"))), Fate::Removed);
        assert_eq!(fate("pvc-1", &spec("claims/pvc-1", json!("Retain"))), Fate::Kept);
        assert_eq!(fate("data", &spec("/mnt/data", Value::Null)), Fate::Kept);
        let failed = fate("data", &spec("/mnt/data", json!("Delete")));
        assert!(matches!(failed, Fate::Failed(why) if why.contains("its data stays")));
    }

    #[test]
    fn what_lies_at_a_volume_stays_and_who_may_have_it_may_change() {
        let before = json!({"spec": host()});
        let table = [
            ("claimRef", json!({"name": "data", "namespace": "default"}), ""),
            ("persistentVolumeReclaimPolicy", json!("Retain"), ""),
            ("volumeMode", json!("Filesystem"), ""),
            ("nodeAffinity", on("n1"), ""),
            ("hostPath", json!({"path": "/mnt/other"}), "spec.hostPath: Forbidden"),
            ("local", json!({"path": "/mnt/other"}), "spec.local: Forbidden"),
            ("volumeMode", json!("Block"), "spec.volumeMode: Invalid"),
        ];
        for (field, value, expected) in table {
            let mut after = before.clone();
            after["spec"][field] = value;
            let found = refusals(&before, &after).join(", ");
            assert_eq!(found.is_empty(), expected.is_empty(), "{field}: {found}");
            assert!(found.starts_with(expected), "{field}: {found}");
        }
        let mut there = before.clone();
        there["spec"]["nodeAffinity"] = on("n1");
        let moved = refusals(&there, &before);
        assert_eq!(moved, ["spec.nodeAffinity: Invalid value: field is immutable"]);
    }
}
