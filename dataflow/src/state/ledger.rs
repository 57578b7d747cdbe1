//! The ledger's entries of one epoch, in the order in which they are decided.

use setpoint_schemas::{
    Action, Alternative, CAUSE_BYTES_MAX, Cause, Decision, REASON_BYTES_MAX, cut,
};

/// Causes kept a decision: beyond this the first ones tell enough.
pub(crate) const CAUSES_MAX: usize = 8;

/// Entries with the epoch's number, term and time.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) entries: Vec<Decision>,
    epoch: i64,
    term: i64,
    time_ms: i64,
}

/// An entry to be: what it is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) pod: String,
    pub(crate) resource: String,
    pub(crate) node: String,
    pub(crate) request: String,
    pub(crate) causes: Vec<Cause>,
    pub(crate) alternatives: Vec<Alternative>,
}

impl Ledger {
    pub(crate) fn new(epoch: i64, term: i64, time_ms: i64) -> Self {
        Ledger { entries: Vec::new(), epoch, term, time_ms }
    }

    pub(crate) fn write(&mut self, action: Action, rule: &str, reason: String, about: About) {
        let mut causes = about.causes;
        causes.truncate(CAUSES_MAX);
        for cause in &mut causes {
            cause.text = cut(std::mem::take(&mut cause.text), CAUSE_BYTES_MAX);
        }
        let mut alternatives = about.alternatives;
        for alternative in &mut alternatives {
            alternative.verdict = cut(std::mem::take(&mut alternative.verdict), CAUSE_BYTES_MAX);
        }
        self.entries.push(Decision {
            epoch: self.epoch,
            term: self.term,
            sequence: i32::try_from(self.entries.len()).unwrap_or(i32::MAX),
            time_ms: self.time_ms,
            action,
            pod: about.pod,
            resource: about.resource,
            node: about.node,
            request: about.request,
            rule: rule.to_owned(),
            reason: cut(reason, REASON_BYTES_MAX),
            causes,
            alternatives,
        });
    }
}
