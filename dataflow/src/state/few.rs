//! A few rows by number, in order: a vector as long as it must be.
//!
//! Absent: being quick with many. A workload has one template and one tally, sometimes two.

use serde::{Deserialize, Serialize};

/// Rows by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Few<T>(Vec<(u32, T)>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few(Vec::new())
    }
}

impl<T> Few<T> {
    pub(crate) fn get(&self, number: &u32) -> Option<&T> {
        self.at(*number).ok().map(|at| &self.0[at].1)
    }

    pub(crate) fn contains_key(&self, number: &u32) -> bool {
        self.at(*number).is_ok()
    }

    /// Puts a row in; the one that was there.
    pub(crate) fn insert(&mut self, number: u32, row: T) -> Option<T> {
        match self.at(number) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, row)),
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (number, row));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, number: &u32) -> Option<T> {
        self.at(*number).ok().map(|at| self.0.remove(at).1)
    }

    /// Keeps the rows of which this is true.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&u32) -> bool) {
        self.0.retain(|(number, _)| is_kept(number));
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&u32, &T)> {
        self.0.iter().map(|(number, row)| (number, row))
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &u32> {
        self.iter().map(|(number, _)| number)
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.iter().map(|(_, row)| row)
    }

    fn at(&self, number: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_number_and_stand_in_order() {
        let mut few = Few::default();
        for (number, row) in [(7, 'g'), (3, 'c'), (5, 'e'), (3, 'C')] {
            few.insert(number, row);
        }
        assert_eq!(few.iter().collect::<Vec<_>>(), [(&3, &'C'), (&5, &'e'), (&7, &'g')]);
        assert_eq!((few.remove(&5), few.remove(&5), few.get(&7)), (Some('e'), None, Some(&'g')));
        few.retain(|number| *number != 7);
        assert_eq!(few.keys().last(), Some(&3));
        assert!(few.contains_key(&3) && !few.contains_key(&7));
    }

    #[test]
    fn the_checkpoint_has_them_as_it_has_a_map() {
        let few = Few(vec![(3, 'c'), (700, 'x')]);
        let map: std::collections::BTreeMap<u32, char> = [(3, 'c'), (700, 'x')].into();
        let written = |bytes: Result<Vec<u8>, postcard::Error>| bytes.expect("it can be written");
        assert_eq!(written(postcard::to_stdvec(&few)), written(postcard::to_stdvec(&map)));
    }
}
