//! The catalogue of kinds: the managed ones, known here, and the kept ones that the gate lists.
//!
//! The table is the architecture: a managed kind is one row.

use std::collections::HashMap;
use std::sync::Arc;

use setpoint_schemas::{GroupKind, Standing};

/// A kind as discovery lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindInfo {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The plural in paths, such as `deployments`.
    pub plural: String,
    /// What people may type instead, such as `deploy`.
    pub short_names: Vec<String>,
    /// Whether it lives in a namespace.
    pub namespaced: bool,
    /// Whether it is acted upon.
    pub standing: Standing,
}

impl KindInfo {
    /// Group and kind.
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(&self.group, &self.kind)
    }

    /// Such as `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Plural and group as Kubernetes names them in messages: `deployments.apps`, `pods`.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether it has a number of replicas that `scale` sets.
    #[must_use]
    pub fn scales(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet"
        ) && self.standing == Standing::Managed
    }
}

/// Group, kind, plural, short name, whether namespaced. All of version v1.
const MANAGED: &[(&str, &str, &str, &str, bool)] = &[
    ("", "Pod", "pods", "po", true),
    ("", "Node", "nodes", "no", false),
    ("", "Namespace", "namespaces", "ns", false),
    ("", "ConfigMap", "configmaps", "cm", true),
    ("", "Secret", "secrets", "", true),
    ("", "ReplicationController", "replicationcontrollers", "rc", true),
    ("apps", "Deployment", "deployments", "deploy", true),
    ("apps", "ReplicaSet", "replicasets", "rs", true),
    ("apps", "DaemonSet", "daemonsets", "ds", true),
    ("batch", "Job", "jobs", "", true),
    ("batch", "CronJob", "cronjobs", "cj", true),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true),
    ("", "PersistentVolume", "persistentvolumes", "pv", false),
    ("storage.k8s.io", "StorageClass", "storageclasses", "sc", false),
    ("apps", "StatefulSet", "statefulsets", "sts", true),
    ("", "ResourceQuota", "resourcequotas", "quota", true),
    ("", "LimitRange", "limitranges", "limits", true),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", true),
    ("", "Service", "services", "svc", true),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", "", true),
    ("scheduling.k8s.io", "PriorityClass", "priorityclasses", "pc", false),
];

/// All kinds that are served.
pub(crate) struct Catalogue {
    kinds: Vec<Arc<KindInfo>>,
    by_path: HashMap<(String, String, String), Arc<KindInfo>>,
    by_kind: HashMap<(String, String), Arc<KindInfo>>,
}

impl Catalogue {
    /// The managed kinds and these; a managed kind listed again is left out.
    pub(crate) fn new(kept: Vec<KindInfo>) -> Self {
        let mut catalogue =
            Catalogue { kinds: Vec::new(), by_path: HashMap::new(), by_kind: HashMap::new() };
        for kind in managed().chain(kept) {
            catalogue.add(kind);
        }
        catalogue
    }

    /// All kinds: managed ones first, then in the gate's order.
    pub(crate) fn all(&self) -> &[Arc<KindInfo>] {
        &self.kinds
    }

    /// The kind at a path.
    pub(crate) fn at(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<KindInfo>> {
        self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The kind of an object by its `apiVersion` and `kind`. Another version of a known group and
    /// kind is that kind.
    pub(crate) fn of_object(&self, api_version: &str, kind: &str) -> Option<&Arc<KindInfo>> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.by_kind.get(&(group.to_owned(), kind.to_owned()))
    }

    /// The kind that someone means by a word: kind, plural, singular, short name, or any of them
    /// with the group behind a dot.
    pub(crate) fn of_word(&self, word: &str) -> Option<&Arc<KindInfo>> {
        let (word, group) = word.split_once('.').map_or((word, None), |(w, g)| (w, Some(g)));
        let word = word.to_lowercase();
        let named = |kind: &&Arc<KindInfo>| {
            kind.kind.to_lowercase() == word
                || kind.plural == word
                || kind.short_names.contains(&word)
        };
        let in_group = |kind: &&Arc<KindInfo>| group.is_none_or(|group| kind.group == group);
        self.kinds.iter().filter(in_group).find(named)
    }

    fn add(&mut self, kind: KindInfo) {
        let path = (kind.group.clone(), kind.version.clone(), kind.plural.clone());
        if self.by_path.contains_key(&path) {
            return;
        }
        let kind = Arc::new(kind);
        self.by_path.insert(path, kind.clone());
        let key = (kind.group.clone(), kind.kind.clone());
        self.by_kind.entry(key).or_insert_with(|| kind.clone());
        self.kinds.push(kind);
    }
}

fn managed() -> impl Iterator<Item = KindInfo> {
    MANAGED.iter().map(|&(group, kind, plural, short, namespaced)| KindInfo {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        short_names: Some(short).filter(|s| !s.is_empty()).map(str::to_owned).into_iter().collect(),
        namespaced,
        standing: Standing::Managed,
    })
}

/// The managed kinds, for tests that go through all of them.
#[cfg(test)]
pub(crate) fn managed_kinds() -> impl Iterator<Item = &'static str> {
    MANAGED.iter().map(|&(_, kind, ..)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_every_word_that_people_use() {
        let catalogue = Catalogue::new(Vec::new());
        for word in ["deploy", "deployment", "Deployment", "deployments", "deployments.apps"] {
            assert_eq!(catalogue.of_word(word).unwrap().kind, "Deployment", "{word}");
        }
        assert!(catalogue.of_word("deployments.batch").is_none());
    }
}
