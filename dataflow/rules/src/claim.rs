//! Claims on folders of nodes: how a claim stands, why a pod has to wait for one, and the volume that
//! is made for it.
//!
//! Source: Kubernetes' local volumes with `WaitForFirstConsumer`, its plugins VolumeBinding and
//! VolumeRestrictions, and `ValidatePersistentVolumeClaimUpdate`.
//! Absent: how full a folder is. What a claim asks for is written down and not measured.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_schemas::{ClaimStatus, LOCAL_CLASS, LOCAL_PROVISIONER, Resource};

use crate::volume::{Wants, bytes_asked};

/// The mode of a claim that only one pod uses at a time.
const ONE_POD: &str = "ReadWriteOncePod";
/// What says that a storage class is the default one.
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// A claim, as far as it decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The node that its data lives on; empty while it lives nowhere.
    pub node: String,
    /// Its volume; empty while it has none.
    pub volume: String,
    /// The storage class that it names; empty where none.
    pub class: String,
    /// Whether only one pod uses it at a time.
    pub is_exclusive: bool,
    /// Whether it goes with the last pod that uses it.
    pub is_leaving: bool,
    /// The StatefulSet that it was made for, by name; empty where somebody made it.
    pub made_for: String,
    /// The pod that it was made with and goes with, by uid; empty for one that outlasts its pods.
    pub made_with: String,
    /// What it asks of a volume that somebody wrote; `None` once it has one, or where it can have none.
    pub wants: Option<Arc<Wants>>,
    /// Whether it says that it has no class: nothing is made for it.
    pub is_classless: bool,
}

/// A storage class, as far as it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Who makes volumes for its claims.
    pub provisioner: String,
    /// What becomes of a volume whose claim is gone: `Delete` or `Retain`.
    pub reclaim: String,
    /// Whether claims that name no class have this one.
    pub is_default: bool,
}

impl Claim {
    /// As its resource has it.
    #[must_use]
    pub fn of(resource: &Resource) -> Claim {
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let status = ClaimStatus::read(&resource.status);
        let modes = body["spec"]["accessModes"].as_array();
        let class = body["spec"]["storageClassName"].as_str();
        let is_waiting =
            status.volume_name.is_empty() && status.made_with.is_none() && !status.is_leaving();
        Claim {
            wants: is_waiting.then(|| Arc::new(Wants::of(resource, &body))),
            is_classless: class == Some(""),
            class: class.unwrap_or_default().to_owned(),
            is_exclusive: modes.is_some_and(|modes| modes.iter().any(|mode| mode == ONE_POD)),
            is_leaving: status.is_leaving(),
            node: status.node,
            volume: status.volume_name,
            made_for: status.made_for,
            made_with: status.made_with.map(|pod| pod.uid).unwrap_or_default(),
        }
    }

