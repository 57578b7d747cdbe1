//! The pods: what was placed, what was observed and what waits, joined by uid and served by name.
//!
//! Invariant: one object a name. While an old pod of the same name stops, the new one is served.

use std::collections::HashMap;
use std::sync::Arc;

use setpoint_schemas::{GroupKind, Observation, Placement, PodPhase, PodUid};
use setpoint_slab::{Index, Slab};
use xxhash_rust::xxh3::xxh3_64;

use super::WaitingPod;
use super::by_name::ByName;
use super::names::{Name, Names};
use super::parts::{PodParts, named_by};
use super::seen::{Common, Seen};

/// All pods, by uid and by name.
#[derive(Default)]
pub(crate) struct Pods {
    all: Slab<PodParts>,
    by_uid: Index<u32>,
    by_name: ByName,
    /// The epoch of the last change under names that no pod has: of accepted Pods, and of pods that are
    /// about to be told.
    versions: HashMap<Name, i64>,
    gone: Names,
    common: Common,
}

impl Pods {
    /// A pod was placed or its placement withdrawn. A withdrawn one is remembered while its node
    /// still has something of it.
    pub(crate) fn place(&mut self, uid: &PodUid, placement: Option<Arc<Placement>>, now_ms: i64) {
        match placement {
            Some(placement) => {
                let name = named_by(&placement);
                self.rename(uid, &name);
                self.entry(uid, || name).place(placement);
            }
            None => {
                if let Some(parts) = self.parts_mut(uid) {
                    parts.leave(now_ms);
                }
                self.tidy(uid);
            }
        }
    }

    /// A pod was observed, and is ready since this engine time as far as that is known.
    pub(crate) fn observe(&mut self, observed: &Observation, ready_since_ms: Option<i64>) {
        if observed.phase() == PodPhase::Gone {
            return self.forget_observation(observed.uid());
        }
        let name = || name_seen(observed);
        let seen = self.seen(observed, ready_since_ms);
        self.entry(observed.uid(), name).observed = Some(seen);
    }

    /// A pod of a node that is only watched was observed.
    pub(crate) fn watch(&mut self, observed: &Observation) {
        let name = name_seen(observed);
        if self.parts(observed.uid()).is_some_and(|parts| parts.name() != name) {
            // Its container was renamed.
            self.forget_observation(observed.uid());
        }
        let seen = self.seen(observed, None);
        let parts = self.entry(observed.uid(), || name);
        parts.observed = Some(seen);
        parts.watch();
    }

