//! A set of indexes as Kubernetes writes it: `1,3-5,7`.
//!
//! Guarantee: the same set is the same text, and as long as its gaps are few it is short, however many
//! indexes are in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Indexes, in runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervals {
    /// From and to, both in the set; in order, with a gap between each two.
    runs: Vec<(u32, u32)>,
}

impl Intervals {
    /// The empty set.
    #[must_use]
    pub const fn none() -> Intervals {
        Intervals { runs: Vec::new() }
    }

    /// The set that this text means.
    ///
    /// # Errors
    /// A sentence that names what is no index and no run of indexes.
    pub fn parse(text: &str) -> Result<Intervals, String> {
        let mut set = Intervals::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let index = |text: &str| {
                text.parse::<u32>().map_err(|_| format!("{text:?} is no index, in {part:?}"))
            };
            let (from, to) = (index(from)?, index(to)?);
            if from > to {
                return Err(format!("{part:?} ends before it begins"));
            }
            set.insert_run(from, to);
        }
        Ok(set)
    }

    /// Puts an index in; whether it was not there.
    pub fn insert(&mut self, index: u32) -> bool {
        let is_new = !self.contains(index);
        if is_new {
            self.insert_run(index, index);
        }
        is_new
    }

    fn insert_run(&mut self, from: u32, to: u32) {
        let begins = self.runs.partition_point(|run| run.1.saturating_add(1) < from);
        let ends = self.runs.partition_point(|run| run.0 <= to.saturating_add(1));
        let touched = self.runs.get(begins..ends).unwrap_or_default();
        let from = touched.first().map_or(from, |run| run.0.min(from));
        let to = touched.last().map_or(to, |run| run.1.max(to));
        self.runs.splice(begins..ends, [(from, to)]);
    }

    /// Whether it has this index.
    #[must_use]
    pub fn contains(&self, index: u32) -> bool {
        let at = self.runs.partition_point(|run| run.1 < index);
        self.runs.get(at).is_some_and(|run| run.0 <= index)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.runs.iter().map(|(from, to)| i64::from(to - from) + 1).sum()
    }

    /// How many of those below this one there are.
    #[must_use]
    pub fn count_below(&self, end: i64) -> i64 {
        let below = |(from, to): &(u32, u32)| (i64::from(*to) + 1).min(end) - i64::from(*from);
        self.runs.iter().map(|run| below(run).max(0)).sum()
    }

    /// How many are in both.
    #[must_use]
    pub fn count_in(&self, other: &Intervals) -> i64 {
        let shared = |run: &(u32, u32), with: &(u32, u32)| {
            (i64::from(run.1.min(with.1)) - i64::from(run.0.max(with.0)) + 1).max(0)
        };
        let of = |run| other.runs.iter().map(|with| shared(run, with)).sum::<i64>();
        self.runs.iter().map(of).sum()
    }

    /// The first index from this one on that is not in it.
    #[must_use]
    pub fn first_gap(&self, from: u32) -> u32 {
        let at = self.runs.partition_point(|run| run.1 < from);
        match self.runs.get(at) {
            Some(run) if run.0 <= from => run.1.saturating_add(1),
            _ => from,
        }
    }
}

impl fmt::Display for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (from, to)) in self.runs.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match to - from {
                0 => write!(f, "{comma}{from}")?,
                1 => write!(f, "{comma}{from},{to}")?,
                _ => write!(f, "{comma}{from}-{to}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_is_written_as_kubernetes_writes_it() {
        for (text, written) in [
            ("", ""),
            ("3", "3"),
            ("3,4", "3,4"),
            ("3,4,5", "3-5"),
            ("1,3-5,7", "1,3-5,7"),
            ("5,3,4,1-2", "1-5"),
            ("0-9,2-3", "0-9"),
        ] {
            assert_eq!(Intervals::parse(text).expect(text).to_string(), written, "{text}");
        }
        for wrong in ["a", "1-", "5-3", "-1", "1-2-3"] {
            assert!(Intervals::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_set_that_was_put_in(indexes in prop::collection::vec(0u32..40, 0..60)) {
            let mut set = Intervals::default();
            let mut plain = BTreeSet::new();
            for index in &indexes {
                prop_assert_eq!(set.insert(*index), plain.insert(*index));
            }
            prop_assert_eq!(set.count(), plain.len() as i64);
            prop_assert_eq!(set.count_below(20), plain.range(..20).count() as i64);
            for index in 0..41 {
                prop_assert_eq!(set.contains(index), plain.contains(&index));
                let gap = (index..).find(|at| !plain.contains(at)).unwrap_or_default();
                prop_assert_eq!(set.first_gap(index), gap);
            }
            prop_assert_eq!(Intervals::parse(&set.to_string()), Ok(set.clone()));
            prop_assert_eq!(set.count_in(&set), set.count());
        }
    }
}
