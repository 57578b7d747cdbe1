//! Workloads: what wants pods, in Kubernetes' own JSON shape.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{JobSpec, LabelSelector, PodSpec};

/// The parts of an object's metadata that decide anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a workload's pods are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations of each pod.
    pub metadata: ObjectMeta,
    /// What each pod runs.
    pub spec: PodSpec,
}

/// The spec of a Deployment, ReplicaSet, ReplicationController, DaemonSet or StatefulSet: the fields that we
/// act upon. A ReplicationController's plain selector does not decide anything and is not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// How many pods; 1 when absent. Not used by a DaemonSet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// What the pods are made from.
    pub template: PodTemplate,
    /// How an update proceeds (Deployment).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<DeploymentStrategy>,
    /// How an update proceeds (DaemonSet, StatefulSet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<DeploymentStrategy>,
    /// Seconds that a pod must be ready before it counts as available.
    pub min_ready_seconds: i32,
    /// Seconds without progress after which an update is reported as stuck; 600 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i32>,
    /// How many old revisions are kept; 10 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// A paused update does not proceed.
    pub paused: bool,
    /// What a Job says beside its template; it is read apart from the rest.
    #[serde(skip)]
    pub job: Option<Box<JobSpec>>,
    /// The CronJob that a Job is of, by its name and its uid; it stands in the metadata.
    #[serde(skip)]
    pub cron: Option<(String, String)>,
    /// The subdomain of the pods (StatefulSet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Whether the pods come and go one after the other (StatefulSet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_management_policy: Option<PodManagement>,
    /// How the pods are numbered (StatefulSet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordinals: Option<Ordinals>,
    /// The claims that each pod has for itself, by their names: what is in them the body says (StatefulSet).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_claim_templates: Vec<ClaimTemplate>,
    /// What becomes of these claims (StatefulSet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim_retention_policy: Option<ClaimRetention>,
}

/// A claim that each pod of a StatefulSet has for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimTemplate {
    /// Its name, with which the names of the claims begin.
    pub metadata: ObjectMeta,
}

/// What becomes of the claims that a StatefulSet's pods have for themselves: `Delete`, or else they stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimRetention {
    /// When the set is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_deleted: Option<String>,
    /// When the set shrinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_scaled: Option<String>,
}

/// Whether a StatefulSet's pods come and go one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodManagement {
    /// Each when all before it are available; the last one goes first.
    #[default]
    OrderedReady,
    /// All at once.
    Parallel,
}

/// How a StatefulSet's pods are numbered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ordinals {
    /// The number of the first.
    pub start: i32,
}

/// How an update proceeds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStrategy {
    /// The kind of update.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<StrategyKind>,
    /// The bounds of a rolling update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdate>,
}

/// The kind of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrategyKind {
    /// A few at a time.
    RollingUpdate,
    /// All old ones stop before a new one starts.
    Recreate,
    /// Only pods that are deleted are made anew (DaemonSet, StatefulSet).
    OnDelete,
}

/// The bounds of a rolling update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingUpdate {
    /// How many pods above the desired number; 25 % when absent, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrPercent>,
    /// How many pods below the desired number; 25 % when absent, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrPercent>,
    /// Only pods of this number and above are updated (StatefulSet); counted from the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
}

/// A number, or a percentage of the desired number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrPercent {
    /// A number.
    Int(i32),
    /// A percentage such as `25%`.
    Percent(String),
}

impl IntOrPercent {
    /// The number of `total`, rounded up or down; `None` when it is neither a number of at least
    /// 0 nor a percentage.
    #[must_use]
    pub fn of(&self, total: i64, round_up: bool) -> Option<i64> {
        match self {
            IntOrPercent::Int(number) => (*number >= 0).then_some(i64::from(*number)),
            IntOrPercent::Percent(text) => {
                let percent: i64 = text.strip_suffix('%')?.parse().ok().filter(|p| *p >= 0)?;
                let hundredths = percent.checked_mul(total)?;
                Some(if round_up { (hundredths + 99) / 100 } else { hundredths / 100 })
            }
        }
    }
}

/// Which comes first when a pod is replaced in an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateOrder {
    /// The new one starts, then the old one stops.
    StartFirst,
    /// The old one stops, then the new one starts.
    StopFirst,
}

impl WorkloadSpec {
    /// The desired number of pods.
    #[must_use]
    pub fn desired(&self) -> i64 {
        i64::from(self.replicas.unwrap_or(1).max(0))
    }
}

/// A pod belongs to a selector; used by spread and affinity terms.
impl LabelSelector {
    /// Whether these labels match. An empty selector matches all.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        use crate::SelectorOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
        let equal = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        equal
            && self.match_expressions.iter().all(|requirement| {
                let value = labels.get(&requirement.key);
                match requirement.operator {
                    In => value.is_some_and(|value| requirement.values.contains(value)),
                    NotIn => !value.is_some_and(|value| requirement.values.contains(value)),
                    Exists => value.is_some(),
                    DoesNotExist => value.is_none(),
                    Gt | Lt => false,
                }
            })
    }
}
