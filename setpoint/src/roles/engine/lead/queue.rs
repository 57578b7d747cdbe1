//! The epochs that wait for the log: bounded in number, and in bytes.

use std::sync::mpsc::{self, RecvError, SyncSender, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use setpoint_dataflow::{ChangedRows, Outcome, Remains};
use setpoint_ingest::{Entry, READ_BYTES_MAX};
use setpoint_schemas::{Cut, EpochRecord};

use crate::roles::engine::metrics::Metrics;

/// Epochs that wait for the log at once; beyond this the engine should wait, not its memory grow.
const EPOCHS_QUEUED_MAX: usize = 64;
/// Bytes that wait at once, those of the append under way among them: four of the fullest reads, or
/// what some ten thousand records decide. An epoch may exceed it, and the next one waits until it is
/// committed.
const BYTES_QUEUED_MAX: usize = 4 * READ_BYTES_MAX;
/// What a decision, a placement or a change that is shown takes, roughly: its texts, its entry for
/// the log, its place in maps.
const DECIDED_BYTES: usize = 2_048;
/// How this queue is called in the metrics.
const NAME: &str = "commits";

/// One decided epoch.
pub(crate) struct Commit {
    pub(crate) record: EpochRecord,
    pub(crate) outcome: Outcome,
    pub(crate) dead_letters: Vec<Entry>,
    /// Who is to be buried once this is committed.
    pub(crate) remains: Vec<Remains>,
    /// The input cut and the checkpoint's rows, when it is time for one.
    pub(crate) rows: Option<(Cut, ChangedRows)>,
}

impl Commit {
    /// What it holds in memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let letter = |letter: &Entry| letter.key.len() + letter.value.as_ref().map_or(0, Vec::len);
        let letters: usize = self.dead_letters.iter().map(letter).sum();
        let out = &self.outcome;
        let decided = out.decisions.len() + out.placements.len() + out.served.len();
        let bodies = out.resources.iter().filter_map(|(_, resource)| resource.as_ref());
        let resources: usize = bodies.map(|resource| DECIDED_BYTES + resource.body.len()).sum();
        let rows = self.rows.as_ref().map_or(0, |(_, rows)| rows.bytes());
        letters + decided * DECIDED_BYTES + resources + rows
    }
}

/// The engine's end.
pub(crate) struct Sender {
    send: SyncSender<Commit>,
    held: Arc<Held>,
}

/// The committer's end.
pub(crate) struct Receiver {
    receive: mpsc::Receiver<Commit>,
    held: Arc<Held>,
}

/// Nobody commits any more.
#[derive(Debug)]
pub(crate) struct Gone;

#[derive(Default)]
struct Held {
    state: Mutex<State>,
    changed: Condvar,
    metrics: Option<Arc<Metrics>>,
}

#[derive(Default)]
struct State {
    epochs: usize,
    bytes: usize,
    gone: bool,
}

/// A queue without epochs.
pub(crate) fn queue(metrics: Arc<Metrics>) -> (Sender, Receiver) {
    let (send, receive) = mpsc::sync_channel(EPOCHS_QUEUED_MAX);
    let held = Arc::new(Held { metrics: Some(metrics), ..Held::default() });
    (Sender { send, held: held.clone() }, Receiver { receive, held })
}

impl Sender {
    /// Hands an epoch over, when there is room.
    pub(crate) fn send(&self, commit: Commit) -> Result<(), Gone> {
        let mut state = self.held.lock();
        while state.bytes > BYTES_QUEUED_MAX && !state.gone {
            state = self.held.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.gone {
            return Err(Gone);
        }
        state.bytes += commit.bytes();
        state.epochs += 1;
        self.held.tell(&state);
        drop(state);
        self.send.send(commit).map_err(|_| Gone)
    }
}

impl Receiver {
    /// Waits for the next epoch.
    pub(crate) fn recv(&self) -> Result<Commit, RecvError> {
        self.receive.recv()
    }

    /// The next epoch, if one waits.
    pub(crate) fn try_recv(&self) -> Result<Commit, TryRecvError> {
        self.receive.try_recv()
    }

    /// So many epochs, of so many bytes, are held no longer.
    pub(crate) fn committed(&self, epochs: usize, bytes: usize) {
        let mut state = self.held.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.epochs = state.epochs.saturating_sub(epochs);
        self.held.tell(&state);
        self.held.changed.notify_all();
    }
}

/// Whoever waits to send learns that nobody receives.
impl Drop for Receiver {
    fn drop(&mut self) {
        self.held.lock().gone = true;
        self.held.changed.notify_all();
    }
}

impl Held {
    fn tell(&self, state: &State) {
        let entries = (state.epochs, EPOCHS_QUEUED_MAX);
        if let Some(metrics) = &self.metrics {
            metrics.queued(NAME, entries, (state.bytes, BYTES_QUEUED_MAX));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use setpoint_schemas::{Topic, samples};

    use super::*;

    fn heavy() -> Commit {
        let letter = Entry {
            topic: Topic::DeadLetter,
            key: Vec::new(),
            partition_key: Vec::new(),
            value: Some(vec![0; BYTES_QUEUED_MAX]),
            headers: Vec::new(),
        };
        Commit {
            record: samples::epoch(),
            outcome: Outcome::default(),
            dead_letters: vec![letter.clone(), letter],
            remains: Vec::new(),
            rows: None,
        }
    }

    fn empty() -> (Sender, Receiver) {
        queue(Arc::new(Metrics::new().expect("metrics")))
    }

    #[test]
    fn what_is_decided_weighs_as_letters_do() {
        let light = heavy().bytes() - BYTES_QUEUED_MAX * 2;
        let mut decided = heavy();
        decided.outcome.decisions = vec![samples::decision().into(); 3];
        assert_eq!(decided.bytes() - 2 * BYTES_QUEUED_MAX, light + 3 * DECIDED_BYTES);
    }

    #[test]
    fn heavy_epochs_wait_until_the_earlier_ones_are_committed() {
        let (send, receive) = empty();
        send.send(heavy()).expect("there is room");
        let sending = std::thread::spawn(move || send.send(heavy()).is_ok());
        std::thread::sleep(Duration::from_millis(100));
        assert!(!sending.is_finished(), "both are held at once");
        let first = receive.recv().expect("an epoch");
        receive.committed(1, first.bytes());
        assert!(receive.recv().is_ok());
        assert!(sending.join().expect("it ends"));
    }

    #[test]
    fn who_waits_to_send_learns_that_nobody_receives() {
        let (send, receive) = empty();
        send.send(heavy()).expect("there is room");
        let sending = std::thread::spawn(move || send.send(heavy()).is_err());
        std::thread::sleep(Duration::from_millis(50));
        drop(receive);
        assert!(sending.join().expect("it ends"));
    }
}
