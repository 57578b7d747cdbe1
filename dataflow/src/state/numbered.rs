//! Rows by the numbers that we gave them.
//!
//! Nobody from outside chooses a number, so that a multiplication mixes it well enough.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

/// 2^64 divided by the golden ratio, as in Fibonacci hashing (Knuth, TAOCP 3, 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Rows by number, in no order that may decide anything.
pub(crate) type Numbered<T> = HashMap<u32, T, BuildHasherDefault<Mixed>>;

/// Mixes a number. Both ends are good: maps look at the lowest bits and at the highest.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Mixed(u64);

/// A number, mixed.
pub(super) fn mixed(number: u32) -> u64 {
    BuildHasherDefault::<Mixed>::default().hash_one(number)
}

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0.rotate_right(u64::BITS / 2)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::Mixed;

    /// Of a thousand numbers in a row as many fall into different places of 1,024 as chance would
    /// have it, or more; and into the 128 tags of a map.
    #[test]
    fn numbers_in_a_row_are_spread() {
        let hasher = BuildHasherDefault::<Mixed>::default();
        let hashes: Vec<u64> = (1..=1_000_u32).map(|number| hasher.hash_one(number)).collect();
        let places: BTreeSet<u64> = hashes.iter().map(|hash| hash % 1_024).collect();
        let tags: BTreeSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(places.len() > 600, "{} places", places.len());
        assert!(tags.len() > 100, "{} tags", tags.len());
    }
}
