//! Changes that wait for the cold dataflow, added up by key.
//!
//! Guarantee: a cold step takes in at most one row a key, however often the key's facts changed since
//! the last one; what was taken back leaves nothing behind.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use differential_dataflow::Data;
use differential_dataflow::difference::Semigroup;
use rustc_hash::FxHashMap;

/// The sum of what came for each key, where it is not nothing.
#[derive(Debug)]
pub(super) struct Net<K, R>(FxHashMap<K, R>);

impl<K, R> Default for Net<K, R> {
    fn default() -> Self {
        Net(FxHashMap::default())
    }
}

impl<K: Data + Hash + Copy, R: Semigroup + 'static> Net<K, R> {
    /// Adds to the sum of a key.
    pub(super) fn add(&mut self, key: K, row: R) {
        match self.0.entry(key) {
            Entry::Vacant(entry) => {
                if !row.is_zero() {
                    entry.insert(row);
                }
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().plus_equals(&row);
                if entry.get().is_zero() {
                    entry.remove();
                }
            }
        }
    }

    /// Takes all sums, in order of the keys.
    pub(super) fn take(&mut self) -> Vec<(K, R)> {
        let mut rows: Vec<(K, R)> = self.0.drain().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_leaves_nothing_and_the_rest_is_a_row_a_key() {
        let mut net = Net::<u32, i64>::default();
        for (key, row) in [(2, 1), (1, 5), (2, -1), (1, 2), (3, 0)] {
            net.add(key, row);
        }
        assert_eq!(net.take(), [(1, 7)]);
        assert_eq!(net.take(), []);
    }
}
