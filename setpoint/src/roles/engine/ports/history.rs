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
    let kept = i64::try_from(DECISIONS_KEPT_MAX).unwrap_or(i64::MAX);
    let Past { decisions, lacks } = latest(log, codec, kept)?;
    let changes = decisions.into_iter().map(|d| Change::Decision(Arc::new(d))).collect();
    model.apply(changes, engine.number(), engine.term(), engine.time_ms());
    if lacks {
        model.lacks_earlier_decisions();
    }
    names(model, log, codec)
}

/// The latest decisions of a log.
struct Past {
    /// The oldest first.
    decisions: Vec<Decision>,
    /// Whether the log has earlier ones.
    lacks: bool,
}

/// The latest decisions of each partition, so many.
fn latest(log: &dyn Log, codec: &Codec, kept: i64) -> anyhow::Result<Past> {
    let starts = log.starts(&[Topic::Decisions])?;
    let mut past = Past { decisions: Vec::new(), lacks: false };
    for (topic, partition, end) in log.ends(&[Topic::Decisions])?.iter() {
        let from = end.saturating_sub(kept);
        past.lacks |= starts.next(topic, partition) < from;
        read_on(log, (topic, partition), from, end, |records| {
            let decoded = records.iter().filter_map(|r| codec.decode(r.value.as_deref()?).ok());
            past.decisions.extend(decoded);
        })?;
    }
    past.decisions.sort_by_key(|decision| (decision.epoch, decision.sequence));
    Ok(past)
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

#[cfg(test)]
mod tests {
    use setpoint_ingest::AppenderKind;
    use setpoint_ingest::entry::Writer;
    use setpoint_ingest_embedded::{EmbeddedLog, Settings};
    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn whether_the_log_has_more_decisions_than_are_told_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = EmbeddedLog::open(&Settings::new(folder.path())).expect("it opens");
        let codec = Codec::single_object();
        let writer = Writer::new(codec.clone(), "/setpoint/test");
        let decision = |epoch| {
            let decision = Decision { epoch, sequence: 0, ..samples::decision() };
            writer.decision(&decision).expect("encodes")
        };
        let mut leader = log.appender(AppenderKind::Shared).expect("an appender");
        leader.append(vec![decision(1), decision(2), decision(3)]).expect("appends");
        let told = |kept| {
            let past = latest(&log, &codec, kept).expect("it reads");
            (past.decisions.iter().map(|decision| decision.epoch).collect::<Vec<_>>(), past.lacks)
        };
        assert_eq!(told(2), (vec![2, 3], true));
        assert_eq!(told(3), (vec![1, 2, 3], false));
        assert_eq!(told(4), (vec![1, 2, 3], false));
    }
}
