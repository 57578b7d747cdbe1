//! The pods: what was placed, what was observed and what waits, joined by uid and served by name.
//!
//! Invariant: one object a name. While an old pod of the same name stops, the new one is served.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use setpoint_schemas::{GroupKind, Observation, Placement, PodPhase, PodUid};

use super::WaitingPod;
use super::names::{Name, Names};
use super::parts::PodParts;
use super::seen::Seen;
use super::slab::Slab;

/// All pods, by uid and by name.
#[derive(Default)]
pub(crate) struct Pods {
    all: Slab,
    by_name: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Named>>,
    gone: Names,
}

/// What there is under a name.
#[derive(Default)]
struct Named {
    pods: Few,
    /// The epoch of the last change.
    version: i64,
}

/// The numbers of the pods of one name: one, but for a moment.
#[derive(Default)]
enum Few {
    #[default]
    None,
    One(u32),
    #[expect(clippy::box_collection, reason = "eight bytes less for each name of a million")]
    More(Box<Vec<u32>>),
}

impl Pods {
    /// A pod was placed or its placement withdrawn. A withdrawn one is remembered while its node
    /// still has something of it.
    pub(crate) fn place(&mut self, uid: &PodUid, placement: Option<Arc<Placement>>, now_ms: i64) {
        match placement {
            Some(placement) => {
                let name = (placement.pattern.namespace.shared(), placement.name.shared());
                self.rename(uid, &name);
                let parts = self.entry(uid, || name);
                parts.placement = Some(placement);
                parts.leaving_ms = None;
                parts.waiting = None;
            }
            None => {
                if let Some(parts) = self.parts_mut(uid) {
                    parts.leaving_ms = parts.placement.is_some().then_some(now_ms);
                }
                self.tidy(uid);
            }
        }
    }

    /// A pod was observed.
    pub(crate) fn observe(&mut self, observed: &Observation) {
        if observed.phase() == PodPhase::Gone {
            return self.forget_observation(observed.uid());
        }
        let name = || name_seen(observed);
        self.entry(observed.uid(), name).observed = Some(Seen::of(observed));
    }

    /// A pod of a node that is only watched was observed.
    pub(crate) fn watch(&mut self, observed: &Observation) {
        let name = name_seen(observed);
        if self.parts(observed.uid()).is_some_and(|parts| parts.name != name) {
            // Its container was renamed.
            self.forget_observation(observed.uid());
        }
        let parts = self.entry(observed.uid(), || name);
        (parts.observed, parts.is_watched) = (Some(Seen::of(observed)), true);
    }

    /// Nothing is left of a pod on its node.
    pub(crate) fn forget_observation(&mut self, uid: &PodUid) {
        if let Some(parts) = self.parts_mut(uid) {
            parts.observed = None;
        }
        self.tidy(uid);
    }

    /// A pod waits, or no longer does.
    pub(crate) fn wait(&mut self, uid: &PodUid, waiting: Option<Arc<WaitingPod>>) {
        match waiting {
            Some(waiting) => {
                let of = waiting.clone();
                let name = || name_of(&of.namespace, &of.name);
                self.entry(uid, name).waiting = Some(waiting);
            }
            None => {
                if let Some(parts) = self.parts_mut(uid) {
                    parts.waiting = None;
                }
                self.tidy(uid);
            }
        }
    }

    /// The name of a known uid.
    pub(crate) fn name(&self, uid: &PodUid) -> Option<Name> {
        self.parts(uid).map(|parts| parts.name.clone())
    }

    /// The name that a uid has or had.
    pub(crate) fn name_ever(&self, uid: &PodUid) -> Option<Name> {
        self.name(uid).or_else(|| self.gone.of(uid).cloned())
    }

    /// A pod of this name is or was there.
    pub(crate) fn remember(&mut self, uid: PodUid, name: Name) {
        if self.all.id_of(&uid).is_none() {
            self.gone.remember(uid, name);
        }
    }

    /// What is served under a name: what is placed before what waits before what stops, and the
    /// later placement before the earlier.
    pub(crate) fn served(&self, name: &Name) -> Option<&PodParts> {
        let parts = self.named(name)?.pods.iter().filter_map(|id| self.all.get(*id));
        parts.max_by_key(|parts| (parts.rank(), parts.placed_epoch(), &parts.uid))
    }

    /// The uids of every pod that has or had this name, in one namespace or in all.
    pub(crate) fn uids_named(&self, namespace: Option<&str>, name: &str) -> Vec<PodUid> {
        let meant = |found: &Name| {
            &*found.1 == name && namespace.is_none_or(|namespace| &*found.0 == namespace)
        };
        let namespaces = self.by_name.iter();
        let namespaces = namespaces.filter(|(found, _)| namespace.is_none_or(|n| n == &***found));
        let named = namespaces.filter_map(|(_, names)| names.get(name));
        let present = named.flat_map(|named| named.pods.iter());
        let mut present: Vec<PodUid> =
            present.filter_map(|id| self.all.get(*id)).map(|parts| parts.uid.clone()).collect();
        present.sort();
        let gone = self.gone.iter().filter(|(_, found)| meant(found)).map(|(uid, _)| uid.clone());
        present.into_iter().chain(gone).collect()
    }

    /// All names of pods in order, from one on.
    pub(crate) fn names_from(&self, (namespace, name): &Name) -> impl Iterator<Item = Name> {
        let (from, first) = (namespace.clone(), name.clone());
        self.by_name.range(namespace.clone()..).flat_map(move |(namespace, names)| {
            let least =
                if *namespace == from { Bound::Included(first.clone()) } else { Bound::Unbounded };
            let names = names.range((least, Bound::Unbounded));
            let there = names.filter(|(_, named)| !named.pods.is_empty());
            there.map(|(name, _)| (namespace.clone(), name.clone()))
        })
    }

