//! Where an engine begins: its checkpoint, the whole log, or the compacted topics.
//!
//! Guarantee: a checkpoint that cannot be read, that is another log's, or that is older than what
//! the log still holds is never built upon; it is set aside or replaced, and the log line says why.
//! A folder that is in use or a disk that fails stops the engine instead: another try may succeed.

use std::path::Path;

use anyhow::Context as _;
use setpoint_dataflow::views::Differential;
use setpoint_dataflow::{Engine, Outcome};
use setpoint_ingest::{Log, LogError};
use setpoint_rules::RULES_VERSION;
use setpoint_schemas::avro::Codec;
use setpoint_schemas::{Cleanup, Cut, EpochRecord, Topic};
use setpoint_store::{Checkpoint, StoreError};
use tracing::{info, warn};

use super::ends::{OPEN_PATIENCE, is_trimmed};
use super::follower::{Follower, Parts};
use super::rebuilding;
use crate::roles::engine::workers::Workers;

/// An engine that has caught up with the log, and the checkpoint that it goes on writing. Each epoch
/// that is stepped goes to `each`.
pub(crate) fn recover(
    log: &dyn Log,
    path: &Path,
    parts: &Parts<'_>,
    mut each: impl FnMut(&Outcome),
) -> anyhow::Result<(Follower, Checkpoint)> {
    let (store, stored) = open(path, parts.workers)?;
    let begun = begin(log, path, parts, store, stored)?;
    let store = match begun {
        Begun::From { engine, cut, rules, store } => {
            let mut follower = Follower::at(log, *engine, cut, rules, parts);
            let caught_up = match &mut follower {
                Ok(follower) => follower.catch_up(log, Some(OPEN_PATIENCE), &mut each),
                Err(_) => Ok(()),
            };
            match (follower, caught_up) {
                (Ok(follower), Ok(())) => return Ok((follower, store)),
                (Err(error), _) | (_, Err(error)) if is_trimmed(&error) => {
                    let error = format!("{error:#}");
                    warn!(error, "the log was trimmed behind this engine's state");
                    store
                }
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
        Begun::Trimmed { store } => store,
    };
    drop(store);
    rebuild(log, path, parts, each)
}

/// How an engine may begin.
enum Begun {
    /// With this state, which stands at this cut behind an epoch of these rules.
    From { engine: Box<Engine<Differential>>, cut: Cut, rules: String, store: Checkpoint },
    /// Only from the compacted topics.
    Trimmed { store: Checkpoint },
}

/// A checkpoint as it was read.
type Stored = Option<(Engine<Differential>, Cut)>;

/// Opens and reads the checkpoint; one that is damaged is set aside, and an empty one is made.
fn open(path: &Path, workers: &Workers) -> anyhow::Result<(Checkpoint, Stored)> {
    // Before it is looked at: that another process is not there is no damage.
    let views = workers.views()?;
    let damaged = match Checkpoint::open(path) {
        Ok(store) => match read(&store, views) {
            Ok(stored) => return Ok((store, stored)),
            Err(error) => error,
        },
        Err(error) => error.into(),
    };
    let is_damage = !matches!(
        damaged.downcast_ref(),
        Some(StoreError::InUse { .. } | StoreError::Database { .. } | StoreError::Disk { .. })
    );
    if !is_damage {
        let path = path.display();
        return Err(damaged.context(format!("failed to use the checkpoint in {path}")));
    }
    Ok((set_aside(path, &format!("{damaged:#}"))?, None))
}

fn read(store: &Checkpoint, views: Differential) -> anyhow::Result<Stored> {
    let Some(loaded) = store.load()? else { return Ok(None) };
    let cut = loaded.cut.clone();
    let rows = loaded.rows.collect::<Result<Vec<_>, _>>()?;
    Ok(Some((Engine::restore(views, rows)?, cut)))
}

fn set_aside(path: &Path, why: &str) -> anyhow::Result<Checkpoint> {
    let aside = Checkpoint::set_aside(path)?;
    let kept = aside.display();
    warn!(%why, %kept, "the checkpoint is not usable and is set aside; recovering from the log");
    Ok(Checkpoint::open(path)?)
}

fn begin(
    log: &dyn Log,
    path: &Path,
    parts: &Parts<'_>,
    store: Checkpoint,
    stored: Stored,
) -> anyhow::Result<Begun> {
    let (engine, cut, store) = match stored {
        Some((engine, cut)) => match judge(log, &parts.wire.codec, &engine, &cut)? {
            Verdict::Fits { rules } => {
                info!(epoch = engine.number(), "recovering from the checkpoint");
                return Ok(Begun::From { engine: Box::new(engine), cut, rules, store });
            }
            Verdict::Trimmed { what } => {
                warn!(
                    epoch = engine.number(),
                    %what,
                    "the checkpoint is older than what the log still holds; rebuilding from the compacted topics"
                );
                return Ok(Begun::Trimmed { store });
            }
            Verdict::Foreign { why } => {
                drop((engine, store));
                (None, Cut::default(), set_aside(path, &why)?)
            }
        },
        None => (None, Cut::default(), store),
    };
    if let Some(what) = trimmed(log, &cut)? {
        warn!(%what, "there is no checkpoint and the log is trimmed; rebuilding from the compacted topics");
        return Ok(Begun::Trimmed { store });
    }
    info!("recovering from the whole log");
    let engine = match engine {
        Some(engine) => engine,
        None => Engine::new(parts.workers.views()?, parts.policy.clone()),
    };
    let rules = RULES_VERSION.to_owned();
    Ok(Begun::From { engine: Box::new(engine), cut, rules, store })
}

/// What a checkpoint is to this log.
enum Verdict {
    /// All behind it is there; its last epoch was of these rules.
    Fits { rules: String },
    /// Something behind it is gone.
    Trimmed { what: String },
    /// It was never made from this log.
    Foreign { why: String },
}

fn judge(
    log: &dyn Log,
    codec: &Codec,
    engine: &Engine<Differential>,
    cut: &Cut,
) -> anyhow::Result<Verdict> {
    let topic = Topic::Epochs;
    let next = cut.next(topic, 0);
    let end = log.ends(&[topic])?.next(topic, 0);
    let number = engine.number();
    if end < next {
        let why = format!(
            "it stands for epoch {number} at offset {next}, and the log ends at {end}: it is of another log, or the log has lost its end"
        );
        return Ok(Verdict::Foreign { why });
    }
    if let Some(what) = trimmed(log, cut)? {
        return Ok(Verdict::Trimmed { what });
    }
    let records = log.read_at(topic, 0, next - 1, 1)?;
    let found = records.first().filter(|record| record.position.offset == next - 1);
    let Some(value) = found.and_then(|record| record.value.as_deref()) else {
        // Cleanup took exactly the epoch that it stands for: nothing speaks against it.
        return Ok(Verdict::Fits { rules: RULES_VERSION.to_owned() });
    };
    let epoch: EpochRecord =
        codec.decode(value).context("failed to decode the checkpoint's epoch")?;
    let (own, there) =
        ((number, engine.term(), engine.time_ms()), (epoch.number, epoch.term, epoch.time_ms));
    if own == there {
        return Ok(Verdict::Fits { rules: epoch.rules });
    }
    let why = format!(
        "it stands for epoch, term and time {own:?}, and the log has {there:?} there: it is of another log"
    );
    Ok(Verdict::Foreign { why })
}

/// What lies behind a cut and is no longer there, of the topics that forget by time.
fn trimmed(log: &dyn Log, cut: &Cut) -> Result<Option<String>, LogError> {
    let topics = [Topic::Requests, Topic::Leases, Topic::Epochs];
    debug_assert!(topics.iter().all(|topic| matches!(topic.cleanup(), Cleanup::Hours(_))));
    for (topic, partition, start) in log.starts(&topics)?.iter() {
        let wanted = cut.next(topic, partition);
        if wanted < start {
            return Ok(Some(format!("{topic}/{partition} begins at {start}, not at {wanted}")));
        }
    }
    Ok(None)
}

/// An engine from the compacted topics, with a checkpoint of its own, caught up with what came
/// since they were read.
fn rebuild(
    log: &dyn Log,
    path: &Path,
    parts: &Parts<'_>,
    each: impl FnMut(&Outcome),
) -> anyhow::Result<(Follower, Checkpoint)> {
    let (compacted, cut) =
        rebuilding::read(log, parts.wire).context("failed to read the compacted topics")?;
    let (resources, nodes) = (compacted.resources.len(), compacted.nodes.len());
    let placements = compacted.placements.iter().filter(|placed| !placed.withdrawn).count();
    let mut engine = Engine::rebuild(parts.workers.views()?, parts.policy, compacted)
        .context("failed to rebuild the engine from the compacted topics")?;
    let epoch = engine.number();
    warn!(epoch, resources, nodes, placements, "the engine is rebuilt from the compacted topics");
    Checkpoint::discard(path)?;
    let mut store = Checkpoint::open(path)?;
    let rows = engine.take_rows();
    store
        .write(engine.number(), engine.term(), &cut, &rows)
        .context("failed to write the checkpoint")?;
    let rules = RULES_VERSION.to_owned();
    let mut follower = Follower::at(log, engine, cut, rules, parts)?;
    follower.catch_up(log, Some(OPEN_PATIENCE), each)?;
    Ok((follower, store))
}
