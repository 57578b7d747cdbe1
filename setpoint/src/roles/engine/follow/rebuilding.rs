//! The compacted topics, read for an engine that is rebuilt from them
//! ([0013](../../../../../docs/decisions/0013-rebuilt-from-the-compacted-topics.md)).
//!
//! Guarantee: of each key what stood before the last epoch's cut, or the first that is kept of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use setpoint_dataflow::{Compacted, Placed};
use setpoint_ingest::{Decoder, Log, LogError, LogRecord, covers};
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{
    Action, Cut, Decision, EpochRecord, Input, NodeName, NodeRecord, Placement, PodUid, Position,
    RequestId, Resource, ResourceKey, Sourced, Topic,
};
use tracing::warn;

use super::ends::OPEN_PATIENCE;
use super::stray;
use crate::roles::engine::reading::{POLL_RECORDS_MAX, POLL_WAIT, read_on};
use crate::roles::engine::wire::Wire;

/// Entries of each partition of the ledger that are looked through for answers: who repeats a request
/// does so within seconds.
const LEDGER_READ_MAX: i64 = 20_000;
/// Epochs read back at once. Leaders write a whole cut more often than this.
const PAGE_EPOCHS_MAX: i64 = 1_000;

/// What the compacted topics hold, and how far the last epoch had read the inputs and the epochs.
pub(crate) fn read(log: &dyn Log, wire: &Wire) -> anyhow::Result<(Compacted, Cut)> {
    let codec = wire.codec.clone();
    let (last, mut cut) = last_epoch(log, &codec)?;
    let mut compacted = Compacted::default();
    read_outputs(log, &codec, &mut compacted)?;
    read_inputs(log, wire, &cut, &mut compacted)?;
    compacted.answered = answered(log, &codec)?;
    match last {
        Some(last) => {
            (compacted.number, compacted.term) = (last.number, last.term);
            compacted.time_ms = last.time_ms;
        }
        None => beyond_all(log, &mut compacted)?,
    }
    // What time has taken since cannot be read any more, whether or not it was decided.
    for (topic, partition, start) in log.starts(&Topic::INPUTS)?.iter() {
        if cut.next(topic, partition) < start {
            warn!(%topic, partition, start, "records were forgotten before an epoch took them");
            cut.advance(topic, partition, start);
        }
    }
    Ok((compacted, cut))
}

/// Gives every record of these topics to the caller, to the ends or until nothing came for some
/// time: what a dead leader left open can be read by nobody, and is not of any epoch.
fn read_open(
    log: &dyn Log,
    topics: &[Topic],
    mut each: impl FnMut(LogRecord),
) -> anyhow::Result<()> {
    let ends = log.ends(topics)?;
    let mut reader = log.reader(&Cut::default(), topics)?;
    let mut heard = Instant::now();
    while !covers(&reader.position(), &ends) && heard.elapsed() < OPEN_PATIENCE {
        for record in reader.poll(POLL_RECORDS_MAX, POLL_WAIT)? {
            heard = Instant::now();
            each(record);
        }
    }
    Ok(())
}

/// The last epoch that is kept, and the cut as of it. Epochs name the partitions that moved, so
/// they are read back until each partition that has records was named.
fn last_epoch(log: &dyn Log, codec: &Codec) -> anyhow::Result<(Option<EpochRecord>, Cut)> {
    let topic = Topic::Epochs;
    let (start, end) = (log.starts(&[topic])?.next(topic, 0), log.ends(&[topic])?.next(topic, 0));
    let ends = log.ends(&Topic::INPUTS)?;
    let mut unnamed: BTreeSet<(Topic, i32)> =
        ends.iter().filter(|(.., next)| *next > 0).map(|(t, p, _)| (t, p)).collect();
    let (mut last, mut cut) = (None, Cut::default());
    let mut before = end;
    while before > start && (last.is_none() || !unnamed.is_empty()) {
        let from = (before - PAGE_EPOCHS_MAX).max(start);
        let mut records = Vec::new();
        read_on(log, (topic, 0), from, before, |page| records.extend_from_slice(page))?;
        for record in records.iter().rev().filter(|r| r.position.offset < before) {
            let Some(epoch) = stray::decoded::<EpochRecord>(codec, record)? else { continue };
            for (topic, partition, next) in epoch.cut().iter() {
                if unnamed.remove(&(topic, partition)) {
                    cut.advance(topic, partition, next);
                }
            }
            last.get_or_insert(epoch);
        }
        before = from;
    }
    cut.advance(topic, 0, end);
    Ok((last, cut))
}

