//! The placed pods of each namespace, grouped by their labels: those that a selector selects are found
//! without looking at all.
//!
//! There are as many groups as revisions of workloads, not as pods.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_schemas::PodUid;

/// A pod's labels.
pub(super) type Labels = Arc<BTreeMap<String, String>>;

/// A placed pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(super) id: u32,
    pub(super) uid: PodUid,
    pub(super) namespace: Arc<str>,
    pub(super) labels: Labels,
}

/// The numbers of pods by namespace and labels.
#[derive(Default)]
pub(super) struct Groups {
    by_namespace: HashMap<Arc<str>, HashMap<Labels, BTreeSet<u32>>>,
}

impl Groups {
    pub(super) fn join(&mut self, member: &Member) {
        let groups = self.by_namespace.entry(member.namespace.clone()).or_default();
        groups.entry(member.labels.clone()).or_default().insert(member.id);
    }

    pub(super) fn part(&mut self, member: &Member) {
        let Some(groups) = self.by_namespace.get_mut(&member.namespace) else { return };
        if let Some(group) = groups.get_mut(&member.labels) {
            group.remove(&member.id);
            if group.is_empty() {
                groups.remove(&member.labels);
            }
        }
        if groups.is_empty() {
            self.by_namespace.remove(&member.namespace);
        }
    }

    /// The pods of a namespace that have all of these labels; none where there are no labels to have.
    pub(super) fn matching(
        &self,
        namespace: &str,
        selector: &BTreeMap<String, String>,
    ) -> Vec<u32> {
        if selector.is_empty() {
            return Vec::new();
        }
        let groups = self.by_namespace.get(namespace).into_iter().flatten();
        let has_all = |labels: &Labels| selector.iter().all(|(k, v)| labels.get(k) == Some(v));
        let found = groups.filter(|(labels, _)| has_all(labels)).flat_map(|(_, ids)| ids);
        found.copied().collect()
    }
}
