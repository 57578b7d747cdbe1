//! Numbers that wait for their turn, in order from any of them on: a bit each.
//!
//! Guarantee: each number once; [`InTurn::next`] goes round.

use super::bits::Bits;

/// Numbers that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct InTurn {
    bits: Bits,
    len: usize,
}

impl InTurn {
    pub(crate) fn insert(&mut self, number: u32) {
        self.len += usize::from(self.bits.insert(number));
    }

    pub(crate) fn remove(&mut self, number: u32) {
        self.len -= usize::from(self.bits.remove(number));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Who is next behind this number; the first of all when none is.
    pub(crate) fn next(&self, behind: u32) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        self.bits.first_from(behind.saturating_add(1)).or_else(|| self.bits.first_from(0))
    }
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