    /// The epoch of the last change of what is served under a name; 0 when it is not known.
    pub(crate) fn version(&self, name: &Name) -> i64 {
        self.named(name).map_or(0, |named| named.version)
    }

    /// What is served under a name changed in this epoch.
    pub(crate) fn stamp(&mut self, name: &Name, epoch: i64) {
        self.named_mut(name).version = epoch;
    }

    /// Nothing is served under a name any more.
    pub(crate) fn unstamp(&mut self, name: &Name) {
        if self.named(name).is_some() {
            self.named_mut(name).version = 0;
            self.sweep(name);
        }
    }

    /// Forgets when that changed under which no pod is served.
    pub(crate) fn forget_unserved(&mut self) {
        for names in self.by_name.values_mut() {
            names.retain(|_, named| !named.pods.is_empty());
        }
        self.by_name.retain(|_, names| !names.is_empty());
    }

    /// The parts of a uid.
    pub(crate) fn parts(&self, uid: &PodUid) -> Option<&PodParts> {
        self.all.get(self.all.id_of(uid)?)
    }

    /// The number of a uid, until it is forgotten.
    pub(crate) fn id_of(&self, uid: &PodUid) -> Option<u32> {
        self.all.id_of(uid)
    }

    /// The parts of a number.
    pub(crate) fn by_id(&self, id: u32) -> Option<&PodParts> {
        self.all.get(id)
    }

    /// All pods, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PodParts> {
        self.all.iter()
    }

    fn parts_mut(&mut self, uid: &PodUid) -> Option<&mut PodParts> {
        self.all.get_mut(self.all.id_of(uid)?)
    }

    fn named(&self, (namespace, name): &Name) -> Option<&Named> {
        self.by_name.get(namespace)?.get(name)
    }

    fn named_mut(&mut self, (namespace, name): &Name) -> &mut Named {
        let names = self.by_name.entry(namespace.clone()).or_default();
        names.entry(name.clone()).or_default()
    }

    /// The parts of a uid, which has this name if nothing is known of it yet.
    fn entry(&mut self, uid: &PodUid, name: impl FnOnce() -> Name) -> &mut PodParts {
        let id = self.all.id_of(uid).unwrap_or_else(|| {
            let name = name();
            let id = self.all.insert(PodParts::new(uid.clone(), name.clone()));
            self.named_mut(&name).pods.insert(id);
            id
        });
        self.all.get_mut(id).expect("it was there or was inserted")
    }

    /// A pod that was known by another name has this one.
    fn rename(&mut self, uid: &PodUid, name: &Name) {
        let Some(id) = self.all.id_of(uid) else { return };
        let Some(parts) = self.all.get_mut(id).filter(|parts| parts.name != *name) else { return };
        let former = std::mem::replace(&mut parts.name, name.clone());
        self.named_mut(&former).pods.remove(id);
        self.sweep(&former);
        self.named_mut(name).pods.insert(id);
    }

    /// Forgets a uid of which nothing is left.
    fn tidy(&mut self, uid: &PodUid) {
        let Some(id) = self.all.id_of(uid) else { return };
        let Some(parts) = self.all.get(id) else { return };
        let placed = parts.placement.is_some() && parts.leaving_ms.is_none();
        if placed || parts.observed.is_some() || parts.waiting.is_some() {
            return;
        }
        let name = parts.name.clone();
        self.all.remove(id);
        self.gone.remember(uid.clone(), name.clone());
        self.named_mut(&name).pods.remove(id);
        self.sweep(&name);
    }

    /// Forgets a name under which there is nothing.
    fn sweep(&mut self, (namespace, name): &Name) {
        let Some(names) = self.by_name.get_mut(namespace) else { return };
        let is_empty = |named: &Named| named.version == 0 && named.pods.is_empty();
        if names.get(name).is_some_and(is_empty) {
            names.remove(name);
        }
        if names.is_empty() {
            self.by_name.remove(namespace);
        }
    }
}

impl Few {
    fn is_empty(&self) -> bool {
        self.iter().as_slice().is_empty()
    }

    fn iter(&self) -> std::slice::Iter<'_, u32> {
        match self {
            Few::None => [].iter(),
            Few::One(id) => std::slice::from_ref(id).iter(),
            Few::More(ids) => ids.iter(),
        }
    }

    fn insert(&mut self, id: u32) {
        match self {
            Few::None => *self = Few::One(id),
            Few::One(first) => *self = Few::More(Box::new(vec![*first, id])),
            Few::More(ids) => ids.push(id),
        }
    }

    fn remove(&mut self, id: u32) {
        let mut left: Vec<u32> = self.iter().copied().filter(|known| *known != id).collect();
        *self = match (left.pop(), left.is_empty()) {
            (None, _) => Few::None,
            (Some(last), true) => Few::One(last),
            (Some(last), false) => {
                left.push(last);
                Few::More(Box::new(left))
            }
        };
    }
}

/// The kind of pods.
pub(crate) fn pod_kind() -> GroupKind {
    GroupKind::new("", "Pod")
}

/// The name of an observed pod.
pub(super) fn name_seen(observed: &Observation) -> Name {
    name_of(observed.namespace(), observed.name())
}

fn name_of(namespace: &str, name: &str) -> Name {
    (Arc::from(namespace), Arc::from(name))
}
