//! What the commit of an epoch appends, as the engine's committer writes it
//! (`setpoint/src/roles/engine/lead/committer.rs`).

use setpoint_dataflow::Outcome;
use setpoint_ingest::Entry;
use setpoint_ingest::entry::{self, Writer};
use setpoint_schemas::{CutEntry, EpochRecord, Topic};

/// All that this epoch appends.
pub(crate) fn entries(writer: &Writer, outcome: &Outcome) -> anyhow::Result<Vec<Entry>> {
    let mut entries = vec![writer.epoch(&epoch_record(outcome))?];
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
    Ok(entries)
}

/// The record of an epoch that took one record.
pub(crate) fn epoch_record(outcome: &Outcome) -> EpochRecord {
    EpochRecord {
        number: outcome.number,
        term: outcome.term,
        time_ms: outcome.time_ms,
        cold: false,
        complete: true,
        renew_leases: false,
        cut: vec![CutEntry {
            topic: Topic::Pods.name().to_owned(),
            partition: 0,
            next: outcome.number,
        }],
        decisions: i32::try_from(outcome.decisions.len()).unwrap_or(i32::MAX),
        decisions_hash: outcome.hash,
        settings_hash: 0,
        settings: String::new(),
        rules: "1".to_owned(),
        refused: Vec::new(),
        rebuilt: false,
        behind: false,
    }
}
