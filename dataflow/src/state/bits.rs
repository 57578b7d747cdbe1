//! A set of numbers, a bit each.
//!
//! Numbers of workloads and nodes are given from 1 upward, so that a bit for each is little, and looking
//! through those of a hundred thousand costs less than a search in a tree of them.

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// A set of numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// Puts a number in; whether it was not there.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = place(number);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Takes a number out; whether it was there.
    pub(super) fn remove(&mut self, number: u32) -> bool {
        let (word, bit) = place(number);
        let Some(bits) = self.0.get_mut(word) else { return false };
        let was_there = *bits & bit != 0;
        *bits &= !bit;
        was_there
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The first from this one on.
    pub(super) fn first_from(&self, number: u32) -> Option<u32> {
        let (first, bit) = place(number);
        let not_before = |at: usize| if at == first { !(bit - 1) } else { !0 };
        let words = self.0.iter().enumerate().skip(first);
        let mut words = words.map(|(at, bits)| (at, bits & not_before(at)));
        let (at, bits) = words.find(|(_, bits)| *bits != 0)?;
        Some((at * WORD + bits.trailing_zeros() as usize) as u32)
    }
}

fn place(number: u32) -> (usize, u64) {
    let number = number as usize;
    (number / WORD, 1 << (number % WORD))
}
