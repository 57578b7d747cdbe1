//! What the API needs from the rest of the house, as traits that the binary implements.
//!
//! Absent: any knowledge of the log, the engine or the manifest gate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use setpoint_schemas::{
    Decision, Lease, NodeName, NodeRecord, NodeReport, Request, Resource, ResourceKey, Standing,
    UsageSample,
};

use crate::KindInfo;

/// What a port returns: a future that may move between threads.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Appends requests and waits for the leader's verdict.
pub trait Requests: Send + Sync {
    /// Appends the request and waits until the leader has decided it.
    ///
    /// The verdict of a request that was seen before is the earlier one.
    fn submit(&self, request: Request) -> PortFuture<'_, Result<Verdict, SubmitError>>;
    /// What the request would do if it were decided now. Nothing is appended.
    fn foresee(&self, request: Request) -> PortFuture<'_, Result<Foreseen, SubmitError>>;
}

/// What a request would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreseen {
    /// The verdict that it would get.
    pub verdict: Verdict,
    /// Its resources as they would be, one an item in order; `None` where an item leaves none.
    /// Empty when it would be refused.
    pub resources: Vec<Option<Arc<Resource>>>,
}

/// What the leader decided about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether all of its items were accepted; otherwise none was.
    pub accepted: bool,
    /// Why, in a sentence.
    pub reason: String,
    /// The epoch of the decision. The API answers once its model has reached it.
    pub epoch: i64,
    /// One entry per item of the request, in the same order.
    pub items: Vec<ItemVerdict>,
}

/// What the leader decided about one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVerdict {
    /// The resource.
    pub key: ResourceKey,
    /// What became of it.
    pub outcome: Outcome,
    /// A sentence; empty when there is nothing to say.
    pub message: String,
    /// For a refused item the HTTP status that fits (404, 409, 422, …); otherwise 200 or 201.
    pub code: u16,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did not exist before.
    Created,
    /// It changed.
    Configured,
    /// It was so already.
    Unchanged,
    /// It is deleted.
    Deleted,
    /// It was refused, or another item of its request was.
    Refused,
}

impl Outcome {
    /// The word that `apply` prints.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Configured => "configured",
            Outcome::Unchanged => "unchanged",
            Outcome::Deleted => "deleted",
            Outcome::Refused => "refused",
        }
    }
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Its encoding exceeds the bound of a request record.
    #[error("the request has {bytes} bytes, more than the {max} that one record may have")]
    TooLarge {
        /// The request's size.
        bytes: usize,
        /// The bound, [`setpoint_schemas::REQUEST_BYTES_MAX`].
        max: usize,
    },
    /// The engine could not read it, so it is not appended.
    #[error("the request cannot be read back: {0}")]
    Unreadable(String),
    /// The log did not take it.
    #[error("the log does not take requests at present: {0}")]
    Unavailable(String),
    /// There is no room for it. It is not on the log.
    #[error("nothing can be stored until there is room on the server's disk: {0}")]
    Full(String),
    /// The log took it, but no leader decided it in time. It may still be decided.
    #[error("no leader has decided the request within {0} ms; it may still be decided")]
    Timeout(u64),
}

/// Appends what nodes observe.
pub trait Observations: Send + Sync {
    /// A node registers itself or says that it changed.
    fn node(&self, record: NodeRecord) -> PortFuture<'_, Result<(), PortError>>;
    /// A node renews its lease.
    fn lease(&self, lease: Lease) -> PortFuture<'_, Result<(), PortError>>;
    /// A node reports its pods. Every observation is of this node.
    fn pods(&self, node: NodeName, report: NodeReport) -> PortFuture<'_, Result<(), PortError>>;
    /// A node reports usage. Every sample is of this node.
    fn usage(
        &self,
        node: NodeName,
        samples: Vec<UsageSample>,
    ) -> PortFuture<'_, Result<(), PortError>>;
}

