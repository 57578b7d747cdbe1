//! The Services that select a pod, found by its labels.
//!
//! Each Service stands under one of the labels that it wants: the one under which the fewest stand. A pod
//! is held against those that stand under its own labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::names::Name;

type Pair = (String, String);

/// Selectors by the names of their Services.
type Named = BTreeMap<Arc<str>, BTreeMap<String, String>>;

/// Selectors by namespace and one of their labels.
#[derive(Default)]
pub(super) struct Selectors {
    by_namespace: HashMap<Arc<str>, HashMap<Pair, Named>>,
}

impl Selectors {
    pub(super) fn add(&mut self, name: &Name, selector: &BTreeMap<String, String>) {
        let pairs = self.by_namespace.entry(name.0.clone()).or_default();
        let standing = |pair: &Pair| pairs.get(pair).map_or(0, BTreeMap::len);
        let own = selector.iter().map(|(key, value)| (key.clone(), value.clone()));
        if let Some(pair) = own.min_by_key(standing) {
            let here = pairs.entry(pair).or_default();
            here.insert(name.1.clone(), selector.clone());
        }
    }

    pub(super) fn remove(&mut self, name: &Name, selector: &BTreeMap<String, String>) {
        let Some(pairs) = self.by_namespace.get_mut(&name.0) else { return };
        for (key, value) in selector {
            let pair = (key.clone(), value.clone());
            if let Some(here) = pairs.get_mut(&pair) {
                here.remove(&name.1);
                if here.is_empty() {
                    pairs.remove(&pair);
                }
            }
        }
        if pairs.is_empty() {
            self.by_namespace.remove(&name.0);
        }
    }

    /// The Services of a namespace that select these labels, by name.
    pub(super) fn selecting(
        &self,
        namespace: &Arc<str>,
        labels: &BTreeMap<String, String>,
    ) -> BTreeSet<Name> {
        let Some(pairs) = self.by_namespace.get(namespace) else { return BTreeSet::new() };
        let here = labels.iter().filter_map(|(key, value)| {
            // The map is asked by pairs that it owns.
            pairs.get(&(key.clone(), value.clone()))
        });
        let selects = |selector: &BTreeMap<String, String>| {
            selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        let found = here.flatten().filter(|(_, selector)| selects(selector));
        found.map(|(name, _)| (namespace.clone(), name.clone())).collect()
    }
}
