//! Claims, volumes and storage classes: what may be asked of them.
//!
//! A claim that pods use is not deleted before the last of them is gone; a volume that is bound goes
//! with its claim alone.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::admission::{Owned, Refusal};
use setpoint_rules::claim;
use setpoint_rules::volume::{bytes_asked, bytes_of, spec_of};
use setpoint_schemas::{ClaimStatus, LOCAL_CLASS, Resource, ResourceKey, VolumeStatus};

use super::judge::Judge;
use crate::decide::cold::rfc3339;
use crate::decide::kinds::{is_claim, is_storage_class, is_volume};

impl Judge<'_> {
    /// A claim has the class that it names, or the default one, and the volume that it is bound to, or that
    /// it names while it has none.
    pub(super) fn claimed(
        &self,
        key: &ResourceKey,
        present: Option<&Resource>,
        put: &mut Owned,
    ) -> Result<(), Refusal> {
        if !is_claim(key) {
            return Ok(());
        }
        let status = present.map(|claim| ClaimStatus::read(&claim.status)).unwrap_or_default();
        let before: Option<Value> =
            present.and_then(|claim| serde_json::from_str(&claim.body).ok());
        let before = before.map_or(Value::Null, |before| before["spec"].clone());
        let spec = &mut put.object["spec"];
        let known = match status.volume_name.as_str() {
            "" => before["volumeName"].as_str().unwrap_or_default(),
            bound => bound,
        };
        match spec["volumeName"].as_str().unwrap_or_default() {
            "" => {}
            // Whoever writes back what he was shown, or names one for the first time.
            named if known.is_empty() || named == known => {}
            named => {
                let message = format!(
                    "PersistentVolumeClaim {:?} is invalid: spec.volumeName: Invalid value: \
                     {named:?}: the claim has the volume {known}, and keeps it",
                    key.name
                );
                return Err(Refusal { code: 422, message });
            }
        }
        if status.source.is_some() && bytes_asked(spec) > bytes_asked(&before) {
            let message = format!(
                "PersistentVolumeClaim {:?} is forbidden: only dynamically provisioned pvc can be \
                 resized: its volume {} was written by somebody, and is as large as it is",
                key.name, status.volume_name
            );
            return Err(Refusal { code: 403, message });
        }
        if spec["storageClassName"].is_null() {
            let known = Some(before["storageClassName"].clone());
            let default = || json!(self.state.claims.default_class());
            let class = known.filter(|class| !class.is_null()).unwrap_or_else(default);
            if !class.is_null() {
                spec["storageClassName"] = class;
            }
        }
        Ok(())
    }

    /// A volume that is bound stays its claim's, and where its data is: who writes it anew without the claim's
    /// uid means the same.
    pub(super) fn volume_kept(
        &self,
        key: &ResourceKey,
        present: Option<&Resource>,
        put: &mut Owned,
    ) -> Result<(), Refusal> {
        let Some(present) = present.filter(|_| is_volume(key)) else { return Ok(()) };
        let status = VolumeStatus::read(&present.status);
        if status.phase != "Bound" {
            return Ok(());
        }
        let before: Value = serde_json::from_str(&present.body).unwrap_or_default();
        if let Some(why) = moved(&status, &before, &put.object) {
            let message = format!("PersistentVolume {:?} is invalid: {why}", key.name);
            return Err(Refusal { code: 422, message });
        }
        let (Some(kept), asked) = (spec_of(&before).claim_ref, spec_of(&put.object).claim_ref)
        else {
            return Ok(());
        };
        if asked.as_ref().is_some_and(|asked| asked.uid.is_empty() && asked.key() == kept.key()) {
            put.object["spec"]["claimRef"] = before["spec"]["claimRef"].clone();
            return Ok(());
        }
        if asked.as_ref() == Some(&kept) {
            return Ok(());
        }
        let message = format!(
            "PersistentVolume {:?} is invalid: spec.claimRef: Forbidden: it is bound to the claim {}/{}: \
             delete the claim, and then take the claimRef off",
            key.name, kept.namespace, kept.name
        );
        Err(Refusal { code: 422, message })
    }

    /// The status of a claim that is to have this body: what it asks for of a folder is said to be there.
    pub(super) fn claim_status(&self, present: Option<&Resource>, body: &Value) -> Arc<str> {
        let mut status = present.map(|claim| ClaimStatus::read(&claim.status)).unwrap_or_default();
        if status.volume_name.is_empty() {
            status.phase = "Pending".to_owned();
        } else if status.source.is_none() {
            let held = status.capacity.get("storage").cloned().unwrap_or_default();
            if bytes_asked(&body["spec"]) > bytes_of(&held) {
                status.capacity.insert("storage".to_owned(), claim::storage(&body["spec"]));
            }
        }
        Arc::from(serde_json::to_string(&status).unwrap_or_default())
    }

    /// Whether a claim stays for pods that use it.
    pub(super) fn is_used(&self, key: &ResourceKey) -> bool {
        is_claim(key) && self.state.claims.is_used(key)
    }

    /// The status of a claim once its deletion is accepted and something holds it: no other pod may use it.
    pub(super) fn claim_leaves(&self, present: &Resource) -> Arc<str> {
        let mut status = ClaimStatus::read(&present.status);
        if status.is_leaving() {
            return present.status.clone();
        }
        status.deletion_timestamp = rfc3339(self.now);
        Arc::from(serde_json::to_string(&status).unwrap_or_default())
    }

    /// A volume that is bound goes with its claim, and the built-in class stays.
    pub(super) fn volume_may_go(
        &self,
        key: &ResourceKey,
        present: &Resource,
    ) -> Result<(), Refusal> {
        if is_storage_class(key) && &*key.name == LOCAL_CLASS {
            let message = "StorageClass \"local\" is forbidden: it is built in and cannot be \
                           deleted; to have another default, mark that one and unmark this"
                .to_owned();
            return Err(Refusal { code: 403, message });
        }
        let status = VolumeStatus::read(&present.status);
        if !is_volume(key) || status.phase != "Bound" {
            return Ok(());
        }
        let body: Value = serde_json::from_str(&present.body).unwrap_or_default();
        let claim = &body["spec"]["claimRef"];
        let message = format!(
            "PersistentVolume {:?} is bound to the claim {}/{}: delete the claim, and the volume \
             goes with it or is released",
            key.name,
            claim["namespace"].as_str().unwrap_or_default(),
            claim["name"].as_str().unwrap_or_default()
        );
        Err(Refusal { code: 409, message })
    }
}

/// Why a volume that is bound, and that named no node, may not name this one: its data is where its first pod
/// was placed. `None` where it may, or names none now either.
fn moved(status: &VolumeStatus, before: &Value, after: &Value) -> Option<String> {
    // Of one that named a node that is immutable anyway.
    if !before["spec"]["nodeAffinity"].is_null() || after["spec"]["nodeAffinity"].is_null() {
        return None;
    }
    let lives_on = status.lives_on.as_str();
    if lives_on.is_empty() {
        let why = "spec.nodeAffinity: Forbidden: it is bound, and its data is nowhere yet: the first pod \
                   that uses it says where";
        return Some(why.to_owned());
    }
    let asked = spec_of(after).node_affinity;
    let named = asked.as_ref().and_then(|affinity| affinity.node());
    let is_there = named == Some(lives_on);
    (!is_there).then(|| {
        format!("spec.nodeAffinity: Forbidden: it is bound, and its data is on {lives_on}")
    })
}
