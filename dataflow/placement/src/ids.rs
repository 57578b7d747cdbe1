//! The small integers by which the engine names nodes and pods, and a quick hash for them.
//!
//! Guarantee: no answer of this crate depends on the value of an id.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A node, as the engine numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A pod, as the engine numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub u32);

/// A map from ids, slots, digests or a few numbers of ours. Its order of iteration is no order: only sums and minima may
/// be taken over it.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// 2^64 over the golden ratio: spreads dense integers over the whole word.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One multiplication: the keys are integers of ours, nobody can choose them to collide.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(GOLDEN);
    }

    /// Digests are well mixed already: their low half will do.
    fn write_u128(&mut self, value: u128) {
        self.write_u64(value as u64);
    }
}

/// The digest of anything that can be hashed; equal content, equal digest.
pub(crate) fn digest_of(value: &impl std::hash::Hash) -> u128 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    value.hash(&mut hasher);
    hasher.digest128()
}
