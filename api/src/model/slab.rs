//! Pods in one place, by number and by uid.
//!
//! Guarantee: a pod costs its own size and some twenty bytes for being found. Absent: an order.

use hashbrown::HashTable;
use setpoint_schemas::PodUid;
use xxhash_rust::xxh3::xxh3_64;

use super::parts::PodParts;

/// Pods kept in one piece: growing moves none of them.
const CHUNK: usize = 4_096;

/// The pods.
#[derive(Default)]
pub(crate) struct Slab {
    chunks: Vec<Vec<Option<PodParts>>>,
    free: Vec<u32>,
    by_uid: HashTable<Entry>,
}

/// A pod's number, with the hash of its uid: an index that grows looks at no pod.
struct Entry {
    hash: u32,
    id: u32,
}

impl Slab {
    pub(crate) fn get(&self, id: u32) -> Option<&PodParts> {
        let id = id as usize;
        self.chunks.get(id / CHUNK)?.get(id % CHUNK)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut PodParts> {
        let id = id as usize;
        self.chunks.get_mut(id / CHUNK)?.get_mut(id % CHUNK)?.as_mut()
    }

    /// The number of a uid.
    pub(crate) fn id_of(&self, uid: &PodUid) -> Option<u32> {
        let hash = hash_of(uid);
        let is_it = |e: &Entry| e.hash == hash && self.get(e.id).is_some_and(|p| p.uid() == uid);
        self.by_uid.find(spread(hash), is_it).map(|entry| entry.id)
    }

    /// A new pod; its number.
    pub(crate) fn insert(&mut self, parts: PodParts) -> u32 {
        let hash = hash_of(parts.uid());
        let id = self.put(parts);
        self.by_uid.insert_unique(spread(hash), Entry { hash, id }, |entry| spread(entry.hash));
        id
    }

    /// Takes a pod out.
    pub(crate) fn remove(&mut self, id: u32) -> Option<PodParts> {
        let slot = self.chunks.get_mut(id as usize / CHUNK)?.get_mut(id as usize % CHUNK)?;
        let parts = slot.take()?;
        self.free.push(id);
        if let Ok(entry) = self.by_uid.find_entry(spread(hash_of(parts.uid())), |e| e.id == id) {
            entry.remove();
        }
        Some(parts)
    }

    /// All pods, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PodParts> {
        self.chunks.iter().flatten().flatten()
    }

    fn put(&mut self, parts: PodParts) -> u32 {
        if let Some(id) = self.free.pop() {
            self.chunks[id as usize / CHUNK][id as usize % CHUNK] = Some(parts);
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let whole = (self.chunks.len() - 1) * CHUNK;
        let last = self.chunks.last_mut().expect("one was pushed if there was none");
        last.push(Some(parts));
        u32::try_from(whole + last.len() - 1).expect("fewer pods than u32 can number")
    }
}

fn hash_of(uid: &PodUid) -> u32 {
    xxh3_64(uid.bytes()) as u32
}

/// The table looks at the lowest bits and at the highest: both are those of the hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