    /// Whether it has a volume.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        !self.volume.is_empty()
    }

    /// Whether its data lives on some node. That of a volume which names none does when its first pod is
    /// placed.
    #[must_use]
    pub fn has_home(&self) -> bool {
        !self.node.is_empty()
    }

    /// Why a pod that is new to it cannot use it now, whichever node it would go to; `None` when it
    /// can. `class` is the one that it names, `user` a pod that uses it.
    #[must_use]
    pub fn forbids(&self, name: &str, class: Option<&Class>, user: Option<&str>) -> Option<String> {
        if self.is_leaving {
            return Some(format!(
                "persistentvolumeclaim {name:?} is being deleted: it goes when no pod uses it"
            ));
        }
        if let Some(user) = user.filter(|_| self.is_exclusive) {
            return Some(format!(
                "its claim {name} is {ONE_POD}, and pod {user} uses it: one pod at a time"
            ));
        }
        if self.is_bound() {
            return None;
        }
        if let Some(why) = self.awaits_volume(name) {
            return Some(why);
        }
        let named = &self.class;
        match class {
            None if named.is_empty() => Some(format!(
                "its claim {name} has no storage class: name one, such as {LOCAL_CLASS}"
            )),
            None => Some(format!(
                "its claim {name} waits for the storage class {named:?}, which does not exist: write a \
                 PersistentVolume of it that fits, or make the claim again with a class that does, \
                 such as {LOCAL_CLASS}"
            )),
            Some(class) if class.provisioner != LOCAL_PROVISIONER => Some(format!(
                "its claim {name} waits for {}, which nobody here answers for: write a \
                 PersistentVolume of the class {named:?} that fits, or make the claim again with the \
                 class {LOCAL_CLASS}",
                class.provisioner
            )),
            Some(_) => None,
        }
    }

    /// Why it waits for a volume that somebody writes; `None` where a folder can be made for it.
    fn awaits_volume(&self, name: &str) -> Option<String> {
        let wants = self.wants.as_deref();
        if let Some(wants) = wants.filter(|wants| !wants.volume.is_empty()) {
            return Some(format!(
                "its claim {name} waits for the volume {:?}: that must be there, be free or name the claim \
                 in its claimRef, and have the claim's class, its access modes and as much storage",
                wants.volume
            ));
        }
        if self.is_classless {
            return Some(format!(
                "its claim {name} waits for a PersistentVolume without a class that fits: write one, or \
                 make the claim again with a class, such as {LOCAL_CLASS}"
            ));
        }
        wants.filter(|wants| wants.selector.is_some()).map(|_| {
            format!(
                "its claim {name} waits for a PersistentVolume of its class that its selector chooses: \
                 write one, or make the claim again without a selector"
            )
        })
    }
}

impl Class {
    /// As its object has it.
    #[must_use]
    pub fn of(object: &Value) -> Class {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let is_default = object["metadata"]["annotations"][DEFAULT] == "true";
        let reclaim = Some(text("reclaimPolicy")).filter(|policy| policy == "Retain");
        Class {
            provisioner: text("provisioner"),
            reclaim: reclaim.unwrap_or_else(|| "Delete".to_owned()),
            is_default,
        }
    }
}

/// The storage class that is always there.
#[must_use]
pub fn local_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": LOCAL_CLASS, "annotations": {DEFAULT: "true"}},
        "provisioner": LOCAL_PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
    })
}

/// The sentence of a pod whose claim is not there, in Kubernetes' words.
#[must_use]
pub fn absent(name: &str) -> String {
    format!("persistentvolumeclaim {name:?} not found")
}

/// The sentence of a pod whose claims live on different nodes.
#[must_use]
pub fn apart(one: (&str, &str), other: (&str, &str)) -> String {
    format!(
        "its claims live apart, {} on {} and {} on {}: no node has both",
        one.0, one.1, other.0, other.1
    )
}

/// The name of the volume that is made for a claim: no other claim's, and of letters that every
/// file system takes.
#[must_use]
pub fn volume_name(claim_uid: &str) -> String {
    format!("pvc-{claim_uid}")
}

/// The sentence of a pod for whose claim no folder can be made: another volume has the name that its own would
/// have.
#[must_use]
pub fn taken(name: &str, volume: &str) -> String {
    format!(
        "its claim {name} cannot have a folder: a PersistentVolume {volume:?} is there, which is another's: \
         delete that volume"
    )
}

/// The volume of a claim on this node, as Kubernetes shows a local one.
#[must_use]
pub fn volume_body(
    claim: &Resource,
    spec: &Value,
    node: &str,
    class: &str,
    reclaim: &str,
) -> Value {
    let name = volume_name(&claim.uid);
    let term = json!({"matchFields": [
        {"key": "metadata.name", "operator": "In", "values": [node]}]});
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": LOCAL_PROVISIONER},
        },
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": storage(spec)},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace,
                "name": claim.name,
                "uid": claim.uid,
            },
            "local": {"path": format!("claims/{name}")},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            "persistentVolumeReclaimPolicy": reclaim,
            "storageClassName": class,
            "volumeMode": "Filesystem",
        },
    })
}

/// How much a claim asks for.
#[must_use]
pub fn storage(spec: &Value) -> Value {
    spec["resources"]["requests"]["storage"].clone()
}