    /// An observation, after the one that is there of the pod.
    fn seen(&mut self, observed: &Observation, ready_since_ms: Option<i64>) -> Seen {
        let id = self.id_of(observed.uid());
        let before = id.and_then(|id| self.all.get(id)?.observed.as_ref());
        Seen::of(observed, (before, ready_since_ms), &mut self.common)
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
                self.entry(uid, name).wait(Some(waiting));
            }
            None => {
                if let Some(parts) = self.parts_mut(uid) {
                    parts.wait(None);
                }
                self.tidy(uid);
            }
        }
    }

    /// The name of a known uid.
    pub(crate) fn name(&self, uid: &PodUid) -> Option<Name> {
        self.parts(uid).map(PodParts::name)
    }

    /// The name that a uid has or had.
    pub(crate) fn name_ever(&self, uid: &PodUid) -> Option<Name> {
        self.name(uid).or_else(|| self.gone.of(uid).cloned())
    }

    /// A pod of this name is or was there.
    pub(crate) fn remember(&mut self, uid: PodUid, name: Name) {
        if self.id_of(&uid).is_none() {
            self.gone.remember(uid, name);
        }
    }

    /// What is served under a name: what is placed before what waits before what stops, and the
    /// later placement before the earlier.
    pub(crate) fn served(&self, name: &Name) -> Option<&PodParts> {
        let parts = self.by_name.of(name).filter_map(|id| self.all.get(id));
        parts.max_by_key(|parts| (parts.rank(), parts.placed_epoch(), parts.uid()))
    }

    /// The uids of every pod that has or had this name, in one namespace or in all.
    pub(crate) fn uids_named(&self, namespace: Option<&str>, name: &str) -> Vec<PodUid> {
        let meant = |found: &Name| {
            &*found.1 == name && namespace.is_none_or(|namespace| &*found.0 == namespace)
        };
        let present = self.by_name.named(namespace, name).filter_map(|id| self.all.get(id));
        let mut present: Vec<PodUid> = present.map(|parts| parts.uid().clone()).collect();
        present.sort();
        let gone = self.gone.iter().filter(|(_, found)| meant(found)).map(|(uid, _)| uid.clone());
        present.into_iter().chain(gone).collect()
    }

    /// All names of pods in order, from one on.
    pub(crate) fn names_from(&self, name: &Name) -> impl Iterator<Item = Name> {
        self.by_name.names_from(name)
    }

    /// The epoch of the last change of what is served under a name; 0 when it is not known.
    pub(crate) fn version(&self, name: &Name) -> i64 {
        let one = self.by_name.of(name).next().and_then(|id| self.all.get(id));
        one.map_or_else(|| self.versions.get(name).copied().unwrap_or(0), |parts| parts.version)
    }

    /// What is served under a name changed in this epoch.
    pub(crate) fn stamp(&mut self, name: &Name, epoch: i64) {
        let mut ids = self.by_name.of(name).peekable();
        if ids.peek().is_none() {
            self.versions.insert(name.clone(), epoch);
        }
        for id in ids {
            if let Some(parts) = self.all.get_mut(id) {
                parts.version = epoch;
            }
        }
    }

    /// Nothing is served under a name any more.
    pub(crate) fn unstamp(&mut self, name: &Name) {
        self.stamp(name, 0);
        self.versions.remove(name);
    }

    /// Forgets when that changed under which no pod is served.
    pub(crate) fn forget_unserved(&mut self) {
        self.versions.clear();
    }

    /// The parts of a uid.
    pub(crate) fn parts(&self, uid: &PodUid) -> Option<&PodParts> {
        self.all.get(self.id_of(uid)?)
    }

    /// The number of a uid, until it is forgotten.
    pub(crate) fn id_of(&self, uid: &PodUid) -> Option<u32> {
        let is_it = |id| self.all.get(id).is_some_and(|parts| parts.uid() == uid);
        self.by_uid.find(hash_of(uid), is_it)
    }

    /// The parts of a number.
    pub(crate) fn by_id(&self, id: u32) -> Option<&PodParts> {
        self.all.get(id)
    }

    /// How many pods there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// All pods, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PodParts> {
        self.all.iter().map(|(_, parts)| parts)
    }

    fn parts_mut(&mut self, uid: &PodUid) -> Option<&mut PodParts> {
        self.all.get_mut(self.id_of(uid)?)
    }

    /// The parts of a uid, which has this name if nothing is known of it yet.
    fn entry(&mut self, uid: &PodUid, name: impl FnOnce() -> Name) -> &mut PodParts {
        let id = self.id_of(uid).unwrap_or_else(|| {
            let name = name();
            let id = self.all.insert(PodParts::new(uid.clone(), name.clone()));
            let all = &self.all;
            self.by_uid
                .insert(hash_of(uid), id, |id| all.get(id).map_or(0, |parts| hash_of(parts.uid())));
            self.join(&name, id);
            id
        });
        self.all.get_mut(id).expect("it was there or was inserted")
    }

    /// A pod that was known by another name is about to have this one.
    fn rename(&mut self, uid: &PodUid, name: &Name) {
        let Some(id) = self.id_of(uid) else { return };
        let Some(former) = self.all.get(id).map(PodParts::name).filter(|n| n != name) else {
            return;
        };
        self.part(&former, id);
        self.join(name, id);
    }

    /// Forgets a uid of which nothing is left.
    fn tidy(&mut self, uid: &PodUid) {
        let Some(id) = self.id_of(uid) else { return };
        let Some(parts) = self.all.get(id).filter(|parts| parts.is_nothing()) else { return };
        let name = parts.name();
        self.part(&name, id);
        self.by_uid.remove(hash_of(uid), |other| other == id);
        self.all.remove(id);
        self.gone.remember(uid.clone(), name);
    }

    /// A pod has this name from now on, and with it the name's version.
    fn join(&mut self, name: &Name, id: u32) {
        let version = self.version(name);
        self.versions.remove(name);
        self.by_name.insert(name, id);
        if let Some(parts) = self.all.get_mut(id) {
            parts.version = version;
        }
    }

    /// A pod has this name no longer. The name keeps its version.
    fn part(&mut self, name: &Name, id: u32) {
        let version = self.version(name);
        self.by_name.remove(name, id);
        if version != 0 && self.by_name.of(name).next().is_none() {
            self.versions.insert(name.clone(), version);
        }
    }
}

fn hash_of(uid: &PodUid) -> u64 {
    xxh3_64(uid.bytes())
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
