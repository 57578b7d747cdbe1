//! What leaders committed, as the log and a disk hold it: epochs, placements, resources, a checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_dataflow::{CheckpointRow, Compacted, Engine, Epoch, Outcome, Placed, Served};
use setpoint_schemas::{
    Action, Cut, NodeName, Placement, PodUid, Position, RequestId, Resource, ResourceKey,
    SessionId, Topic,
};

use crate::memory_log::MemoryLog;
use crate::watched::Watched;

/// An epoch as it was committed: all that a replay needs, and what it must reach.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The epoch, without its inputs: those are on the log, up to the cut.
    pub epoch: Epoch,
    /// How far it read.
    pub cut: Cut,
    /// What it decided, with its hash.
    pub outcome: setpoint_dataflow::Recorded,
}

/// The rows of a checkpoint, and the epoch that they stand for.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    rows: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    /// The epoch; 0: nothing yet.
    pub number: i64,
    /// How far that epoch read.
    pub cut: Cut,
}

impl Checkpoint {
    /// Writes changed rows.
    pub fn write(&mut self, rows: Vec<CheckpointRow>, number: i64, cut: &Cut) {
        for (table, key, value) in rows {
            match value {
                Some(value) => self.rows.insert((table, key), value),
                None => self.rows.remove(&(table, key)),
            };
        }
        (self.number, self.cut) = (number, cut.clone());
    }

    /// An engine from these rows.
    ///
    /// # Panics
    /// When a row does not read back.
    #[must_use]
    pub fn restore(&self, views: Watched) -> Engine<Watched> {
        let rows =
            self.rows.iter().map(|((table, key), value)| (*table, key.clone(), value.clone()));
        Engine::restore(views, rows).expect("a checkpoint reads back")
    }
}

/// What the log holds beside the inputs: what leaders committed.
#[derive(Debug, Default)]
pub struct Committed {
    /// The epochs, by number from 1.
    pub epochs: Vec<Recorded>,
    /// Placements as they stand.
    pub placements: BTreeMap<PodUid, Arc<Placement>>,
    /// Placements that were withdrawn.
    pub withdrawn: BTreeMap<PodUid, Arc<Placement>>,
    /// The nodes that readers know, each with the life of its agent that is registered.
    pub nodes: BTreeMap<NodeName, SessionId>,
    /// The renewal of each node's lease that was taken in last, where readers are told.
    pub leases: BTreeMap<NodeName, i64>,
    /// Resources as they stand, with where they do.
    pub resources: BTreeMap<ResourceKey, (Arc<Resource>, Position)>,
    /// Whether what forgets by time was forgotten before the last epochs.
    pub is_trimmed: bool,
    /// The checkpoint, some epochs behind.
    pub checkpoint: Checkpoint,
}

impl Committed {
    /// The term and number of the last epoch.
    #[must_use]
    pub fn as_of(&self) -> (i64, i64) {
        self.epochs.last().map_or((0, 0), |last| (last.epoch.term, last.epoch.number))
    }

    /// How far the last epoch read.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.epochs.last().map(|last| last.cut.clone()).unwrap_or_default()
    }

    /// Holds an epoch's outcome.
    pub fn commit(&mut self, epoch: Epoch, cut: Cut, outcome: &Outcome, log: &mut MemoryLog) {
        for change in &outcome.placements {
            match &change.placement {
                Some(placement) => {
                    self.placements.insert(change.uid.clone(), placement.clone());
                }
                None => {
                    let before = self.placements.remove(&change.uid);
                    self.withdrawn.extend(before.map(|before| (change.uid.clone(), before)));
                }
            };
        }
        self.read_nodes(outcome);
        for (key, resource) in &outcome.resources {
            let position = log.write(Topic::Desired);
            match resource {
                Some(resource) => self.resources.insert(key.clone(), (resource.clone(), position)),
                None => self.resources.remove(key),
            };
        }
        let outcome = setpoint_dataflow::Recorded {
            hash: outcome.hash,
            resources: outcome.resources.clone(),
            placements: outcome.placements.clone(),
            decisions: outcome.ledger(),
        };
        self.epochs.push(Recorded { epoch, cut, outcome });
    }

    /// Readers of a new leader see what it holds, and nothing of what its forerunner held.
    pub fn shown(&mut self, everything: &Outcome) {
        self.nodes.clear();
        self.leases.clear();
        self.read_nodes(everything);
    }

    fn read_nodes(&mut self, outcome: &Outcome) {
        for served in &outcome.served {
            match served {
                Served::Node(name, Some(node)) => {
                    self.nodes.insert(name.clone(), node.record.session.clone());
                    match node.lease {
                        Some(sequence) => self.leases.insert(name.clone(), sequence),
                        None => self.leases.remove(name),
                    };
                }
                Served::Node(name, None) => {
                    self.nodes.remove(name);
                    self.leases.remove(name);
                }
                _ => {}
            }
        }
    }

    /// What a cleanup leaves: nothing but the compacted topics. Withdrawn placements may be kept.
    #[must_use]
    pub fn compacted(&self, log: &MemoryLog, withdrawn_are_kept: bool) -> Compacted {
        let (term, number) = self.as_of();
        let time_ms = self.epochs.last().map_or(0, |last| last.epoch.time_ms);
        let (nodes, observed) = log.compacted(&self.cut());
        let placed = |placement: &Arc<Placement>, withdrawn| Placed {
            placement: Placement::clone(placement),
            position: Position { topic: Topic::Placements, partition: 0, offset: 0 },
            withdrawn,
        };
        let stands = self.placements.values().map(|p| placed(p, false));
        let kept = self.withdrawn.values().filter(|_| withdrawn_are_kept);
        let placements = stands.chain(kept.map(|p| placed(p, true))).collect();
        let resources = self.resources.values();
        let resources = resources.map(|(r, at)| (Resource::clone(r), *at)).collect();
        let decisions = self.epochs.iter().flat_map(|epoch| &epoch.outcome.decisions);
        let answered = decisions.filter_map(|decision| match decision.action {
            Action::Accept => Some((RequestId::parse(&decision.request).ok()?, true)),
            Action::Refuse => Some((RequestId::parse(&decision.request).ok()?, false)),
            _ => None,
        });
        let answered = answered.collect();
        Compacted { number, term, time_ms, resources, nodes, placements, observed, answered }
    }
}