/// Number and term above all that was ever written, where no epoch is kept: each epoch is a record
/// of its topic and each term has an epoch, so neither is above the topic's end.
fn beyond_all(log: &dyn Log, compacted: &mut Compacted) -> anyhow::Result<()> {
    let end = log.ends(&[Topic::Epochs])?.next(Topic::Epochs, 0);
    let versions = compacted.resources.iter().map(|(r, _)| (r.version, r.created_ms));
    let placed = compacted.placements.iter().map(|p| (p.placement.epoch, p.placement.placed_ms));
    let (number, time_ms) = versions
        .chain(placed)
        .fold((end, 0), |most, next| (most.0.max(next.0), most.1.max(next.1)));
    let terms = compacted.placements.iter().map(|p| p.placement.term);
    (compacted.number, compacted.time_ms) = (number, time_ms);
    compacted.term = terms.fold(end, i64::max);
    warn!(number, "no epoch is kept; counting on from above all that may have been");
    Ok(())
}

/// The latest answers to requests, from the end of the ledger: one that is repeated is not decided
/// again.
fn answered(log: &dyn Log, codec: &Codec) -> anyhow::Result<Vec<(RequestId, bool)>> {
    let mut answers: Vec<Decision> = Vec::new();
    for (topic, partition, end) in log.ends(&[Topic::Decisions])?.iter() {
        let from = (end - LEDGER_READ_MAX).max(0);
        let is_answer = |d: &Decision| matches!(d.action, Action::Accept | Action::Refuse);
        read_on(log, (topic, partition), from, end, |records| {
            let decoded = records.iter().filter_map(|r| codec.decode(r.value.as_deref()?).ok());
            answers.extend(decoded.filter(is_answer));
        })?;
    }
    answers.sort_by_key(|decision| (decision.epoch, decision.sequence));
    let answer =
        |d: &Decision| Some((RequestId::parse(&d.request).ok()?, d.action == Action::Accept));
    Ok(answers.iter().filter_map(answer).collect())
}

fn read_outputs(log: &dyn Log, codec: &Codec, compacted: &mut Compacted) -> anyhow::Result<()> {
    let mut resources: BTreeMap<ResourceKey, (Resource, Position)> = BTreeMap::new();
    let mut placements: BTreeMap<PodUid, Placed> = BTreeMap::new();
    let mut failed = None;
    read_open(log, &[Topic::Desired, Topic::Placements], |record| {
        let taken = match record.position.topic {
            Topic::Desired => take_resource(codec, &record, &mut resources),
            _ => take_placement(codec, &record, &mut placements),
        };
        if let Err(error) = taken {
            let what = format!("failed to read {}", record.position);
            failed.get_or_insert(error.context(what));
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    compacted.resources = resources.into_values().collect();
    compacted.placements = placements.into_values().collect();
    Ok(())
}

fn take_resource(
    codec: &Codec,
    record: &LogRecord,
    resources: &mut BTreeMap<ResourceKey, (Resource, Position)>,
) -> anyhow::Result<()> {
    if let Some(resource) = stray::decoded::<Resource>(codec, record)? {
        resources.insert(resource.key(), (resource, record.position));
    } else if let (None, Ok(key)) = (&record.value, ResourceKey::parse(&text(&record.key))) {
        resources.remove(&key);
    }
    Ok(())
}

fn take_placement(
    codec: &Codec,
    record: &LogRecord,
    placements: &mut BTreeMap<PodUid, Placed>,
) -> anyhow::Result<()> {
    if let Some(placement) = stray::decoded::<Placement>(codec, record)? {
        let (uid, position) = (placement.uid.clone(), record.position);
        placements.insert(uid, Placed { placement, position, withdrawn: false });
    } else if let (None, Ok(uid)) = (&record.value, PodUid::parse(&text(&record.key)))
        && let Some(placed) = placements.get_mut(&uid)
    {
        placed.withdrawn = true;
    }
    Ok(())
}

/// The latest of each node and pod before the cut. Where compaction has left none before it, the
/// first behind it: it comes again as an input, which changes nothing.
fn read_inputs(
    log: &dyn Log,
    wire: &Wire,
    cut: &Cut,
    compacted: &mut Compacted,
) -> anyhow::Result<()> {
    let decoder = Decoder::with_source(wire.codec.clone(), wire.source.clone());
    let mut latest: BTreeMap<(Topic, Vec<u8>), LogRecord> = BTreeMap::new();
    read_open(log, &[Topic::Nodes, Topic::Pods], |record| {
        let key = (record.position.topic, record.key.clone());
        if cut.covers(record.position) || !latest.contains_key(&key) {
            latest.insert(key, record);
        }
    })?;
    let mut nodes: BTreeMap<NodeName, (NodeRecord, Position)> = BTreeMap::new();
    for record in latest.values() {
        decoder.prepare(record).map_err(|unanswered| {
            LogError::transient(format!("read the record at {}", record.position), unanswered)
        })?;
        // What does not decode has its dead letter already.
        let Ok(Some(Sourced { position, input })) = decoder.decode(record) else { continue };
        match input {
            Input::Node(node) => {
                nodes.insert(node.node.clone(), (*node, position));
            }
            Input::NodeRemoved(_) => {}
            input => compacted.observed.push(Sourced { position, input }),
        }
    }
    compacted.nodes = nodes.into_values().collect();
    compacted.observed.sort_by_key(|sourced| sourced.position);
    Ok(())
}

/// A key as text; one that is no text is nobody's key.
fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
