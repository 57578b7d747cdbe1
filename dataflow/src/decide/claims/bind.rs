//! A claim gets its data where the first pod that uses it goes.
//!
//! Guarantee: where a claim's data lives stands in the same epoch as the pod's placement, and does
//! not change afterwards. A volume that is there already is nobody's folder to be made: the claim is bound to none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::claim::{self, Claim, storage, volume_body, volume_name};
use setpoint_schemas::{Action, ClaimStatus, NodeName, Resource, ResourceKey, VolumeStatus};

use crate::decide::Turn;
use crate::decide::cold::rfc3339;
use crate::decide::kinds::volume_key;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A pod of this number was placed: it uses its claims, and those whose data is nowhere yet have it on
    /// this node.
    pub(crate) fn take_claims(&mut self, id: u32, node: &NodeName) {
        self.use_claims(id);
        let Some(pod) = self.state.pods.get(&id) else { return };
        let is_nowhere =
            |key: &ResourceKey| self.state.claims.get(key).is_some_and(|claim| !claim.has_home());
        let claims = self.state.claims_of_pod(pod).into_iter();
        let nowhere: Vec<ResourceKey> = claims.filter(is_nowhere).collect();
        for key in &nowhere {
            match self.state.claims.get(key).is_some_and(Claim::is_bound) {
                true => self.settle_volume(key, node.as_str()),
                false => self.bind(id, key, node),
            }
        }
    }

    /// A pod uses the claims of its template, and its own.
    pub(crate) fn use_claims(&mut self, id: u32) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let keys = self.state.claims_of_pod(pod);
        self.state.claims.begin(id, keys);
    }

    fn bind(&mut self, id: u32, key: &ResourceKey, node: &NodeName) {
        let Some(claim) = self.state.resources.get(key).cloned() else { return };
        let volume_key = volume_key(&volume_name(&claim.uid));
        if self.state.resources.contains_key(&volume_key) {
            return self.folder_is_taken(id, key, &volume_key);
        }
        let body: Value = serde_json::from_str(&claim.body).unwrap_or_default();
        let spec = &body["spec"];
        let claims = &self.state.claims;
        let named = spec["storageClassName"].as_str().or_else(|| claims.default_class());
        let class = named.unwrap_or_default();
        let reclaim = claims.class(class).map_or("Delete", |class| class.reclaim.as_str());
        let volume = volume_body(&claim, spec, node.as_str(), class, reclaim);
        let status = VolumeStatus {
            phase: "Bound".to_owned(),
            node: node.to_string(),
            last_phase_transition_time: rfc3339(self.now),
            ..VolumeStatus::default()
        };
        self.ensure(volume_key.clone(), &volume);
        self.tell_volume(&volume_key, &status);
        let modes = spec["accessModes"].as_array().into_iter().flatten();
        let before = ClaimStatus::read(&claim.status);
        let status = ClaimStatus {
            phase: "Bound".to_owned(),
            access_modes: modes.filter_map(Value::as_str).map(str::to_owned).collect(),
            capacity: BTreeMap::from([("storage".to_owned(), storage(spec))]),
            volume_name: volume_key.name.to_string(),
            node: node.to_string(),
            made_for: before.made_for,
            made_with: before.made_with,
            ..ClaimStatus::default()
        };
        self.tell_claim(key, &claim, &status);
    }

    /// Of a claim that was there before, its pod was told that and waits; this one was made with its pod, and
    /// somebody knew its uid beforehand.
    fn folder_is_taken(&mut self, id: u32, key: &ResourceKey, volume: &ResourceKey) {
        let causes = self.cause_of_epoch();
        let Some((_, _, about)) = self.about_pod(id, causes) else { return };
        let why = claim::taken(&key.name, &volume.name);
        self.ledger.write(Action::Wait, "placement", why, about);
    }

    /// What a claim asks for has grown: its volume is said to hold as much.
    pub(crate) fn grow_volume(&mut self, claim: &Resource) {
        let status = ClaimStatus::read(&claim.status);
        let key = volume_key(&status.volume_name);
        let Some(volume) = self.state.resources.get(&key) else { return };
        let mut body: Value = serde_json::from_str(&volume.body).unwrap_or_default();
        let asked = status.capacity.get("storage").cloned().unwrap_or_default();
        if body["spec"]["capacity"]["storage"] == asked {
            return;
        }
        body["spec"]["capacity"]["storage"] = asked;
        let volume = Resource {
            body: Arc::from(body.to_string()),
            version: self.out.number,
            generation: volume.generation + 1,
            ..Resource::clone(volume)
        };
        self.set_volume(&key, volume);
    }
}
