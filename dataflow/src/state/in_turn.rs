//! Numbers that wait for their turn, in order from any of them on: a bit each.
//!
//! Guarantee: each number once; [`InTurn::next`] goes round. Numbers are given from 1 upward, so that
//! looking through the bits of a hundred thousand costs less than a search in a tree of them.

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Numbers that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct InTurn {
    bits: Vec<u64>,
    len: usize,
}

impl InTurn {
    pub(crate) fn insert(&mut self, number: u32) {
        let (word, bit) = place(number);
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        self.len += usize::from(self.bits[word] & bit == 0);
        self.bits[word] |= bit;
    }

    pub(crate) fn remove(&mut self, number: u32) {
        let (word, bit) = place(number);
        let Some(bits) = self.bits.get_mut(word) else { return };
        self.len -= usize::from(*bits & bit != 0);
        *bits &= !bit;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Who is next behind this number; the first of all when none is.
    pub(crate) fn next(&self, behind: u32) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        self.from(behind.saturating_add(1)).or_else(|| self.from(0))
    }

    fn from(&self, number: u32) -> Option<u32> {
        let (first, bit) = place(number);
        let not_before = !(bit - 1);
        let words = self.bits.iter().enumerate().skip(first);
        words.map(|(at, bits)| (at, if at == first { bits & not_before } else { *bits })).find_map(
            |(at, bits)| {
                let number = at * WORD + bits.trailing_zeros() as usize;
                (bits != 0).then_some(number as u32)
            },
        )
    }
}

fn place(number: u32) -> (usize, u64) {
    let number = number as usize;
    (number / WORD, 1 << (number % WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_and_each_number_has_one() {
        let mut waiting = InTurn::default();
        assert_eq!(waiting.next(0), None);
        [700, 3, 64, 3, 63].into_iter().for_each(|number| waiting.insert(number));
        assert_eq!(waiting.len, 4);
        let turns: Vec<_> = [0, 3, 63, 64, 700, 9_999].map(|number| waiting.next(number)).into();
        assert_eq!(turns, [3, 63, 64, 700, 3, 3].map(Some));
        waiting.remove(63);
        waiting.remove(63);
        waiting.remove(5_000);
        assert_eq!((waiting.len, waiting.next(3)), (3, Some(64)));
        [3, 64, 700].into_iter().for_each(|number| waiting.remove(number));
        assert!(waiting.is_empty());
    }
}
