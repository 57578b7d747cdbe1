//! Claims, volumes and storage classes: what may be asked of them.
//!
//! A claim that pods use is not deleted before the last of them is gone; a volume that is bound goes
//! with its claim alone.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::admission::{Owned, Refusal};
use setpoint_rules::claim;
use setpoint_schemas::{ClaimStatus, LOCAL_CLASS, Resource, ResourceKey, VolumeStatus};

use super::judge::Judge;
use crate::decide::cold::rfc3339;
use crate::decide::kinds::{is_claim, is_storage_class, is_volume};

impl Judge<'_> {
    /// A claim has the class that it names, or the default one, and the volume that was made for it.
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
        let spec = &mut put.object["spec"];
        match spec["volumeName"].as_str().unwrap_or_default() {
            "" => {}
            // Whoever writes back what he was shown.
            named if named == status.volume_name => {}
            named => {
                let message = format!(
                    "PersistentVolumeClaim {:?} is invalid: spec.volumeName: Invalid value: \
                     {named:?}: a claim gets a volume of its own, and is not bound to one that is \
                     named; leave the field out",
                    key.name
                );
                return Err(Refusal { code: 422, message });
            }
        }
        if spec["storageClassName"].is_null() {
            let before: Option<Value> =
                present.and_then(|claim| serde_json::from_str(&claim.body).ok());
            let known = before.map(|before| before["spec"]["storageClassName"].clone());
            let default = || json!(self.state.claims.default_class());
            let class = known.filter(|class| !class.is_null()).unwrap_or_else(default);
            if !class.is_null() {
                spec["storageClassName"] = class;
            }
        }
        Ok(())
    }

    /// The status of a claim that is to have this body: what it asks for is said to be there.
    pub(super) fn claim_status(&self, present: Option<&Resource>, body: &Value) -> Arc<str> {
        let mut status = present.map(|claim| ClaimStatus::read(&claim.status)).unwrap_or_default();
        if status.volume_name.is_empty() {
            status.phase = "Pending".to_owned();
        } else {
            status.capacity.insert("storage".to_owned(), claim::storage(&body["spec"]));
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
        if !is_volume(key) || status.node.is_empty() || status.phase != "Bound" {
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
