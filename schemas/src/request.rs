//! What someone asks for. One record carries a whole apply, so that it is all or nothing.

use serde::{Deserialize, Serialize};

use crate::{GroupKind, RequestId, ResourceKey};

/// The largest request on the log, in bytes of its Avro encoding: Kafka's default record bound.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A request: items that are all accepted or all refused, in log order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by whoever asks; a request seen before is answered as before.
    pub id: RequestId,
    /// When it was asked, by the asker's clock, milliseconds since 1970. Data, never engine time.
    pub time_ms: i64,
    /// Who asks, as authenticated.
    pub actor: String,
    /// The tool that asks; it owns the fields that it sets.
    pub field_manager: String,
    /// Whether a field owned by another manager may be taken over.
    pub force: bool,
    /// What is asked for.
    pub items: Vec<RequestItem>,
}

/// One resource's part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestItem {
    /// What to do.
    pub verb: Verb,
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// Empty for a cluster-scoped resource.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// `scale`, or empty for the resource itself; `status`, which nobody but the leader writes, is refused.
    pub subresource: String,
    /// The object or the patch, in JSON; empty for a deletion.
    pub body: String,
    /// Only when the resource's version is this one; otherwise a conflict.
    pub expected_version: Option<i64>,
}

/// What to do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Make it or make it so: fields that this manager set before and now leaves out go.
    Apply,
    /// Make it; refused when it exists.
    Create,
    /// Replace it; refused when it does not exist.
    Update,
    /// RFC 7386.
    MergePatch,
    /// Kubernetes' strategic merge patch.
    StrategicMergePatch,
    /// RFC 6902.
    JsonPatch,
    /// Delete it.
    Delete,
    /// Go back to an earlier revision; the body is `{"toRevision": n}`, 0 for the one before.
    RolloutUndo,
    /// An operator states that a node is lost, so that a held replacement proceeds.
    ConfirmLost,
    /// Restart a pod: its restart generation rises.
    RestartPod,
}

impl RequestItem {
    /// The key of the resource that is asked about.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        let kind = GroupKind::of_api_version(&self.api_version, &self.kind);
        ResourceKey::new(kind, &self.namespace, &self.name)
    }
}
