//! What is done after a container's start and before its end, in Kubernetes' own JSON shape.
//!
//! Absent: doing it; that is the agent's.
//! Source: <https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/>.

use serde::{Deserialize, Serialize};

use crate::{ExecAction, HttpGetAction};

/// The hooks of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    /// Run after each start; a container whose hook fails is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_start: Option<Hook>,
    /// Run before it is asked to end, within its grace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<Hook>,
}

/// One hook: exactly one of its fields in an accepted spec. Kubernetes calls it `LifecycleHandler`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hook {
    /// A command in the container that ends with 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecAction>,
    /// A request that is answered with a status from 200 to 399.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGetAction>,
    /// A wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep: Option<SleepAction>,
}

/// A wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SleepAction {
    /// So many seconds.
    pub seconds: i64,
}
