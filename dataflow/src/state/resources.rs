//! The resources, by key.
//!
//! Guarantee: finding one costs a hash of its key, not a walk through a tree of texts. Absent: an order;
//! who needs one sorts.

use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use setpoint_schemas::{Resource, ResourceKey};

/// Rows by the keys of resources, in no order that may decide anything.
pub(crate) type Keyed<T> = HashMap<ResourceKey, T, FxBuildHasher>;

/// Resources by their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resources(Keyed<Arc<Resource>>);

impl Resources {
    pub(crate) fn get(&self, key: &ResourceKey) -> Option<&Arc<Resource>> {
        self.0.get(key)
    }

    pub(crate) fn contains_key(&self, key: &ResourceKey) -> bool {
        self.0.contains_key(key)
    }

    /// Puts one in; the one that was there.
    pub(crate) fn insert(&mut self, resource: Arc<Resource>) -> Option<Arc<Resource>> {
        self.0.insert(resource.key(), resource)
    }

    /// Puts another one in its place; the one that was there.
    pub(crate) fn replace(
        &mut self,
        key: &ResourceKey,
        resource: Arc<Resource>,
    ) -> Option<Arc<Resource>> {
        match self.0.get_mut(key) {
            Some(there) => Some(std::mem::replace(there, resource)),
            None => self.0.insert(key.clone(), resource),
        }
    }

    pub(crate) fn remove(&mut self, key: &ResourceKey) -> Option<Arc<Resource>> {
        self.0.remove(key)
    }

    /// All of them in order of their keys: as slow as there are many.
    pub(crate) fn in_order(&self) -> Vec<(&ResourceKey, &Arc<Resource>)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    /// Their keys, in no order that may decide anything.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ResourceKey> {
        self.0.keys()
    }
}
