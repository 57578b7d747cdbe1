//! What the server is made from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use setpoint_schemas::{FleetId, RequestId};
use tokio::sync::Semaphore;

use crate::calls::Calls;
use crate::kinds::Catalogue;
use crate::model::ReadModel;
use crate::ports::{Explain, Gate, LogReads, Observations, Requests};
use crate::room::Room;
use crate::seal::Sealer;

/// Watches at once: two a node of a fleet of ten thousand, and as many of people and programs as one server
/// bears. Each costs a few kilobytes and a wake-up an epoch of its kind.
const WATCHES_MAX: usize = 30_000;
/// Long polls of placements at once, and as many for calls: one a node, and as many again that just ended.
const POLLS_MAX: usize = 20_000;

/// The components that the binary brings.
pub struct Parts {
    /// The fleet.
    pub fleet: FleetId,
    /// What was committed.
    pub model: Arc<ReadModel>,
    /// Where requests go.
    pub requests: Arc<dyn Requests>,
    /// Where observations go.
    pub observations: Arc<dyn Observations>,
    /// The manifest gate.
    pub gate: Arc<dyn Gate>,
    /// Answers that need more than the model.
    pub explain: Arc<dyn Explain>,
    /// The log, for reading.
    pub log: Arc<dyn LogReads>,
    /// Seals and opens Secret values.
    pub sealer: Sealer,
    /// What `/metrics` shows.
    pub registry: prometheus::Registry,
    /// How often nodes are told to renew their leases, milliseconds.
    pub lease_renew_ms: i64,
    /// The version of the binary, such as `0.1.0`.
    pub version: String,
}

/// The state of the server; cheap to clone.
#[derive(Clone)]
pub struct ApiState(pub(crate) Arc<Shared>);

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) catalogue: Catalogue,
    pub(crate) watches: Arc<Semaphore>,
    pub(crate) polls: Semaphore,
    /// Agents that ask for calls.
    pub(crate) asking: Semaphore,
    pub(crate) calls: Arc<Calls>,
    pub(crate) clients: Room,
    pub(crate) nodes: Room,
    /// Different in each life of each server; before the count in a request's id.
    life: String,
    asked: AtomicU64,
}

impl ApiState {
    /// The state of a server made of these parts. The gate's kinds are read once.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let catalogue = Catalogue::new(parts.gate.kinds());
        let started = Timestamp::now().as_nanosecond();
        ApiState(Arc::new(Shared {
            parts,
            catalogue,
            watches: Arc::new(Semaphore::new(WATCHES_MAX)),
            polls: Semaphore::new(POLLS_MAX),
            asking: Semaphore::new(POLLS_MAX),
            calls: Arc::default(),
            clients: Room::of_clients(),
            nodes: Room::of_nodes(),
            life: format!("{started:x}-{:x}", std::process::id()),
            asked: AtomicU64::new(0),
        }))
    }
}

impl Shared {
    /// A request id that was never used before.
    pub(crate) fn request_id(&self) -> RequestId {
        let count = self.asked.fetch_add(1, Ordering::Relaxed);
        RequestId::parse(&format!("api-{}-{count}", self.life))
            .expect("hexadecimal digits and dashes are a request id")
    }
}

/// The wall clock, milliseconds since 1970: for ages and for the asker's time of a request.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
