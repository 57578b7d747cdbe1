//! Calls to nodes: who asks for one waits here until the node's agent takes it and opens its end.
//!
//! Guarantee: bounded by [`NODE_CALLS_MAX`] a node, of which nobody has more than half, and [`CALLS_MAX`]
//! in all, each until its caller lets go of it; a node takes only calls to itself, each once.
//! Absent: what is said in a call ([`crate::line`]), and calls made at other servers: each server knows
//! its own, and agents ask all of them.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ws::WebSocket;
use axum::http::StatusCode;
use setpoint_schemas::call::{Deed, NodeCall};
use setpoint_schemas::{NodeName, PodUid};
use tokio::sync::{Notify, oneshot};
use tokio::time::{timeout, timeout_at};

use crate::connections::CallOn;
use crate::status::ApiError;

/// Calls at once in all: each holds two connections and some hundred kilobytes.
const CALLS_MAX: usize = 1_024;
/// Calls at once to one node: more than people make, and few enough that one busy node leaves room.
const NODE_CALLS_MAX: usize = 32;
/// Calls at once to one node by one caller: who follows everything leaves others a way in.
const CALLERS_CALLS_MAX: usize = NODE_CALLS_MAX / 2;
/// An agent that is there asks again within a moment, and opens its end in another; one that takes
/// longer is away.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// An agent asks again at the latest every 20 s; who was not heard for this long asks no more.
const HEARD_WITHIN: Duration = Duration::from_secs(60);

/// All calls to nodes of this server.
pub(crate) struct Calls {
    desks: Mutex<HashMap<NodeName, Desk>>,
    /// Unlike that of every other server, and of this one's lives before.
    life: u64,
    count: AtomicU64,
}

/// The calls to one node.
#[derive(Default)]
struct Desk {
    waiting: VecDeque<NodeCall>,
    /// Those whose connection is awaited, by id; also those that wait.
    expected: HashMap<String, oneshot::Sender<Opened>>,
    /// All that were not let go of, by who made them.
    calls: HashMap<String, usize>,
    /// How many answers to the agent wait for a call.
    asking: usize,
    heard: Option<Instant>,
    bell: Arc<Notify>,
}

/// The connection that an agent opened for a call.
pub(crate) struct Opened {
    pub(crate) socket: WebSocket,
    /// It stays open as long as this is held.
    pub(crate) on: Option<CallOn>,
}

/// A call, until it is dropped.
pub(crate) struct Ticket {
    calls: Arc<Calls>,
    node: NodeName,
    caller: String,
    id: String,
}

/// An agent that waits for calls.
struct Asking<'a> {
    calls: &'a Calls,
    node: &'a NodeName,
}

impl Default for Calls {
    fn default() -> Self {
        // The hasher's keys are the standard library's own random numbers.
        let life = RandomState::new().hash_one(std::process::id());
        Calls { desks: Mutex::default(), life, count: AtomicU64::new(0) }
    }
}

impl Calls {
    /// Hands this caller's call to a node's agent and waits until that has opened its end.
    pub(crate) async fn make(
        self: &Arc<Self>,
        caller: &str,
        node: &NodeName,
        (uid, container): (&PodUid, &str),
        deed: Deed,
    ) -> Result<(Opened, Ticket), ApiError> {
        let id = self.next_id();
        let (open, opened) = oneshot::channel();
        let container = container.to_owned();
        let call = NodeCall { id: id.clone(), uid: uid.clone(), container, deed };
        self.place(caller, node, call, open)?;
        let caller = caller.to_owned();
        let ticket = Ticket { calls: self.clone(), node: node.clone(), caller, id };
        match timeout(TAKEN_WITHIN, opened).await {
            Ok(Ok(opened)) => Ok((opened, ticket)),
            Ok(Err(_)) | Err(_) => Err(self.not_taken(node)),
        }
    }

    /// The calls that wait for this node: at once when there are any, otherwise when one comes, or none
    /// when patience ends.
    pub(crate) async fn take(&self, node: &NodeName, patience: Duration) -> Vec<NodeCall> {
        let until = tokio::time::Instant::now() + patience;
        let bell = self.change(node, |desk| {
            desk.asking += 1;
            desk.heard = Some(Instant::now());
            desk.bell.clone()
        });
        let _asking = Asking { calls: self, node };
        loop {
            // Before the look: who rings in between is heard.
            let rung = bell.notified();
            let waiting = self.change(node, |desk| std::mem::take(&mut desk.waiting));
            if !waiting.is_empty() || timeout_at(until, rung).await.is_err() {
                return waiting.into();
            }
        }
    }

    /// Who waits for the connection of this call; `None` when nobody does any more.
    pub(crate) fn expected(&self, node: &NodeName, id: &str) -> Option<oneshot::Sender<Opened>> {
        self.lock().get_mut(node)?.expected.remove(id)
    }

    fn next_id(&self) -> String {
        format!("{:x}-{:x}", self.life, self.count.fetch_add(1, Ordering::Relaxed))
    }

