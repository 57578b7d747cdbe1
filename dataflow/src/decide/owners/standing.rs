//! How an owner stands: found by where it would be, and known by its uid.

use std::collections::BTreeSet;

use setpoint_rules::finalizers::FOREGROUND;
use setpoint_rules::garbage::{Reference, Standing};
use setpoint_schemas::{GroupKind, PodUid, ResourceKey};

use crate::decide::Turn;
use crate::views::Views;

/// The kinds whose pods are named after them, by group.
const WITH_PODS: [(&str, &str); 7] = [
    ("", "Pod"),
    ("", "ReplicationController"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
];

impl<V: Views> Turn<'_, V> {
    /// How an owner of this object stands.
    pub(super) fn owner_standing(&self, of: &ResourceKey, reference: &Reference) -> Standing {
        for key in reference.places(&of.namespace) {
            let owner = self.state.resources.get(&key);
            if owner.is_some_and(|owner| owner.uid == reference.uid) {
                let said = self.state.owners.said(&key);
                let waits = said.and_then(|said| said.waits_by()) == Some(FOREGROUND);
                return if waits { Standing::Waiting } else { Standing::Alive };
            }
        }
        let is_pod = (&*reference.kind.group, &*reference.kind.kind) == ("", "Pod");
        match is_pod && self.is_pod_there(&of.namespace, reference) {
            true => Standing::Alive,
            false => Standing::Absent,
        }
    }

    /// Whether an object that goes after what it owns waits for itself: as its own owner, or through others
    /// that wait.
    pub(super) fn waits_for_itself(&self, key: &ResourceKey) -> bool {
        let mut known: BTreeSet<ResourceKey> = BTreeSet::new();
        let mut next = vec![key.clone()];
        while let Some(of) = next.pop() {
            for owner in self.who_wait_for(&of) {
                if owner == *key {
                    return true;
                }
                if known.insert(owner.clone()) {
                    next.push(owner);
                }
            }
        }
        false
    }

    /// The owners of an object that are being deleted and wait for it.
    fn who_wait_for(&self, of: &ResourceKey) -> Vec<ResourceKey> {
        let said = self.state.owners.said(of);
        let all = said.into_iter().flat_map(|said| &said.references);
        let waits = |key: &ResourceKey, uid: &str| {
            let is_it = self.state.resources.get(key).is_some_and(|owner| owner.uid == *uid);
            let said = self.state.owners.said(key);
            is_it && said.and_then(|said| said.waits_by()) == Some(FOREGROUND)
        };
        let owner = |reference: &Reference| {
            reference.places(&of.namespace).find(|key| waits(key, &reference.uid))
        };
        all.filter(|reference| reference.blocks).filter_map(owner).collect()
    }

    /// Whether a pod is placed, or waits for a place, that has this uid.
    fn is_pod_there(&self, namespace: &str, reference: &Reference) -> bool {
        let Ok(uid) = PodUid::parse(&reference.uid) else { return false };
        if self.state.pods.by_uid(&uid).is_some() {
            return true;
        }
        // Whose it is that waits its name says: it begins with that of its workload.
        let name = &reference.name;
        let ends = name.match_indices('-').map(|(end, _)| end).chain([name.len()]);
        let mut stems = ends.map(|end| &name[..end]);
        stems.any(|stem| {
            WITH_PODS.iter().any(|(group, kind)| {
                let key = ResourceKey::new(GroupKind::new(group, kind), namespace, stem);
                self.waits_for_place(&key, &uid)
            })
        })
    }

    fn waits_for_place(&self, key: &ResourceKey, uid: &PodUid) -> bool {
        let id = self.state.workloads.get(key);
        let Some(workload) = id.and_then(|id| self.state.workload.get(id)) else { return false };
        let groups = workload.groups_waiting();
        groups.iter().any(|group| group.listed().any(|counter| workload.pod_uid(counter) == *uid))
    }
}
