//! The placed pods: by number, by uid, by name, by node.
//!
//! Guarantee: a pod costs its own size and some twenty bytes for being found; a number that was
//! given back is given again, and no answer depends on which number a pod has.

use std::cell::Cell;

use setpoint_schemas::PodUid;
use setpoint_slab::{Index, Slab};
use xxhash_rust::xxh3::xxh3_64;

use super::numbered::mixed;
use super::{Numbered, Pod};

/// All placed pods.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    all: Slab<Pod>,
    by_uid: Index<u32>,
    /// Which pod is meant by a namespace and a name.
    by_name: Index<Named>,
    /// A snapshot or a loss costs its own node's pods, not the fleet's.
    by_node: Numbered<Vec<u32>>,
    /// How often a pod was looked at, in all.
    looked_at: Cell<u64>,
}

/// A pod by its name, with the hash of it: to spell the name again, its workload is looked at.
#[derive(Debug, Clone, Copy)]
struct Named {
    hash: NameHash,
    id: u32,
}

/// The hash of a pod's namespace and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameHash(u32);

impl Pods {
    pub(crate) fn get(&self, id: &u32) -> Option<&Pod> {
        self.looked_at.set(self.looked_at.get() + 1);
        self.at(*id)
    }

    pub(crate) fn get_mut(&mut self, id: &u32) -> Option<&mut Pod> {
        *self.looked_at.get_mut() += 1;
        self.all.get_mut(*id)
    }

    /// The number of the pod with this uid.
    pub(crate) fn id_of(&self, uid: &PodUid) -> Option<u32> {
        let id = self.found(uid)?;
        self.looked_at.set(self.looked_at.get() + 1);
        Some(id)
    }

    /// The pod with this uid, for one who is going to look at it, which is counted then.
    pub(crate) fn ahead(&self, uid: &PodUid) -> Option<&Pod> {
        self.at(self.found(uid)?)
    }

    /// The same by its number.
    pub(crate) fn at(&self, id: u32) -> Option<&Pod> {
        self.all.get(id)
    }

    fn found(&self, uid: &PodUid) -> Option<u32> {
        self.by_uid.find(hash_of_uid(uid), |id| self.at(id).is_some_and(|pod| pod.uid == *uid))
    }

    /// The pod with this uid.
    pub(crate) fn by_uid(&self, uid: &PodUid) -> Option<&Pod> {
        self.get(&self.id_of(uid)?)
    }

    /// The number of the pod that is meant by a name of this hash, and that is it.
    pub(crate) fn id_named(&self, hash: NameHash, is_it: impl Fn(&Pod) -> bool) -> Option<u32> {
        let is_it = |one: Named| one.hash == hash && self.get(&one.id).is_some_and(&is_it);
        self.by_name.find(hash.spread(), is_it).map(|one| one.id)
    }

    /// A new pod; its number.
    pub(crate) fn insert(&mut self, pod: Pod) -> u32 {
        let (hash, node) = (hash_of_uid(&pod.uid), pod.node);
        let id = self.all.insert(pod);
        self.by_node.entry(node).or_default().push(id);
        let all = &self.all;
        self.by_uid.insert(hash, id, |id| all.get(id).map_or(0, |pod| hash_of_uid(&pod.uid)));
        id
    }

    /// From now on this pod is meant by a name of this hash.
    pub(crate) fn name(&mut self, id: u32, hash: NameHash) {
        self.by_name.insert(hash.spread(), Named { hash, id }, |one| one.hash.spread());
    }

    /// Nobody means this pod by its name any more.
    pub(crate) fn unname(&mut self, id: u32, hash: NameHash) {
        self.by_name.remove(hash.spread(), |one| one.id == id);
    }

    /// Forgets a pod that nobody means by its name any more; what it was.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Pod> {
        let pod = self.all.remove(id)?;
        self.by_uid.remove(hash_of_uid(&pod.uid), |other| other == id);
        if let Some(on) = self.by_node.get_mut(&pod.node) {
            if let Some(place) = on.iter().position(|other| *other == id) {
                on.swap_remove(place);
            }
            if on.is_empty() {
                self.by_node.remove(&pod.node);
            }
        }
        Some(pod)
    }

    /// The pods placed on a node, in no order that may decide anything.
    pub(crate) fn on(&self, node: u32) -> impl Iterator<Item = &Pod> {
        self.by_node.get(&node).into_iter().flatten().filter_map(|id| self.get(id))
    }

    /// The same with their numbers, in no order that may decide anything.
    pub(crate) fn on_with_ids(&self, node: u32) -> impl Iterator<Item = (u32, &Pod)> {
        let ids = self.by_node.get(&node).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.get(id)?)))
    }

    /// All pods with their numbers, in no order that may decide anything.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Pod)> {
        self.all.iter().inspect(|_| self.looked_at.set(self.looked_at.get() + 1))
    }

    /// How often a pod was looked at, in all.
    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }
}

impl NameHash {
    /// Of this name in this namespace.
    pub(crate) fn of(namespace: &str, name: &str) -> NameHash {
        let hash = xxh3_64(namespace.as_bytes()).rotate_left(1) ^ xxh3_64(name.as_bytes());
        NameHash(hash as u32)
    }

    /// Over all bits of a hash, of which an index takes some here and some there.
    fn spread(self) -> u64 {
        mixed(self.0)
    }
}

fn hash_of_uid(uid: &PodUid) -> u64 {
    xxh3_64(uid.bytes())
}
