//! What changed lately, for those who keep something that follows from it.
//!
//! Guarantee: who has followed up to some entry gets every later one, or learns that he must begin
//! anew. Absent: who follows.

/// The latest changes, numbered.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    /// The number of the first entry that is kept.
    first: u64,
    changes: Vec<T>,
    /// How many are kept.
    len_max: usize,
}

/// Entries kept: beyond that, beginning anew costs a follower little for each change that he
/// missed, and a journal for each question that was ever asked must stay small.
const CHANGES_MAX: usize = 256;

impl<T> Default for Journal<T> {
    fn default() -> Journal<T> {
        Journal::begun(0)
    }
}

impl<T> Journal<T> {
    fn begun(first: u64) -> Journal<T> {
        Journal { first, changes: Vec::new(), len_max: CHANGES_MAX }
    }
}

impl<T: Copy> Journal<T> {
    /// An empty one, whose entries count from here.
    pub(crate) fn starting(first: u64) -> Journal<T> {
        Journal::begun(first)
    }

    /// Keeps at least so many entries from now on.
    pub(crate) fn keep(&mut self, len_max: usize) {
        self.len_max = self.len_max.max(len_max);
    }

    pub(crate) fn push(&mut self, change: T) {
        if self.changes.len() >= self.len_max {
            let half = self.len_max / 2;
            self.changes.drain(..half);
            self.first += half as u64;
        }
        self.changes.push(change);
    }

    /// The number that the next entry will have.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.changes.len() as u64
    }

    /// The entries from this number on; `None` when some of them are forgotten.
    pub(crate) fn since(&self, number: u64) -> Option<&[T]> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.changes.get(at..)
    }
}

/// How far someone has followed a journal whose entries mean something for one version of the nodes only.
#[derive(Debug)]
pub(crate) struct Followed {
    version: u64,
    next: u64,
}

impl Followed {
    /// Up to now.
    pub(crate) fn now<T: Copy>(version: u64, journal: &Journal<T>) -> Followed {
        Followed { version, next: journal.next() }
    }

    /// What came since, which counts as followed; `None` when he must begin anew.
    pub(crate) fn news<'j, T: Copy>(
        &mut self,
        version: u64,
        journal: &'j Journal<T>,
    ) -> Option<&'j [T]> {
        let news = journal.since(self.next).filter(|_| self.version == version)?;
        self.next = journal.next();
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANGES_MAX, Journal};

    #[test]
    fn a_follower_gets_what_came_since_or_begins_anew() {
        let mut journal = Journal::starting(7);
        for change in 0..=CHANGES_MAX {
            journal.push(change);
        }
        let next = journal.next();
        assert_eq!(journal.since(next - 1), Some(&[CHANGES_MAX][..]));
        assert_eq!(journal.since(next), Some(&[][..]));
        assert_eq!((journal.since(7), journal.since(next + 1)), (None, None));
    }
}
