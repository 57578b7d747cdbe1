//! How many connections are open, and which of them leave first.
//!
//! Guarantee: who has not shown yet that it may call cannot keep out who has. Connections that made
//! no call that was let in are strangers; there is room for some, and the one that came first leaves
//! when another comes. What is let in stays until it is idle for long.
//! Absent: how many calls one caller may make ([`crate::room`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Strangers at once: a whole fleet's agents that come back in the same second, each for the moment
/// of a handshake. Of a few connections a quarter.
const STRANGERS_MAX: usize = 1_024;
/// A stranger that takes longer for its first call is not one who will make any; a handshake over a
/// slow line takes a second or two.
pub(crate) const STRANGER_PATIENCE: Duration = Duration::from_secs(15);
/// A connection without a call for so long is forgotten: clients drop theirs after 90 seconds.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// Between two lines that tell of connections sent away.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// All connections of a server.
pub(crate) struct Connections {
    state: Mutex<State>,
    open_max: usize,
    strangers_max: usize,
}

#[derive(Default)]
struct State {
    open: usize,
    number_next: u64,
    /// By their number: the first came first.
    strangers: BTreeMap<u64, CancellationToken>,
    told: Option<Instant>,
    sent_away: u64,
}

/// An open connection; it is counted until it is dropped.
pub(crate) struct Connection {
    number: u64,
    among: Arc<Connections>,
    ending: CancellationToken,
    usage: Mutex<Usage>,
}

struct Usage {
    calls: usize,
    idle_since: Instant,
    is_known: bool,
}

/// A call on a connection, until its answer is told whole.
pub(crate) struct CallOn(Arc<Connection>);

impl Connections {
    /// Room for so many.
    pub(crate) fn new(open_max: usize) -> Arc<Connections> {
        let strangers_max = STRANGERS_MAX.min(open_max / 4).max(1);
        Arc::new(Connections { state: Mutex::default(), open_max, strangers_max })
    }

    /// Takes one in, and sends the oldest stranger away where there is no room; `None` when only
    /// those are here who may be.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Arc<Connection>> {
        let mut state = self.lock();
        let is_full = state.open >= self.open_max;
        if is_full || state.strangers.len() >= self.strangers_max {
            let left = state.send_oldest_away();
            state.tell("too many connections; those that made no call leave first");
            if is_full && !left {
                return None;
            }
        }
        let (number, ending) = (state.number_next, CancellationToken::new());
        state.number_next += 1;
        state.open += 1;
        state.strangers.insert(number, ending.clone());
        drop(state);
        let usage = Usage { calls: 0, idle_since: Instant::now(), is_known: false };
        let usage = Mutex::new(usage);
        Some(Arc::new(Connection { number, among: self.clone(), ending, usage }))
    }

    /// The system gave no connection: a stranger leaves, so that its file descriptor is free.
    pub(crate) fn not_accepted(&self, error: &std::io::Error) {
        let mut state = self.lock();
        state.send_oldest_away();
        state.tell(&format!("a connection was not accepted: {error}"));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send_oldest_away(&mut self) -> bool {
        let oldest = self.strangers.pop_first();
        oldest.as_ref().inspect(|(_, ending)| ending.cancel());
        oldest.is_some()
    }

    fn tell(&mut self, why: &str) {
        self.sent_away += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            let sent_away = std::mem::take(&mut self.sent_away);
            warn!(open = self.open, strangers = self.strangers.len(), sent_away, "{why}");
        }
    }
}

impl Connection {
    /// Cancelled when it must go.
    pub(crate) fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// Who calls may call.
    pub(crate) fn is_known(&self) {
        let was_known = std::mem::replace(&mut self.lock().is_known, true);
        if !was_known {
            self.among.lock().strangers.remove(&self.number);
        }
    }

    /// A call begins.
    pub(crate) fn call(self: &Arc<Self>) -> CallOn {
        self.lock().calls += 1;
        CallOn(self.clone())
    }

    /// How long it may stay without another call, as of now.
    pub(crate) fn patience(&self) -> Duration {
        let usage = self.lock();
        let patience = if usage.is_known { IDLE_MAX } else { STRANGER_PATIENCE };
        match usage.calls {
            0 => patience.saturating_sub(usage.idle_since.elapsed()),
            _ => patience,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.among.lock();
        state.open -= 1;
        state.strangers.remove(&self.number);
    }
}

impl Drop for CallOn {
    fn drop(&mut self) {
        let mut usage = self.0.lock();
        usage.calls -= 1;
        usage.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stranger_leaves_and_who_may_call_stays() {
        let all = Connections::new(8);
        let known = all.enter().expect("there is room");
        known.is_known();
        let first = all.enter().expect("there is room");
        let second = all.enter().expect("there is room");
        let third = all.enter().expect("the first makes room");
        let ends = |connection: &Connection| connection.ending().is_cancelled();
        assert_eq!([&known, &first, &second, &third].map(|c| ends(c)), [false, true, false, false]);
        drop((first, second, third));
        let more: Vec<_> = (0..7).map(|_| all.enter().expect("there is room")).collect();
        more.iter().for_each(|connection| connection.is_known());
        assert!(all.enter().is_none(), "all are known");
        drop(known);
        assert!(all.enter().is_some());
    }

    #[test]
    fn a_connection_is_idle_only_between_its_calls() {
        let all = Connections::new(8);
        let connection = all.enter().expect("there is room");
        assert!(connection.patience() <= STRANGER_PATIENCE);
        connection.is_known();
        let call = connection.call();
        assert_eq!(connection.patience(), IDLE_MAX);
        drop(call);
        std::thread::sleep(Duration::from_millis(2));
        assert!(connection.patience() < IDLE_MAX);
    }
}
