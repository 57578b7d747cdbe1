//! The record of an epoch: all that a replay needs to cut and decide the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Cut, Position, Topic};

/// One epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Rises by one.
    pub number: i64,
    /// The reign; never falls.
    pub term: i64,
    /// Engine time, milliseconds since 1970; never falls.
    pub time_ms: i64,
    /// Whether the cold step ran.
    pub cold: bool,
    /// Whether the cut covered the end of every partition as of `time_ms`: only then do deadlines
    /// fire.
    pub complete: bool,
    /// Whether every lease begins a full grace period anew (after a start or a takeover).
    pub renew_leases: bool,
    /// The next offset of each partition that moved in this epoch.
    pub cut: Vec<CutEntry>,
    /// How many decisions it made.
    pub decisions: i32,
    /// A hash over its decisions and placements.
    pub decisions_hash: i64,
    /// A hash of the effective settings.
    pub settings_hash: i64,
    /// The settings that decide, in JSON, when they changed; otherwise empty.
    pub settings: String,
    /// The version of the rules.
    pub rules: String,
    /// The records before the cut that were set aside as dead letters. A replay sets aside the
    /// same ones, whatever it could read of them: a schema registry may know more by then.
    pub refused: Vec<RefusedEntry>,
    /// Whether the leader's state before this epoch came otherwise than by exact replay: from the
    /// compacted topics, or by following other rules. Whoever follows may decide otherwise from
    /// here on, and follows what is recorded.
    pub rebuilt: bool,
    /// Whether more was on the log than it took in: what the next epochs take in was said earlier.
    pub behind: bool,
}

/// How far a partition was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutEntry {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub next: i64,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEntry {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl EpochRecord {
    /// The records that were set aside. Entries of topics that this version does not know are left
    /// out.
    #[must_use]
    pub fn refused(&self) -> BTreeSet<Position> {
        let position = |entry: &RefusedEntry| {
            let topic = Topic::of_name(&entry.topic)?;
            Some(Position { topic, partition: entry.partition, offset: entry.offset })
        };
        self.refused.iter().filter_map(position).collect()
    }

    /// The partitions that moved, as a cut. Entries of topics that this version does not know are
    /// left out.
    #[must_use]
    pub fn cut(&self) -> Cut {
        let entry = |e: &CutEntry| Topic::of_name(&e.topic).map(|t| (t, e.partition, e.next));
        self.cut.iter().filter_map(entry).collect()
    }
}
