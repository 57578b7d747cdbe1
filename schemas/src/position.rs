//! Where a record stands on the log, and how far a reader has come.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Topic;

/// The place of one record: topic, partition, offset. Ordered as records apply within an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The topic; topics are ordered by rank.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset within the partition.
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// The next offset to read, per topic and partition. A missing entry means: from the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut(BTreeMap<(Topic, i32), i64>);

impl Cut {
    /// The next offset to read of this partition.
    #[must_use]
    pub fn next(&self, topic: Topic, partition: i32) -> i64 {
        self.0.get(&(topic, partition)).copied().unwrap_or(0)
    }

    /// Moves a partition to the given next offset. Never backwards.
    pub fn advance(&mut self, topic: Topic, partition: i32, next: i64) {
        let entry = self.0.entry((topic, partition)).or_insert(0);
        *entry = (*entry).max(next);
    }

    /// Whether the record at this position lies before the cut.
    #[must_use]
    pub fn covers(&self, position: Position) -> bool {
        position.offset < self.next(position.topic, position.partition)
    }

    /// All entries in (topic, partition) order: (topic, partition, next offset).
    pub fn iter(&self) -> impl Iterator<Item = (Topic, i32, i64)> + '_ {
        self.0.iter().map(|(&(topic, partition), &next)| (topic, partition, next))
    }
}

impl FromIterator<(Topic, i32, i64)> for Cut {
    fn from_iter<I: IntoIterator<Item = (Topic, i32, i64)>>(entries: I) -> Self {
        let mut cut = Cut::default();
        for (topic, partition, next) in entries {
            cut.advance(topic, partition, next);
        }
        cut
    }
}
