//! Claims and storage classes as they are accepted, and volumes that go: whoever waits for one is looked at.

use serde_json::Value;
use setpoint_rules::claim::{Claim, Class, local_class, volume_name};
use setpoint_schemas::{LOCAL_CLASS, Resource, ResourceKey};

use crate::decide::Turn;
use crate::decide::kinds::storage_class_key;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A claim is new or changed.
    pub(crate) fn claim_put(&mut self, key: &ResourceKey, resource: &Resource) {
        let claim = Claim::of(resource);
        let is_at_rest = claim.is_bound() && !claim.is_leaving;
        if self.state.claims.put(key, claim.clone()) != Some(claim) {
            self.claim_changed(key);
            if !is_at_rest {
                self.sets_look_at(key);
            }
        }
    }

    /// A set has made a claim, whose pod it is about to place.
    pub(super) fn claim_made(&mut self, key: &ResourceKey, resource: &Resource) {
        self.state.claims.put(key, Claim::of(resource));
        self.claim_changed(key);
    }

    /// A claim is gone.
    pub(crate) fn claim_gone(&mut self, key: &ResourceKey) {
        self.state.claims.remove(key);
        self.claim_changed(key);
        self.sets_look_at(key);
    }

    /// A StatefulSet whose pod would have this claim makes it anew, or waits for its end.
    pub(super) fn sets_look_at(&mut self, key: &ResourceKey) {
        for id in self.state.sets_of(key) {
            self.unpromise_all(id);
            self.state.mark(id);
        }
    }

    /// Promises were made for where the data was then, or for nowhere: they are given up, and the
    /// workloads that name the claim looked at.
    fn claim_changed(&mut self, key: &ResourceKey) {
        for id in self.state.claims.naming(key) {
            self.unpromise_all(id);
            if self.state.daemons.contains(&id) {
                self.state.look_everywhere(id);
            }
            self.state.mark(id);
        }
    }

    /// A workload is new, changed or gone: which claims it names, what it follows and
    /// what it depends on.
    pub(crate) fn find_ties(&mut self, id: u32) {
        let workload = self.state.workload.get(&id).map(Box::as_ref);
        self.state.claims.look_at(id, workload);
        self.state.followers.look_at(id, workload);
        self.state.dependants.look_at(id, workload);
    }

    /// A volume is gone: where it had the name of a folder, who waits may have been kept from his own by it.
    pub(crate) fn volume_gone(&mut self, key: &ResourceKey) {
        self.state.claims.remove_volume(&key.name);
        if key.name.starts_with(&volume_name("")) {
            self.who_waits_looks();
        }
    }

    /// A storage class is new or changed: who waits for it is tried again.
    pub(crate) fn storage_class_put(&mut self, resource: &Resource) {
        self.state.claims.put_class(&resource.name, class_of(resource));
        self.who_waits_looks();
    }

    fn who_waits_looks(&mut self) {
        self.state.meta.retry.freed |= !self.state.waiting.hopeful().is_empty();
        self.daemons_look_where_they_wait();
    }

    /// The storage class that is always there.
    pub(crate) fn ensure_local_class(&mut self) {
        // Asked in every epoch: nothing is built when it is there.
        if self.state.claims.class(LOCAL_CLASS).is_some() {
            return;
        }
        let key = storage_class_key(LOCAL_CLASS);
        self.ensure(key.clone(), &local_class());
        if let Some(resource) = self.state.resources.get(&key) {
            self.state.claims.put_class(LOCAL_CLASS, class_of(resource));
        }
    }
}

/// A class as its resource has it.
pub(crate) fn class_of(resource: &Resource) -> Class {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    Class::of(&body)
}
