//! The pods: what was placed, what was observed and what waits, joined by uid and served by name.
//!
//! Invariant: one object a name. While an old pod of the same name stops, the new one is served.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_schemas::{GroupKind, Placement, PodObserved, PodPhase, PodUid, ResourceKey};

use super::WaitingPod;
use super::names::{Name, Names};

/// Everything known of one uid.
pub(crate) struct PodParts {
    name: Name,
    pub(crate) placement: Option<Arc<Placement>>,
    pub(crate) leaving_ms: Option<i64>,
    pub(crate) observed: Option<Arc<PodObserved>>,
    pub(crate) waiting: Option<Arc<WaitingPod>>,
    /// Whether its node is only watched.
    pub(crate) is_watched: bool,
}

/// All pods, by uid and by name.
#[derive(Default)]
pub(crate) struct Pods {
    by_uid: HashMap<PodUid, PodParts>,
    by_name: BTreeMap<Name, BTreeSet<PodUid>>,
    gone: Names,
}

impl Pods {
    /// A pod was placed or its placement withdrawn. A withdrawn one is remembered while its node
    /// still has something of it.
    pub(crate) fn place(&mut self, uid: &PodUid, placement: Option<Arc<Placement>>, now_ms: i64) {
        match placement {
            Some(placement) => {
                let name = name_of(placement.namespace.as_str(), placement.name.as_str());
                let parts = self.entry(uid, name);
                parts.placement = Some(placement);
                parts.leaving_ms = None;
                parts.waiting = None;
            }
            None => {
                if let Some(parts) = self.by_uid.get_mut(uid) {
                    parts.leaving_ms = parts.placement.is_some().then_some(now_ms);
                }
                self.tidy(uid);
            }
        }
    }

    /// A pod was observed.
    pub(crate) fn observe(&mut self, observed: Arc<PodObserved>) {
        let uid = observed.uid.clone();
        if observed.phase == PodPhase::Gone {
            return self.forget_observation(&uid);
        }
        let name = name_of(observed.namespace.as_str(), observed.name.as_str());
        self.entry(&uid, name).observed = Some(observed);
    }

    /// A pod of a node that is only watched was observed.
    pub(crate) fn watch(&mut self, observed: Arc<PodObserved>) {
        let name = name_of(observed.namespace.as_str(), observed.name.as_str());
        if self.by_uid.get(&observed.uid).is_some_and(|parts| parts.name != name) {
            // Its container was renamed.
            self.forget_observation(&observed.uid);
        }
        let parts = self.entry(&observed.uid, name);
        (parts.observed, parts.is_watched) = (Some(observed.clone()), true);
    }

    /// Nothing is left of a pod on its node.
    pub(crate) fn forget_observation(&mut self, uid: &PodUid) {
        if let Some(parts) = self.by_uid.get_mut(uid) {
            parts.observed = None;
        }
        self.tidy(uid);
    }

    /// A pod waits, or no longer does.
    pub(crate) fn wait(&mut self, uid: &PodUid, waiting: Option<Arc<WaitingPod>>) {
        match waiting {
            Some(waiting) => {
                let name = name_of(&waiting.namespace, &waiting.name);
                self.entry(uid, name).waiting = Some(waiting);
            }
            None => {
                if let Some(parts) = self.by_uid.get_mut(uid) {
                    parts.waiting = None;
                }
                self.tidy(uid);
            }
        }
    }

    /// The name of a known uid.
    pub(crate) fn name(&self, uid: &PodUid) -> Option<Name> {
        self.by_uid.get(uid).map(|parts| parts.name.clone())
    }

    /// The name that a uid has or had.
    pub(crate) fn name_ever(&self, uid: &PodUid) -> Option<Name> {
        self.name(uid).or_else(|| self.gone.of(uid).cloned())
    }

    /// A pod of this name is or was there.
    pub(crate) fn remember(&mut self, uid: PodUid, name: Name) {
        if !self.by_uid.contains_key(&uid) {
            self.gone.remember(uid, name);
        }
    }

    /// What is served under a name: what is placed before what waits before what stops, and the
    /// later placement before the earlier.
    pub(crate) fn served(&self, name: &Name) -> Option<(&PodUid, &PodParts)> {
        let uids = self.by_name.get(name)?;
        let parts = uids.iter().filter_map(|uid| self.by_uid.get_key_value(uid));
        parts.max_by_key(|(uid, parts)| (parts.rank(), parts.placed_epoch(), *uid))
    }

