//! The ledger's entries of one epoch, in the order in which they are decided.

use setpoint_schemas::Action;

use crate::decided::{About, Decided, Entry, Reason, Taken};

/// Entries with the epoch's number, term and time.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) entries: Vec<Decided>,
    epoch: i64,
    term: i64,
    time_ms: i64,
}

impl Ledger {
    pub(crate) fn new(epoch: i64, term: i64, time_ms: i64) -> Self {
        Ledger { entries: Vec::new(), epoch, term, time_ms }
    }

    pub(crate) fn write(
        &mut self,
        action: Action,
        rule: &'static str,
        reason: impl Into<Reason>,
        about: About,
    ) {
        self.entries.push(Decided(Entry::Taken(Taken {
            epoch: self.epoch,
            term: self.term,
            time_ms: self.time_ms,
            sequence: i32::try_from(self.entries.len()).unwrap_or(i32::MAX),
            action,
            rule,
            reason: reason.into(),
            about,
        })));
    }
}
