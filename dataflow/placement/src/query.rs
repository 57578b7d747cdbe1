//! Questions about pods: which ones, and within which topology.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::PodAffinityTerm;

use crate::CompileError;
use crate::hold::Hold;
use crate::ids::digest_of;
use crate::selector::{Requirement, Selector};

/// Labels of each namespace, for namespace selectors.
pub(crate) type NamespaceLabels = BTreeMap<String, BTreeMap<String, String>>;

type Labels = BTreeMap<String, String>;

/// Which pods: those that are in every group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodQuery {
    pub(crate) digest: u128,
    groups: Vec<Group>,
    counted: Counted,
}

/// Which of the pods that match are counted, by how they hold their room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// Those that are there, also when they stop.
    Here,
    /// Those that are there and do not stop.
    Staying,
    /// Those that are there, and those to whom room is promised.
    HereOrPromised,
}

/// Pods of some namespaces with some labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Group {
    /// Sorted.
    namespaces: Vec<String>,
    /// Further namespaces, by their labels.
    namespace_selector: Option<Selector>,
    selector: Selector,
}

/// Which pods, within which topology.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PodTerm {
    pub(crate) query: Arc<PodQuery>,
    pub(crate) topology_key: String,
}

/// A term of a placed pod that speaks of newcomers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldTerm {
    pub(crate) digest: u128,
    pub(crate) term: PodTerm,
    pub(crate) force: Force,
}

/// What a held term does to a newcomer that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Force {
    /// Keeps it away from the domain.
    Repels,
    /// Adds to the domain's score, or takes from it.
    Weighs(i64),
}

impl std::hash::Hash for PodQuery {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl PodQuery {
    /// All of them, also those that stop: they are company to the end.
    pub(crate) fn new(groups: Vec<Group>) -> Arc<PodQuery> {
        Arc::new(PodQuery { digest: digest_of(&groups), groups, counted: Counted::Here })
    }

    /// Those of a group that are to be kept away from: to the end, and when they are only promised room,
    /// as Kubernetes asks its filters with the nominated as well.
    fn to_avoid(group: Group) -> Arc<PodQuery> {
        let groups = vec![group];
        let digest = digest_of(&(&groups, "to avoid"));
        Arc::new(PodQuery { digest, groups, counted: Counted::HereOrPromised })
    }

    /// Those of a group that do not stop: a spread is even when they are gone, as in Kubernetes'
    /// `PodTopologySpread`, which skips pods that are being terminated.
    pub(crate) fn of_staying(group: Group) -> Arc<PodQuery> {
        let groups = vec![group];
        let digest = digest_of(&(&groups, true));
        Arc::new(PodQuery { digest, groups, counted: Counted::Staying })
    }

    /// Whether a pod that is held so is among those that are counted.
    pub(crate) fn counts(&self, hold: Hold) -> bool {
        match hold {
            Hold::Placed => true,
            Hold::Leaves => self.counted != Counted::Staying,
            Hold::Nominated => self.counted == Counted::HereOrPromised,
        }
    }

    pub(crate) fn matches(&self, namespace: &str, labels: &Labels, all: &NamespaceLabels) -> bool {
        self.groups.iter().all(|group| group.matches(namespace, labels, all))
    }

    /// Whether the answer depends on the labels of namespaces.
    pub(crate) fn reads_namespaces(&self) -> bool {
        self.groups.iter().any(|group| group.namespace_selector.is_some())
    }

    /// Labels of which a matching pod has at least one; `None` when nothing of the kind is known.
    pub(crate) fn anchors(&self) -> Option<Vec<u64>> {
        self.groups.iter().find_map(|group| group.selector.anchors())
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

impl Group {
    pub(crate) fn own(namespace: &str, selector: Selector) -> Group {
        Group { namespaces: vec![namespace.to_owned()], namespace_selector: None, selector }
    }

    fn matches(&self, namespace: &str, labels: &Labels, all: &NamespaceLabels) -> bool {
        let named = self.namespaces.binary_search_by(|n| n.as_str().cmp(namespace)).is_ok();
        let empty = Labels::new();
        let selected = || match &self.namespace_selector {
            Some(selector) => selector.matches(all.get(namespace).unwrap_or(&empty)),
            None => false,
        };
        (named || selected()) && self.selector.matches(labels)
    }
}

impl PodTerm {
    /// Compiles a term of a pod of this namespace with these labels, which repels or attracts.
    pub(crate) fn compile(
        term: &PodAffinityTerm,
        namespace: &str,
        labels: &Labels,
        path: &str,
        force: Force,
    ) -> Result<PodTerm, CompileError> {
        if term.topology_key.is_empty() {
            return Err(CompileError::new(path, "a term needs a topologyKey"));
        }
        let mut selector = Selector::compile(term.label_selector.as_ref(), path)?;
        for (key, value) in picked(&term.match_label_keys, labels) {
            selector.and(Requirement::equal(key, value));
        }
        for (key, value) in picked(&term.mismatch_label_keys, labels) {
            selector.and(Requirement::differs(key, value));
        }
        let mut namespaces = term.namespaces.clone();
        let namespace_selector = match &term.namespace_selector {
            Some(some) => Some(Selector::compile(Some(some), path)?),
            None => None,
        };
        if namespaces.is_empty() && namespace_selector.is_none() {
            namespaces.push(namespace.to_owned());
        }
        namespaces.sort();
        namespaces.dedup();
        let group = Group { namespaces, namespace_selector, selector };
        let query = match force {
            Force::Repels => PodQuery::to_avoid(group),
            Force::Weighs(_) => PodQuery::new(vec![group]),
        };
        Ok(PodTerm { query, topology_key: term.topology_key.clone() })
    }
}

impl HeldTerm {
    pub(crate) fn new(term: PodTerm, force: Force) -> Arc<HeldTerm> {
        let digest = digest_of(&(term.query.digest, &term.topology_key, force));
        Arc::new(HeldTerm { digest, term, force })
    }

    /// Whether a pod that holds its room so holds the term: one that is promised room only keeps others
    /// away.
    pub(crate) fn is_held(&self, hold: Hold) -> bool {
        hold != Hold::Nominated || self.force == Force::Repels
    }
}

/// Those of the keys that the labels have, with their values.
pub(crate) fn picked<'a>(
    keys: &'a [String],
    labels: &'a Labels,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    keys.iter().filter_map(|key| labels.get(key).map(|value| (key.as_str(), value.as_str())))
}