    fn place(
        &self,
        caller: &str,
        node: &NodeName,
        call: NodeCall,
        open: oneshot::Sender<Opened>,
    ) -> Result<(), ApiError> {
        let mut desks = self.lock();
        let all: usize = desks.values().map(Desk::calls).sum();
        let desk = desks.entry(node.clone()).or_default();
        let too_many = |message: String| ApiError::new(StatusCode::TOO_MANY_REQUESTS, message);
        if desk.calls.get(caller).is_some_and(|calls| *calls >= CALLERS_CALLS_MAX) {
            let message = format!(
                "{CALLERS_CALLS_MAX} calls of {caller} to node {node} are open: end one of them first"
            );
            return Err(too_many(message));
        }
        if desk.calls() >= NODE_CALLS_MAX {
            let message =
                format!("{NODE_CALLS_MAX} calls to node {node} are open: try again later");
            return Err(too_many(message));
        }
        if all >= CALLS_MAX {
            return Err(too_many(format!("{CALLS_MAX} calls to nodes are open: try again later")));
        }
        *desk.calls.entry(caller.to_owned()).or_default() += 1;
        desk.expected.insert(call.id.clone(), open);
        desk.waiting.push_back(call);
        desk.bell.notify_one();
        Ok(())
    }

    /// Why nobody took a call, as far as it can be told here.
    fn not_taken(&self, node: &NodeName) -> ApiError {
        let heard = self.lock().get(node).and_then(|desk| desk.heard);
        let seconds = TAKEN_WITHIN.as_secs();
        let message = match heard {
            Some(heard) if heard.elapsed() < HEARD_WITHIN => {
                format!("the agent of node {node} has not taken the call within {seconds} s")
            }
            _ => format!(
                "no agent of node {node} asks this server for calls: it is away, or names only other \
                 servers in agent.servers; then call one of those"
            ),
        };
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, message)
    }

    fn change<T>(&self, node: &NodeName, change: impl FnOnce(&mut Desk) -> T) -> T {
        change(self.lock().entry(node.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeName, Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn calls(&self) -> usize {
        self.calls.values().sum()
    }

    /// One of this caller's was let go of.
    fn let_go(&mut self, caller: &str) {
        if let Some(calls) = self.calls.get_mut(caller) {
            *calls -= 1;
            if *calls == 0 {
                self.calls.remove(caller);
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut desks = self.calls.lock();
        if let Some(desk) = desks.get_mut(&self.node) {
            desk.let_go(&self.caller);
            desk.expected.remove(&self.id);
            desk.waiting.retain(|call| call.id != self.id);
            if desk.calls.is_empty() && desk.asking == 0 {
                desks.remove(&self.node);
            }
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.calls.change(self.node, |desk| {
            desk.asking -= 1;
            desk.heard = Some(Instant::now());
        });
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::call::LogOptions;

    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::parse(name).unwrap()
    }

    fn place(calls: &Calls, of: &str, id: &str) -> Result<(), u16> {
        let uid = PodUid::parse("p").unwrap();
        let deed = Deed::Logs(LogOptions::default());
        let call = NodeCall { id: id.to_owned(), uid, container: "c".to_owned(), deed };
        let caller = id.split('-').next().unwrap_or_default();
        let placed = calls.place(caller, &node(of), call, oneshot::channel().0);
        placed.map_err(|error| error.code.as_u16())
    }

    #[test]
    fn no_call_is_like_one_of_another_server_or_another_life() {
        let (calls, later) = (Calls::default(), Calls::default());
        let ids = [calls.next_id(), calls.next_id(), later.next_id(), later.next_id()];
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    }

    #[tokio::test]
    async fn a_node_takes_its_own_calls_each_once() {
        let calls = Calls::default();
        place(&calls, "a", "1").unwrap();
        place(&calls, "b", "2").unwrap();
        place(&calls, "a", "3").unwrap();
        let ids = async |of: &str| {
            let taken = calls.take(&node(of), Duration::from_millis(20)).await;
            taken.into_iter().map(|call| call.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("a").await, ["1", "3"]);
        assert_eq!(ids("a").await, [""; 0]);
        assert_eq!(ids("b").await, ["2"]);
        assert!(calls.expected(&node("b"), "1").is_none(), "a call to another node");
        assert!(calls.expected(&node("a"), "1").is_some());
        assert!(calls.expected(&node("a"), "1").is_none(), "it was opened");
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_a_call() {
        let calls = Calls::default();
        let a = node("a");
        let taken = calls.take(&a, Duration::from_secs(60));
        let made = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            place(&calls, "a", "1").unwrap();
        };
        let (taken, ()) = tokio::join!(taken, made);
        assert_eq!(taken.len(), 1);
    }

    #[test]
    fn a_call_that_nobody_takes_is_told_why_and_leaves_no_trace() {
        let calls = Arc::new(Calls::default());
        place(&calls, "a", "1").unwrap();
        let (caller, id) = ("1".to_owned(), "1".to_owned());
        let ticket = Ticket { calls: calls.clone(), node: node("a"), caller, id };
        let error = calls.not_taken(&node("a"));
        assert_eq!(error.code, StatusCode::GATEWAY_TIMEOUT);
        assert!(error.message.contains("no agent of node a asks this server"), "{error}");
        drop(ticket);
        assert!(calls.lock().is_empty());
    }

    #[test]
    fn one_node_has_so_many_calls_and_others_have_theirs() {
        let calls = Calls::default();
        for caller in ["ada", "ben"] {
            for number in 0..CALLERS_CALLS_MAX {
                place(&calls, "a", &format!("{caller}-{number}")).unwrap();
            }
            assert_eq!(place(&calls, "a", &format!("{caller}-more")), Err(429));
            assert_eq!(place(&calls, "b", &format!("{caller}-other")), Ok(()));
        }
        assert_eq!(place(&calls, "a", "eve-1"), Err(429), "all are taken");
        calls.change(&node("a"), |desk| desk.let_go("ben"));
        assert_eq!(place(&calls, "a", "ada-more"), Err(429), "half of them are");
        assert_eq!(place(&calls, "a", "eve-1"), Ok(()));
    }
}
