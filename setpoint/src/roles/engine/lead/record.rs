//! What the log is told of an epoch: its record, which is all that a replay needs to cut and decide the
//! same, and what was decided.

use setpoint_dataflow::{Epoch, Outcome};
use setpoint_ingest::Entry;
use setpoint_ingest::entry::{self, Writer};
use setpoint_schemas::{CutEntry, EpochRecord, Policy, RefusedEntry};

/// What can be said of an epoch before it is decided.
pub(crate) fn begun(
    epoch: &Epoch,
    cut: Vec<CutEntry>,
    refused: Vec<RefusedEntry>,
    policy: &Policy,
) -> EpochRecord {
    let settings = serde_json::to_string(policy).unwrap_or_default();
    EpochRecord {
        number: epoch.number,
        term: epoch.term,
        time_ms: epoch.time_ms,
        cold: epoch.cold,
        complete: epoch.complete,
        renew_leases: epoch.renew_leases,
        cut,
        decisions: 0,
        decisions_hash: 0,
        settings_hash: hash_of(&settings),
        settings: if epoch.policy.is_some() { settings } else { String::new() },
        rules: setpoint_rules::RULES_VERSION.to_owned(),
        refused,
        rebuilt: epoch.rebuilt,
        behind: epoch.behind,
    }
}

/// The same with what was decided.
pub(crate) fn finished(record: EpochRecord, outcome: &Outcome) -> EpochRecord {
    let decisions = i32::try_from(outcome.decisions.len()).unwrap_or(i32::MAX);
    EpochRecord { decisions, decisions_hash: outcome.hash, ..record }
}

/// All that an epoch decided, in the order in which it is appended.
///
/// # Errors
/// When a record does not encode.
pub(crate) fn outputs(
    writer: &Writer,
    outcome: &Outcome,
    entries: &mut Vec<Entry>,
) -> anyhow::Result<()> {
    for (key, resource) in &outcome.resources {
        entries.push(match resource {
            Some(resource) => writer.desired(resource)?,
            None => entry::desired_removed(key, outcome.number),
        });
    }
    for change in &outcome.placements {
        entries.push(match &change.placement {
            Some(placement) => writer.placement(placement)?,
            None => entry::placement_removed(&change.uid, &change.node, outcome.number),
        });
    }
    for decision in &outcome.decisions {
        entries.push(writer.decision(&decision.record())?);
    }
    Ok(())
}

/// FNV-1a: stable over versions of Rust, which the standard hasher is not.
fn hash_of(text: &str) -> i64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    i64::from_ne_bytes(hash.to_ne_bytes())
}