/// Why a claim may not become this, each reason beginning with the field's path. What the asker leaves
/// out of what was filled in stays as it is.
#[must_use]
pub fn refusals(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (&before["spec"], &after["spec"]);
    let mut refusals = Vec::new();
    for field in ["accessModes", "selector", "volumeMode", "dataSource", "dataSourceRef"] {
        if before[field] != after[field] {
            refusals.push(format!("spec.{field}: Forbidden: spec is immutable after creation"));
        }
    }
    let class = &after["storageClassName"];
    if !class.is_null()
        && !before["storageClassName"].is_null()
        && *class != before["storageClassName"]
    {
        let why = "spec.storageClassName: Forbidden: spec is immutable after creation";
        refusals.push(why.to_owned());
    }
    if bytes_asked(after) < bytes_asked(before) {
        let why = "spec.resources.requests.storage: Forbidden: field can not be less than it was";
        refusals.push(why.to_owned());
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(provisioner: &str) -> Class {
        Class::of(&json!({"provisioner": provisioner}))
    }

    #[test]
    fn a_pod_waits_for_its_claim_with_a_sentence_that_says_what_to_do() {
        let claim = Claim { class: "local".into(), ..Claim::default() };
        let bound = Claim { node: "n".into(), volume: "pvc-1".into(), ..claim.clone() };
        let wanting = |wants: Wants| Claim { wants: Some(Arc::new(wants)), ..claim.clone() };
        let named = wanting(Wants { volume: "mine".into(), ..Wants::default() });
        let choosy = wanting(Wants { selector: Some(Default::default()), ..Wants::default() });
        let classless = Claim { is_classless: true, ..Claim::default() };
        let once = Claim { is_exclusive: true, ..bound.clone() };
        let ours = class(LOCAL_PROVISIONER);
        let theirs = class("ebs.csi.aws.com");
        let table = [
            (claim.clone(), Some(&ours), None, None),
            (claim.clone(), None, None, Some("which does not exist")),
            (claim.clone(), Some(&theirs), None, Some("waits for ebs.csi.aws.com")),
            (Claim::default(), None, None, Some("has no storage class")),
            (classless, None, None, Some("a PersistentVolume without a class")),
            (named, Some(&ours), None, Some("waits for the volume \"mine\"")),
            (choosy, Some(&ours), None, Some("its selector chooses")),
            (wanting(Wants::default()), Some(&ours), None, None),
            (bound.clone(), None, Some("a/b"), None),
            (once.clone(), None, None, None),
            (once, None, Some("a/b"), Some("pod a/b uses it")),
            (Claim { is_leaving: true, ..bound }, None, None, Some("is being deleted")),
        ];
        for (claim, class, user, expected) in table {
            let why = claim.forbids("data", class, user);
            match expected {
                Some(words) => {
                    assert!(why.as_deref().is_some_and(|w| w.contains(words)), "{why:?}")
                }
                None => assert_eq!(why, None, "{claim:?}"),
            }
        }
    }

    #[test]
    fn of_a_claim_only_what_it_asks_for_may_change_and_only_grow() {
        let before = json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local",
            "resources": {"requests": {"storage": "1Gi"}}}});
        let table = [
            ("/spec/resources/requests/storage", json!("2Gi"), None),
            ("/spec/resources/requests/storage", json!("1024Mi"), None),
            ("/spec/resources/requests/storage", json!("1Mi"), Some("can not be less")),
            ("/spec/accessModes", json!(["ReadWriteMany"]), Some("spec.accessModes")),
            ("/spec/storageClassName", json!("fast"), Some("spec.storageClassName")),
            ("/spec/storageClassName", json!(null), None),
        ];
        for (path, value, expected) in table {
            let mut after = before.clone();
            *after.pointer_mut(path).expect(path) = value;
            let found = refusals(&before, &after).join(", ");
            assert_eq!(found.is_empty(), expected.is_none(), "{path}: {found}");
            assert!(found.contains(expected.unwrap_or_default()), "{path}: {found}");
        }
    }
}
