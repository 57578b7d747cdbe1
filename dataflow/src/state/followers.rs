//! Which workloads are to be replaced when a ConfigMap or Secret changes, by what they read.
//!
//! Guarantee: follows from the workloads' resources; a change costs those that asked to follow it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use setpoint_rules::sources;
use setpoint_schemas::ResourceKey;

use super::Workload;

/// Those that asked.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    of_source: HashMap<ResourceKey, BTreeSet<u32>>,
    sources: HashMap<u32, BTreeSet<ResourceKey>>,
    /// Sources that a request has changed so far.
    pub(crate) changed: BTreeSet<ResourceKey>,
}

impl Followers {
    /// A workload is new, changed or gone: what it follows is found out anew.
    pub(crate) fn look_at(&mut self, id: u32, workload: Option<&Workload>) {
        for source in self.sources.remove(&id).unwrap_or_default() {
            if let Some(ids) = self.of_source.get_mut(&source) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.of_source.remove(&source);
                }
            }
        }
        let Some(workload) = workload.filter(|w| w.wants.follows_sources) else { return };
        let Some(template) = workload.memo.templates.get(&workload.memo.current) else { return };
        let template: Value = serde_json::from_str(template).unwrap_or_default();
        let named = sources::named_in(&template["spec"], &workload.key.namespace);
        for source in &named {
            self.of_source.entry(source.clone()).or_default().insert(id);
        }
        self.sources.insert(id, named);
    }

    /// What a workload follows.
    pub(crate) fn sources(&self, id: u32) -> impl Iterator<Item = &ResourceKey> {
        self.sources.get(&id).into_iter().flatten()
    }

    /// Who follows a source.
    pub(crate) fn of(&self, source: &ResourceKey) -> impl Iterator<Item = u32> {
        self.of_source.get(source).into_iter().flatten().copied()
    }
}
