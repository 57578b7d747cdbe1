//! Which term each epoch was decided in: a pod keeps the epoch alone.
//!
//! Guarantee: of two epochs the later one has no lower term, as the fence of the log has it. Absent:
//! forgetting; a takeover leaves sixteen bytes.

use serde::{Deserialize, Serialize};

/// The first epoch that is known of each term, and the term, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reigns(Vec<(i64, i64)>);

impl Reigns {
    /// An epoch of this term, none of which comes after it that was told before.
    pub(crate) fn go_on(&mut self, epoch: i64, term: i64) {
        if self.0.last().is_none_or(|(_, last)| *last != term) {
            self.0.push((epoch, term));
        }
    }

    /// The term that an epoch was decided in.
    pub(crate) fn term_of(&self, epoch: i64) -> i64 {
        let after = self.0.partition_point(|(from, _)| *from <= epoch);
        self.0.get(after.saturating_sub(1)).map_or(0, |(_, term)| *term)
    }
}

impl FromIterator<(i64, i64)> for Reigns {
    /// Of epochs with their terms, in any order.
    fn from_iter<T: IntoIterator<Item = (i64, i64)>>(epochs: T) -> Reigns {
        let mut epochs: Vec<(i64, i64)> = epochs.into_iter().collect();
        epochs.sort_unstable();
        let mut reigns = Reigns::default();
        epochs.into_iter().for_each(|(epoch, term)| reigns.go_on(epoch, term));
        reigns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_the_term_of_its_reign() {
        let mut reigns: Reigns = [(90, 4), (7, 1), (20, 1), (50, 4), (30, 2)].into_iter().collect();
        reigns.go_on(91, 4);
        reigns.go_on(95, 6);
        let terms = [1, 7, 29, 30, 49, 50, 94, 95, 1_000].map(|epoch| reigns.term_of(epoch));
        assert_eq!(terms, [1, 1, 1, 2, 2, 4, 4, 6, 6]);
        assert_eq!(Reigns::default().term_of(3), 0);
    }
}
