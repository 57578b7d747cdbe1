//! Entries by hash: numbers of rows, or what else finds them.
//!
//! A table of hashes doubles when it is full, and is half empty then: twice the memory from one row to
//! the next, and a pause while all rows are hashed again. This is many tables, whose shares of the hashes
//! grow geometrically from one to the double, as in spiral storage (Martin, 1979): whatever the number of
//! rows, some tables are about to double and some just have, and each pause is of one table.

use std::fmt;

use hashbrown::HashTable;

/// Tables of an index.
const TABLES: usize = 1 << TABLES_BITS;
const TABLES_BITS: u32 = 8;
/// Bits of a hash that choose its table: so many that the smallest share is some ten of their values.
const SHARE_BITS: u32 = 12;
/// The lowest of them: a table looks at the lowest bits of a hash and at the highest.
const SHARE_FROM: u32 = 36;
/// 2^(1/256), in 2^-32: each table's share is so much larger than that of the one before.
const GROWTH: u128 = 4_306_612_134;

/// Which table each value of the share bits belongs to.
static TABLE_OF: [u8; 1 << SHARE_BITS] = table_of();

/// Entries by hash. Who asks says whether an entry is the one, and what its hash is: an index knows neither.
/// A number alone is the least; who has to go far for its hash keeps that beside it.
pub struct Index<E> {
    tables: Box<[HashTable<E>]>,
}

impl<E> Default for Index<E> {
    fn default() -> Self {
        Index { tables: (0..TABLES).map(|_| HashTable::new()).collect() }
    }
}

impl<E> fmt::Debug for Index<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: usize = self.tables.iter().map(HashTable::len).sum();
        f.debug_struct("Index").field("entries", &entries).finish()
    }
}

impl<E: Copy> Index<E> {
    /// The entry under this hash of which `is_it` is true.
    pub fn find(&self, hash: u64, is_it: impl Fn(E) -> bool) -> Option<E> {
        self.tables[place(hash)].find(hash, |entry| is_it(*entry)).copied()
    }

    /// Puts in an entry that is not there yet; `hash_of` says the hash of any that is.
    pub fn insert(&mut self, hash: u64, entry: E, hash_of: impl Fn(E) -> u64) {
        self.tables[place(hash)].insert_unique(hash, entry, |entry| hash_of(*entry));
    }

    /// Takes out the entry under this hash of which `is_it` is true; whether there was one.
    pub fn remove(&mut self, hash: u64, is_it: impl Fn(E) -> bool) -> bool {
        let entry = self.tables[place(hash)].find_entry(hash, |entry| is_it(*entry));
        entry.map(|entry| entry.remove()).is_ok()
    }
}

fn place(hash: u64) -> usize {
    let share = (hash >> SHARE_FROM) as usize % TABLE_OF.len();
    usize::from(TABLE_OF[share])
}

/// The n-th table begins at 2^(n/256) - 1 of all values.
const fn table_of() -> [u8; 1 << SHARE_BITS] {
    let mut of = [0; 1 << SHARE_BITS];
    let (mut table, mut next, mut share) = (0_u8, GROWTH, 0);
    while share < of.len() {
        if share as u128 >= ((next - (1 << 32)) << SHARE_BITS) >> 32 && table < u8::MAX {
            table += 1;
            next = (next * GROWTH) >> 32;
        }
        of[share] = table;
        share += 1;
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As good as the hashes that are used (the finalizer of SplitMix64).
    fn hash_of(id: u32) -> u64 {
        let hash = u64::from(id).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    fn filled(rows: u32) -> Index<u32> {
        let mut index = Index::default();
        (0..rows).for_each(|id| index.insert(hash_of(id), id, hash_of));
        index
    }

    #[test]
    fn a_number_is_found_by_its_hash_until_it_is_taken_out() {
        let mut index = filled(50_000);
        for id in 0..50_000 {
            assert_eq!(index.find(hash_of(id), |found| found == id), Some(id));
        }
        assert!(index.remove(hash_of(7), |id| id == 7));
        assert!(!index.remove(hash_of(7), |id| id == 7));
        assert_eq!(index.find(hash_of(7), |found| found == 7), None);
        assert_eq!(index.find(hash_of(8), |_| false), None);
    }

    #[test]
    fn the_last_table_has_twice_the_share_of_the_first_and_all_have_one() {
        let share = |table: u8| TABLE_OF.iter().filter(|of| **of == table).count();
        assert!((0..=u8::MAX).all(|table| share(table) > 0));
        let (first, last) = (share(0), share(u8::MAX));
        assert!((18..=26).contains(&(10 * last / first)), "{first} and {last}");
    }

    /// Between a power of two and the next the memory of one table doubles at once.
    #[test]
    fn a_row_costs_about_the_same_however_many_there_are() {
        for rows in [100_000, 115_000, 130_000, 160_000, 200_000] {
            let index = filled(rows);
            let bytes: usize = index.tables.iter().map(HashTable::allocation_size).sum();
            let a_row = bytes as f64 / f64::from(rows);
            assert!((7.0..10.0).contains(&a_row), "{a_row} bytes each of {rows}");
        }
    }
}
