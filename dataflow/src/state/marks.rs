//! Numbers that are marked: marking one again costs a look at one bit.
//!
//! Guarantee: each number once, in no order that may decide anything. Absent: taking one mark back;
//! all are taken together.

use super::bits::Bits;

/// Marked numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    bits: Bits,
    list: Vec<u32>,
}

impl Marks {
    /// Marks a number.
    pub(crate) fn insert(&mut self, number: u32) {
        if self.bits.insert(number) {
            self.list.push(number);
        }
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.bits.contains(number)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The marked numbers, in no order that may decide anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.list.iter().copied()
    }

    /// Takes all marks, in no order that may decide anything.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        let list = std::mem::take(&mut self.list);
        for number in &list {
            self.bits.remove(*number);
        }
        list
    }
}

impl Extend<u32> for Marks {
    fn extend<T: IntoIterator<Item = u32>>(&mut self, numbers: T) {
        numbers.into_iter().for_each(|number| self.insert(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_marked_once_and_taken_once() {
        let mut marks = Marks::default();
        marks.extend([700, 3, 700, 64, 3, 0]);
        assert!([700, 64, 3, 0].into_iter().all(|number| marks.contains(number)));
        assert!(!marks.contains(65) && !marks.contains(100_000));
        let mut taken = marks.take();
        taken.sort_unstable();
        assert_eq!(taken, [0, 3, 64, 700]);
        assert!(marks.is_empty() && !marks.contains(3));
        marks.insert(3);
        assert_eq!(marks.iter().collect::<Vec<_>>(), [3]);
    }
}
