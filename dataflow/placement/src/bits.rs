//! A set of positions in the order of the nodes' names, quick to walk round from anywhere.

/// Positions, one bit each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    pub(crate) fn none(positions: usize) -> Bits {
        Bits { words: vec![0; positions.div_ceil(64)], len: 0 }
    }

    pub(crate) fn all(positions: usize) -> Bits {
        let mut words = vec![u64::MAX; positions.div_ceil(64)];
        if !positions.is_multiple_of(64) {
            *words.last_mut().expect("a rest has a word") = (1 << (positions % 64)) - 1;
        }
        Bits { words, len: positions }
    }

    /// How many positions are in the set.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn set(&mut self, at: usize) {
        let (word, bit) = (&mut self.words[at / 64], 1 << (at % 64));
        self.len += usize::from(*word & bit == 0);
        *word |= bit;
    }

    pub(crate) fn clear(&mut self, at: usize) {
        let (word, bit) = (&mut self.words[at / 64], 1 << (at % 64));
        self.len -= usize::from(*word & bit != 0);
        *word &= !bit;
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let at = (rest != 0).then(|| index * 64 + rest.trailing_zeros() as usize);
                rest &= rest.wrapping_sub(1);
                at
            })
        })
    }

    /// The first position at or after `from`, round again from the start, that both sets have.
    pub(crate) fn next_round(&self, other: &Bits, from: usize) -> Option<usize> {
        let both = |index: usize| self.words[index] & other.words[index];
        let found = |index: usize, word: u64| {
            (word != 0).then(|| index * 64 + word.trailing_zeros() as usize)
        };
        let (first, ahead) = (from / 64, u64::MAX << (from % 64));
        found(first, both(first) & ahead)
            .or_else(|| (first + 1..self.words.len()).find_map(|index| found(index, both(index))))
            .or_else(|| (0..first).find_map(|index| found(index, both(index))))
            .or_else(|| found(first, both(first) & !ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn walking_round_finds_the_next_position_of_both_sets() {
        let mut some = Bits::none(200);
        [3, 70, 130].into_iter().for_each(|at| some.set(at));
        let mut other = Bits::all(200);
        other.clear(70);
        let next = |from| some.next_round(&other, from);
        assert_eq!([next(0), next(3), next(4), next(131)], [Some(3), Some(3), Some(130), Some(3)]);
        assert_eq!(some.next_round(&Bits::none(200), 5), None);
        assert_eq!((some.iter().collect::<Vec<_>>(), other.len()), (vec![3, 70, 130], 199));
    }
}
