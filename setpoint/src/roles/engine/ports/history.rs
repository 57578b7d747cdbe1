//! What the log says of the time before this start, told to the read model: who asks `explain` about a
//! pod should not hear that it began with the engine.

use std::sync::Arc;

use setpoint_api::{Change, DECISIONS_KEPT_MAX, ReadModel};
use setpoint_dataflow::Engine;
use setpoint_dataflow::views::Views;
use setpoint_ingest::Log;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Decision, Placement, Topic};

use crate::roles::engine::reading::read_on;

/// Placements of each partition that are read for the names of pods that are gone: some tenths of a
/// second of a start.
const PLACEMENTS_READ_MAX: usize = 5_000;

/// Shows the latest decisions of the log, so that `explain` knows what came before this start.
pub(crate) fn tell<V: Views>(
    model: &ReadModel,
    log: &dyn Log,
    codec: &Codec,
    engine: &Engine<V>,
) -> anyhow::Result<()> {
    let ends = log.ends(&[Topic::Decisions])?;
    let mut decisions: Vec<Decision> = Vec::new();
    for (topic, partition, end) in ends.iter() {
        let kept = i64::try_from(DECISIONS_KEPT_MAX).unwrap_or(i64::MAX);
        read_on(log, (topic, partition), end - kept, end, |records| {
            let decoded = records.iter().filter_map(|r| codec.decode(r.value.as_deref()?).ok());
            decisions.extend(decoded);
        })?;
    }
    decisions.sort_by_key(|decision| (decision.epoch, decision.sequence));
    let changes = decisions.into_iter().map(|d| Change::Decision(Arc::new(d))).collect();
    model.apply(changes, engine.number(), engine.term(), engine.time_ms());
    names(model, log, codec)
}

/// Tells the names of pods that may be gone, from their placements, as far as they are on the log.
fn names(model: &ReadModel, log: &dyn Log, codec: &Codec) -> anyhow::Result<()> {
    for (topic, partition, end) in log.ends(&[Topic::Placements])?.iter() {
        let from = end - i64::try_from(PLACEMENTS_READ_MAX).unwrap_or(0);
        read_on(log, (topic, partition), from, end, |records| {
            let placements = records.iter().filter_map(|r| codec.decode(r.value.as_deref()?).ok());
            model.remember_pods(
                placements.map(|p: Placement| {
                    (p.uid, p.pattern.namespace.to_string(), p.name.to_string())
                }),
            );
        })?;
    }
    Ok(())
}
