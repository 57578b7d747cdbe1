//! The workloads of a namespace.

use std::sync::Arc;

use setpoint_schemas::ResourceKey;

use super::State;

/// Stands behind every name.
const LAST: &str = "\u{10ffff}";

impl State {
    /// The workloads of a namespace, in the order of their keys: those of each kind stand together, so
    /// that a look at each kind finds them.
    pub(crate) fn workloads_in(&self, namespace: &Arc<str>) -> Vec<u32> {
        let mut found = Vec::new();
        let mut next = self.workloads.keys().next().map(|key| key.kind.clone());
        while let Some(kind) = next {
            let first = ResourceKey::new(kind.clone(), namespace, "");
            let here = self.workloads.range(first..);
            let here = here.take_while(|(key, _)| key.kind == kind && key.namespace == *namespace);
            found.extend(here.map(|(_, id)| *id));
            let last = ResourceKey::new(kind, LAST, LAST);
            next = self.workloads.range(last..).next().map(|(key, _)| key.kind.clone());
        }
        found
    }
}