/// The manifest gate: which kinds there are and which fields are acted upon.
pub trait Gate: Send + Sync {
    /// Checks an object as applied. On refusal every mistake with its path.
    ///
    /// # Errors
    /// The mistakes, one sentence each.
    fn check(&self, object: &Value, ignored: Ignored<'_>) -> Result<Gated, Vec<String>>;
    /// Every kind that is served beyond the managed ones, which the API knows itself.
    fn kinds(&self) -> Vec<KindInfo>;
}

/// What becomes of fields that change what runs elsewhere and have no effect here.
#[derive(Debug, Clone, Copy)]
pub enum Ignored<'a> {
    /// Each is a mistake.
    Refused,
    /// Each is a warning.
    Allowed,
    /// Those that this stored object has pass: whoever stored it allowed them. Others are mistakes.
    AsStored(&'a Value),
}

/// An object that passed the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gated {
    /// Whether it is acted upon or only kept.
    pub standing: Standing,
    /// What the asker should know, one sentence each: a kept kind, ignored fields.
    pub warnings: Vec<String>,
}

/// Answers that need more than the read model.
pub trait Explain: Send + Sync {
    /// Why a pod or workload is where it is, or why it is not. `namespace` is empty for a
    /// cluster-scoped kind.
    fn explain(
        &self,
        kind: String,
        namespace: String,
        name: String,
    ) -> PortFuture<'_, Result<Value, PortError>>;
    /// The revisions of a Deployment, a StatefulSet or a DaemonSet, newest last:
    /// `{"revisions":[{"revision":n,"template":…,"changeCause":…}]}`.
    fn history(
        &self,
        kind: &'static str,
        namespace: String,
        name: String,
    ) -> PortFuture<'_, Result<Value, PortError>>;
}

/// Which decisions someone asks for.
pub type Wanted = Box<dyn Fn(&Decision) -> bool + Send>;

/// Reads the log for people and for tools that cannot open it.
pub trait LogReads: Send + Sync {
    /// Up to `max` records of a partition from an offset on, decoded where possible.
    fn log(
        &self,
        topic: String,
        partition: i32,
        from: i64,
        max: usize,
    ) -> PortFuture<'_, Result<Value, PortError>>;
    /// Which partitions there are and what they hold, from the first offset kept to the next that will be
    /// written: `{"partitions":[{"topic","partition","start","end"}]}`.
    fn extent(&self) -> PortFuture<'_, Result<Value, PortError>>;
    /// Up to `max` records of a partition from an offset on, as they stand on the log, for who decodes them
    /// itself: `{"next","records":[{"offset","timestamp","key","value","headers"}]}`, bytes in base64, and
    /// `next` the first offset behind all that this page speaks of.
    fn raw(
        &self,
        topic: String,
        partition: i32,
        from: i64,
        max: usize,
    ) -> PortFuture<'_, Result<Value, PortError>>;
    /// Up to `max` decisions that are wanted of those made before this epoch and sequence, newest first,
    /// as far back as the log goes and a search may take.
    fn ledger(
        &self,
        before: (i64, i32),
        max: usize,
        wanted: Wanted,
    ) -> PortFuture<'_, Result<Vec<Decision>, PortError>>;
    /// The latest dead letters, newest first: `{"items":[{"topic", "partition", "offset", "time_ms",
    /// "reason", "key", "text", "value"}]}`, `value` in base64.
    fn dead_letters(&self, limit: usize) -> PortFuture<'_, Result<Value, PortError>>;
    /// Appends the record that was set aside at this position to its topic again, when it can be
    /// read today: `{"topic", "partition", "offset"}` of where it stands now.
    fn replay(
        &self,
        topic: String,
        partition: i32,
        offset: i64,
    ) -> PortFuture<'_, Result<Value, PortError>>;
}

/// Why a port has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// There is no such thing. Permanent.
    #[error("{0}")]
    NotFound(String),
    /// The question is wrong. Permanent.
    #[error("{0}")]
    Invalid(String),
    /// It was understood and cannot be done. Permanent.
    #[error("{0}")]
    Unprocessable(String),
    /// There is no room for it. Transient.
    #[error("nothing can be stored until there is room on the server's disk: {0}")]
    Full(String),
    /// Not now. Transient.
    #[error("{0}")]
    Unavailable(String),
}
