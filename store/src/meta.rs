//! What stands beside the rows: the epoch, the term, and the cut of the log.

use serde::{Deserialize, Serialize};
use setpoint_schemas::{Cut, Topic};

/// The epoch that the rows stand for. Topics by name, so that their order may change.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) epoch: i64,
    pub(crate) term: i64,
    pub(crate) rows: u64,
    cut: Vec<(String, i32, i64)>,
}

impl Meta {
    pub(crate) fn new(epoch: i64, term: i64, rows: u64, cut: &Cut) -> Self {
        let named =
            cut.iter().map(|(topic, partition, next)| (topic.name().to_owned(), partition, next));
        Meta { epoch, term, rows, cut: named.collect() }
    }

    /// The cut; `None` when it names a topic that this version does not know.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let entry = |(name, partition, next): &(String, i32, i64)| {
            Topic::of_name(name).map(|topic| (topic, *partition, *next))
        };
        self.cut.iter().map(entry).collect()
    }
}
