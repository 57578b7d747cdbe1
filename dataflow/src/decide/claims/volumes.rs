//! Volumes that people write, and those that were kept: bound to the claims that they fit.
//!
//! Guarantee: no volume is bound to two claims. A claim is bound in the epoch in which both are there, before
//! anything is placed, and stays so; looking again finds nothing to do. Who has what follows from the
//! claims' turns alone, so that an engine which looks at all of them finds the same as one that looks at
//! what changed; no folder is removed but that of a volume which was bound. A follower binds in its own step, as
//! its leader does. Where something else is recorded that stands: correcting binds nothing, and what is due
//! by it is looked at in the next epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::volume::{Fate, Volume, fate, spec_of};
use setpoint_schemas::{ClaimStatus, Resource, ResourceKey, VolumeStatus};

use crate::decide::Turn;
use crate::decide::cold::rfc3339;
use crate::decide::kinds::volume_key;
use crate::state::{ClaimTurn, VolumeName};
use crate::views::Views;

/// What a volume is told of that no node serves.
const NOT_SERVED: &str =
    "no node here serves it: a volume is a local folder or a hostPath of one node";
/// What a volume is told of whose folder would go with its claim, and that no claim here has had.
const NEVER_BOUND: &str = "its claim is not there, and it was bound to none here: its folder stays; \
                           delete the volume, or take its claimRef off";

