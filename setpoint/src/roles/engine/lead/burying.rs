//! Tombstones for what is gone for good, so that the compacted topics of what agents say are bounded
//! by the living fleet.
//!
//! Guarantee: only what a committed epoch has decided is buried; the engine keeps who remains until
//! it reads the tombstone, so what fails here is written again. Absent: a place in the leader's
//! transaction. There the inputs would wait for each other's ends, and their offsets have gaps.

use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

use anyhow::Context as _;
use setpoint_dataflow::Remains;
use setpoint_ingest::{Appender, AppenderKind, Entry, Log, entry};
use tracing::{debug, warn};

/// Batches that wait at once. Beyond this they are left to the next look at all that remains.
const BATCHES_QUEUED_MAX: usize = 256;
/// Tombstones of one append: some hundred kilobytes.
const TOGETHER_MAX: usize = 1_024;
/// Between two looks at all that remains, in engine time: long enough for a tombstone to be read
/// back, short against a day, in which nothing is compacted.
pub(crate) const LOOK_MS: i64 = 60_000;

/// Hands over who is to be buried, and waits for no one.
pub(crate) struct Undertaker {
    send: SyncSender<Vec<Remains>>,
}

impl Undertaker {
    /// One with an appender of its own: callers of the API do not wait for it.
    pub(crate) fn new(log: &dyn Log) -> anyhow::Result<Undertaker> {
        let appender = log.appender(AppenderKind::Shared).context("failed to open an appender")?;
        let (send, receive) = mpsc::sync_channel(BATCHES_QUEUED_MAX);
        std::thread::Builder::new()
            .name("undertaker".into())
            .spawn(move || bury_all(appender, &receive))?;
        Ok(Undertaker { send })
    }

    /// Buries these, which a committed epoch says are gone.
    pub(crate) fn bury(&self, remains: Vec<Remains>) {
        if remains.is_empty() {
            return;
        }
        if let Err(TrySendError::Full(remains)) = self.send.try_send(remains) {
            debug!(remains = remains.len(), "tombstones wait for the next look");
        }
    }
}

/// Until nobody hands over any more.
fn bury_all(mut appender: Box<dyn Appender>, receive: &Receiver<Vec<Remains>>) {
    while let Ok(remains) = receive.recv() {
        for some in remains.chunks(TOGETHER_MAX) {
            let entries: Vec<Entry> = some.iter().flat_map(tombstones).collect();
            if let Err(error) = appender.append(entries) {
                warn!(%error, "tombstones were not written; they are tried again");
                break;
            }
        }
    }
}

fn tombstones(remains: &Remains) -> Vec<Entry> {
    match remains {
        Remains::Pod { uid, node } => vec![entry::pod_removed(uid, node)],
        // The record last: when it is read, both are done.
        Remains::Node(node) => vec![entry::snapshot_removed(node), entry::node_removed(node)],
    }
}