    /// The uids of every pod that has or had this name, in one namespace or in all.
    pub(crate) fn uids_named(&self, namespace: Option<&str>, name: &str) -> Vec<PodUid> {
        let meant = |found: &Name| {
            &*found.1 == name && namespace.is_none_or(|namespace| &*found.0 == namespace)
        };
        let present = match namespace {
            Some(namespace) => self.by_name.get(&name_of(namespace, name)).cloned(),
            None => {
                let named = self.by_name.iter().filter(|(found, _)| meant(found));
                Some(named.flat_map(|(_, uids)| uids).cloned().collect())
            }
        };
        let gone = self.gone.iter().filter(|(_, found)| meant(found)).map(|(uid, _)| uid.clone());
        present.into_iter().flatten().chain(gone).collect()
    }

    /// All names in order, from one on.
    pub(crate) fn names_from(&self, from: &Name) -> impl Iterator<Item = &Name> {
        self.by_name.range(from.clone()..).map(|(name, _)| name)
    }

    /// The parts of a uid.
    pub(crate) fn parts(&self, uid: &PodUid) -> Option<&PodParts> {
        self.by_uid.get(uid)
    }

    /// All pods, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PodParts> {
        self.by_uid.values()
    }

    fn entry(&mut self, uid: &PodUid, name: Name) -> &mut PodParts {
        self.by_name.entry(name.clone()).or_default().insert(uid.clone());
        self.by_uid.entry(uid.clone()).or_insert_with(|| PodParts::new(name))
    }

    /// Forgets a uid of which nothing is left.
    fn tidy(&mut self, uid: &PodUid) {
        let Some(parts) = self.by_uid.get(uid) else { return };
        let placed = parts.placement.is_some() && parts.leaving_ms.is_none();
        if placed || parts.observed.is_some() || parts.waiting.is_some() {
            return;
        }
        let name = parts.name.clone();
        self.by_uid.remove(uid);
        self.gone.remember(uid.clone(), name.clone());
        if let Some(uids) = self.by_name.get_mut(&name) {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_name.remove(&name);
            }
        }
    }
}

impl PodParts {
    /// The key of the pod's workload, as far as it is known.
    pub(crate) fn workload(&self) -> Option<ResourceKey> {
        let placed = self.placement.as_ref().and_then(|p| ResourceKey::parse(&p.workload).ok());
        placed.or_else(|| self.waiting.as_ref().map(|waiting| waiting.workload.clone()))
    }

    /// How it stands, in a sentence.
    pub(crate) fn reason(&self) -> String {
        if let (Some(waiting), true) = (&self.waiting, self.placement.is_none()) {
            return waiting.message.clone();
        }
        let node = self.placement.as_ref().map_or("", |placement| placement.node.as_str());
        let Some(observed) = self.observed.as_ref() else {
            return format!("placed on {node}, which has not reported it yet");
        };
        let said = [observed.reason.as_str(), observed.message.as_str()];
        let said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(": ")) };
        match (self.leaving_ms, observed.phase, observed.ready) {
            (Some(_), ..) => format!("its placement was withdrawn; it stops on {node}{said}"),
            (None, PodPhase::Running, true) => format!("runs on {node} and is ready{said}"),
            (None, PodPhase::Running, false) => format!("runs on {node} and is not ready{said}"),
            (None, PodPhase::Pending, _) => format!("starts on {node}{said}"),
            (None, PodPhase::Succeeded, _) => format!("ended well on {node}{said}"),
            (None, PodPhase::Failed, _) => format!("failed on {node}{said}"),
            (None, PodPhase::Unknown | PodPhase::Gone, _) => {
                format!("{node} cannot tell how it is{said}")
            }
        }
    }

    fn new(name: Name) -> Self {
        let (placement, leaving_ms, observed, waiting) = (None, None, None, None);
        PodParts { name, placement, leaving_ms, observed, waiting, is_watched: false }
    }

    fn rank(&self) -> u8 {
        match (&self.placement, self.leaving_ms, &self.waiting) {
            (Some(_), None, _) => 3,
            (_, _, Some(_)) => 2,
            (Some(_), Some(_), None) => 1,
            (None, _, None) => 0,
        }
    }

    fn placed_epoch(&self) -> i64 {
        self.placement.as_ref().map_or(0, |placement| placement.epoch)
    }
}

/// The kind of pods.
pub(crate) fn pod_kind() -> GroupKind {
    GroupKind::new("", "Pod")
}

fn name_of(namespace: &str, name: &str) -> Name {
    (Arc::from(namespace), Arc::from(name))
}