impl<V: Views> Turn<'_, V> {
    /// A volume is new or changed.
    pub(crate) fn volume_put(&mut self, key: &ResourceKey, resource: &Resource) {
        self.state.claims.put_volume(&key.name, Volume::of(resource));
    }

    /// Binds what fits each other, of the volumes and claims that changed.
    pub(crate) fn bind_volumes(&mut self) {
        // Asked in every round of planning: mostly nothing has changed.
        if !self.state.claims.volumes.is_any_due() {
            return;
        }
        let (volumes, claims) = self.state.claims.volumes.take_due();
        volumes.iter().for_each(|name| self.look_at_volume(name));
        let all = &self.state.claims.volumes;
        let mut turns: BTreeMap<ClaimTurn, Vec<VolumeName>> = BTreeMap::new();
        for turn in claims.iter().filter_map(|key| all.turn_of(key)) {
            turns.entry(turn).or_default();
        }
        for name in volumes {
            if let Some(turn) = all.first_for(&name) {
                turns.entry(turn).or_default().push(name);
            }
        }
        while let Some(((_, _, key), offered)) = turns.pop_first() {
            if !self.bind_to_volume(&key) {
                continue;
            }
            // What it did not take is for the next one.
            for name in offered {
                if let Some(turn) = self.state.claims.volumes.first_for(&name) {
                    turns.entry(turn).or_default().push(name);
                }
            }
        }
    }

    /// How a volume stands, by whose it says that it is.
    fn look_at_volume(&mut self, name: &VolumeName) {
        let Some(volume) = self.state.claims.volumes.get(name) else { return };
        let (is_free, is_served, claim) =
            (volume.is_free(), volume.is_served, volume.claim.clone());
        let Some(claim) = claim else {
            if is_free {
                self.volume_stands(name, "Available", "");
            } else if !is_served {
                self.volume_stands(name, "Pending", NOT_SERVED);
            }
            return;
        };
        let key = claim.key();
        let there = self.state.resources.get(&key).filter(|there| claim.means(&there.uid));
        let has = there.and_then(|_| self.state.claims.get(&key)).map(|row| row.volume.clone());
        match has.as_deref() {
            Some(other) if other == &**name => self.volume_stands(name, "Bound", ""),
            _ if !is_served => self.volume_stands(name, "Pending", NOT_SERVED),
            // It is kept for the claim that it names.
            Some("") => self.volume_stands(name, "Available", ""),
            _ if claim.uid.is_empty() => self.volume_stands(name, "Available", ""),
            _ => self.volume_released(&volume_key(name)),
        }
    }

    /// Binds a claim that has no volume to the one that fits it best, where there is one; StatefulSets
    /// whose pods wait for it look again.
    fn bind_to_volume(&mut self, key: &ResourceKey) -> bool {
        let is_bound = self.find_volume(key);
        if is_bound {
            self.sets_look_at(key);
        }
        is_bound
    }

    /// The same, for who looks anyway; whether there was one.
    pub(super) fn find_volume(&mut self, key: &ResourceKey) -> bool {
        let Some(name) = self.state.claims.volumes.for_claim(key) else { return false };
        let Some(row) = self.state.claims.volumes.get(&name).cloned() else { return false };
        let Some(claim) = self.state.resources.get(key).cloned() else { return false };
        self.give_volume(&volume_key(&name), &claim);
        let body: Value = self.body_of(&volume_key(&name));
        let status = ClaimStatus {
            phase: "Bound".to_owned(),
            access_modes: row.modes,
            capacity: [("storage".to_owned(), body["spec"]["capacity"]["storage"].clone())].into(),
            volume_name: name.to_string(),
            node: row.node,
            source: row.source,
            ..ClaimStatus::read(&claim.status)
        };
        self.tell_claim(key, &claim, &status);
        true
    }

    /// A volume is this claim's from now on.
    fn give_volume(&mut self, key: &ResourceKey, claim: &Resource) {
        let Some(volume) = self.state.resources.get(key).cloned() else { return };
        let mut body: Value = serde_json::from_str(&volume.body).unwrap_or_default();
        body["spec"]["claimRef"] = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "namespace": claim.namespace, "name": claim.name, "uid": claim.uid});
        let spec = spec_of(&body);
        let before = VolumeStatus::read(&volume.status);
        let made = spec.node_affinity.as_ref().and_then(|affinity| affinity.node());
        let node = made.filter(|_| spec.is_made_folder(&key.name)).unwrap_or_default();
        let status = VolumeStatus {
            phase: "Bound".to_owned(),
            message: String::new(),
            node: node.to_owned(),
            last_phase_transition_time: rfc3339(self.now),
            ..before
        };
        let status = serde_json::to_string(&status).unwrap_or_default();
        let body: Arc<str> = Arc::from(body.to_string());
        let volume = Resource {
            generation: volume.generation + i64::from(volume.body != body),
            body,
            status: Arc::from(status),
            version: self.out.number,
            ..Resource::clone(&volume)
        };
        self.set_volume(key, volume);
    }

    /// The first pod of a claim whose volume names no node was placed: there it is from now on.
    pub(super) fn settle_volume(&mut self, key: &ResourceKey, node: &str) {
        let Some(claim) = self.state.resources.get(key).cloned() else { return };
        let before = ClaimStatus::read(&claim.status);
        let volume = volume_key(&before.volume_name);
        if let Some(there) = self.state.resources.get(&volume) {
            let status =
                VolumeStatus { lives_on: node.to_owned(), ..VolumeStatus::read(&there.status) };
            self.tell_volume(&volume, &status);
        }
        self.tell_claim(key, &claim, &ClaimStatus { node: node.to_owned(), ..before });
    }

    /// The claim of a volume is gone: what becomes of that, unless it was told before.
    pub(super) fn volume_released(&mut self, key: &ResourceKey) {
        let Some(volume) = self.state.resources.get(key) else { return };
        let before = VolumeStatus::read(&volume.status);
        if ["Released", "Failed"].contains(&before.phase.as_str()) {
            return;
        }
        let body: Value = serde_json::from_str(&volume.body).unwrap_or_default();
        let (spec, now) = (spec_of(&body), rfc3339(self.now));
        let named = spec.node_affinity.as_ref().and_then(|affinity| affinity.node());
        let was_bound = before.phase == "Bound";
        let mut status = VolumeStatus {
            phase: "Released".to_owned(),
            message: String::new(),
            last_phase_transition_time: now.clone(),
            ..before
        };
        match fate(&key.name, &spec) {
            Fate::Kept => {}
            // As one of another fleet that was written here: nobody has said that its data may go.
            Fate::Removed if !was_bound => status.message = NEVER_BOUND.to_owned(),
            Fate::Removed => {
                if status.node.is_empty() {
                    status.node = named.unwrap_or_default().to_owned();
                }
                status.deletion_timestamp = now;
            }
            Fate::Failed(why) => (status.phase, status.message) = ("Failed".to_owned(), why),
        }
        self.tell_volume(key, &status);
    }

    /// A volume is in this phase, and why.
    fn volume_stands(&mut self, name: &str, phase: &str, message: &str) {
        let key = volume_key(name);
        let Some(volume) = self.state.resources.get(&key) else { return };
        let before = VolumeStatus::read(&volume.status);
        if (before.phase.as_str(), before.message.as_str()) == (phase, message) {
            return;
        }
        let status = VolumeStatus {
            phase: phase.to_owned(),
            message: message.to_owned(),
            last_phase_transition_time: rfc3339(self.now),
            ..before
        };
        self.tell_volume(&key, &status);
    }

    /// Puts into a volume's resource how it stands.
    pub(super) fn tell_volume(&mut self, key: &ResourceKey, status: &VolumeStatus) {
        let Some(volume) = self.state.resources.get(key) else { return };
        let text = serde_json::to_string(status).unwrap_or_default();
        if *volume.status == *text {
            return;
        }
        let status = Arc::from(text);
        let volume = Resource { status, version: self.out.number, ..Resource::clone(volume) };
        self.set_volume(key, volume);
    }

    /// Puts into a claim's resource how it stands.
    pub(super) fn tell_claim(&mut self, key: &ResourceKey, claim: &Resource, status: &ClaimStatus) {
        let status = Arc::from(serde_json::to_string(status).unwrap_or_default());
        let claim =
            Arc::new(Resource { status, version: self.out.number, ..Resource::clone(claim) });
        self.state.set_resource(key, Some(claim.clone()));
        self.out.resources.push((key.clone(), Some(claim.clone())));
        self.claim_put(key, &claim);
    }

    pub(super) fn set_volume(&mut self, key: &ResourceKey, volume: Resource) {
        self.volume_put(key, &volume);
        let volume = Arc::new(volume);
        self.state.set_resource(key, Some(volume.clone()));
        self.out.resources.push((key.clone(), Some(volume)));
    }

    fn body_of(&self, key: &ResourceKey) -> Value {
        let body = self.state.resources.get(key).map(|there| there.body.clone());
        body.map_or(Value::Null, |body| serde_json::from_str(&body).unwrap_or_default())
    }
}
