//! Which slots changed last, each once: whoever follows looks at each slot that changed since, however
//! long ago that was.
//!
//! Guarantee: no change is forgotten. Absent: what changed, and who follows.

use std::collections::BTreeMap;

use crate::ids::IdMap;

/// Slots by their last change.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    next: u64,
    by_change: BTreeMap<u64, u32>,
    changes: IdMap<u32, u64>,
}

impl Recent {
    /// Something changed on the slot.
    pub(crate) fn push(&mut self, slot: u32) {
        if let Some(before) = self.changes.insert(slot, self.next) {
            self.by_change.remove(&before);
        }
        self.by_change.insert(self.next, slot);
        self.next += 1;
    }

    /// The number that the next change will have.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The slots that changed from this number on.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = u32> {
        self.by_change.range(number..).map(|(_, slot)| *slot)
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn a_slot_that_changed_twice_is_looked_at_once() {
        let mut recent = Recent::default();
        [5, 7, 5].into_iter().for_each(|slot| recent.push(slot));
        let since = |number| recent.since(number).collect::<Vec<_>>();
        assert_eq!((since(0), since(2), since(recent.next())), (vec![7, 5], vec![5], vec![]));
    }
}
