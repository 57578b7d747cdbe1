//! The placed pods: by number, by uid, by name, by node.
//!
//! Guarantee: a pod costs its own size and some forty bytes for being found; a number that was
//! given back is given again, and no answer depends on which number a pod has.

use std::cell::Cell;

use hashbrown::HashTable;
use setpoint_schemas::PodUid;
use xxhash_rust::xxh3::xxh3_64;

use super::{Numbered, Pod};

/// Pods kept in one piece: growing moves none of them.
const CHUNK: usize = 4_096;

/// All placed pods.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    chunks: Vec<Vec<Option<Pod>>>,
    free: Vec<u32>,
    by_uid: HashTable<Entry>,
    /// Which pod is meant by a namespace and a name.
    by_name: HashTable<Entry>,
    /// A snapshot or a loss costs its own node's pods, not the fleet's.
    by_node: Numbered<Vec<u32>>,
    /// How often a pod was looked at, in all.
    looked_at: Cell<u64>,
}

/// A pod in an index, with the hash of what it is found by: an index that grows looks at no pod.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
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
        let id = *id as usize;
        self.chunks.get_mut(id / CHUNK)?.get_mut(id % CHUNK)?.as_mut()
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
        let id = id as usize;
        self.chunks.get(id / CHUNK)?.get(id % CHUNK)?.as_ref()
    }

    fn found(&self, uid: &PodUid) -> Option<u32> {
        let hash = hash_of_uid(uid);
        let is_it = |e: &Entry| e.hash == hash && self.at(e.id).is_some_and(|p| p.uid == *uid);
        self.by_uid.find(spread(hash), is_it).map(|entry| entry.id)
    }

    /// The pod with this uid.
    pub(crate) fn by_uid(&self, uid: &PodUid) -> Option<&Pod> {
        self.get(&self.id_of(uid)?)
    }

    /// The number of the pod that is meant by a name of this hash, and that is it.
    pub(crate) fn id_named(
        &self,
        NameHash(hash): NameHash,
        is_it: impl Fn(&Pod) -> bool,
    ) -> Option<u32> {
        let is_it = |e: &Entry| e.hash == hash && self.get(&e.id).is_some_and(&is_it);
        self.by_name.find(spread(hash), is_it).map(|entry| entry.id)
    }

    /// A new pod; its number.
    pub(crate) fn insert(&mut self, pod: Pod) -> u32 {
        let (hash, node) = (hash_of_uid(&pod.uid), pod.node);
        let id = self.put(pod);
        self.by_node.entry(node).or_default().push(id);
        self.by_uid.insert_unique(spread(hash), Entry { hash, id }, |entry| spread(entry.hash));
        id
    }

    /// From now on this pod is meant by a name of this hash.
    pub(crate) fn name(&mut self, id: u32, NameHash(hash): NameHash) {
        self.by_name.insert_unique(spread(hash), Entry { hash, id }, |entry| spread(entry.hash));
    }

    /// Nobody means this pod by its name any more.
    pub(crate) fn unname(&mut self, id: u32, NameHash(hash): NameHash) {
        if let Ok(entry) = self.by_name.find_entry(spread(hash), |entry| entry.id == id) {
            entry.remove();
        }
    }

    /// Forgets a pod that nobody means by its name any more; what it was.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Pod> {
        let slot = self.chunks.get_mut(id as usize / CHUNK)?.get_mut(id as usize % CHUNK)?;
        let pod = slot.take()?;
        self.free.push(id);
        let hash = hash_of_uid(&pod.uid);
        if let Ok(entry) = self.by_uid.find_entry(spread(hash), |entry| entry.id == id) {
            entry.remove();
        }
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
        let ids = 0..;
        let slots = self.chunks.iter().flatten();
        let slots = slots.inspect(|_| self.looked_at.set(self.looked_at.get() + 1));
        ids.zip(slots).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// How often a pod was looked at, in all.
    pub(crate) fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }

    fn put(&mut self, pod: Pod) -> u32 {
        if let Some(id) = self.free.pop() {
            self.chunks[id as usize / CHUNK][id as usize % CHUNK] = Some(pod);
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let whole = (self.chunks.len() - 1) * CHUNK;
        let last = self.chunks.last_mut().expect("one was pushed if there was none");
        last.push(Some(pod));
        u32::try_from(whole + last.len() - 1).expect("fewer pods than u32 can number")
    }
}

impl NameHash {
    /// Of this name in this namespace.
    pub(crate) fn of(namespace: &str, name: &str) -> NameHash {
        let hash = xxh3_64(namespace.as_bytes()).rotate_left(1) ^ xxh3_64(name.as_bytes());
        NameHash(hash as u32)
    }
}

fn hash_of_uid(uid: &PodUid) -> u32 {
    xxh3_64(uid.bytes()) as u32
}

/// The table looks at the lowest bits and at the highest: both are those of the hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
