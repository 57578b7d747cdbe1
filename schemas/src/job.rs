//! Jobs and CronJobs, in Kubernetes' own JSON shape: the fields that we act upon.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/controllers/job/> and
//! <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/>.

use serde::{Deserialize, Serialize};

/// The annotation, and the label, of a pod of an indexed Job with its index.
pub const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The environment variable of its containers with the same.
pub const COMPLETION_INDEX_ENV: &str = "JOB_COMPLETION_INDEX";
/// The annotation of a pod with how often its index had failed before.
pub const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// The labels of a Job's pods with its name.
pub const JOB_NAME_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];
/// The annotation of a Job with the time of the schedule that it is for, RFC 3339 in its time zone.
pub const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// The annotation of a CronJob that says what becomes of times that were missed: `skip`, `latest` or
/// `all`.
pub const CATCH_UP: &str = "setpoint.dev/catch-up";
/// The annotation of a placement, `true`, whose pod has finished and was counted: nothing starts it again,
/// not where nothing of it is left either.
pub const FINISHED: &str = "setpoint.dev/finished";

/// The spec of a Job, its template left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    /// How many pods run at once at most; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    /// How many pods must succeed; where it is absent and `parallelism` is not, one does, and the others
    /// are waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completions: Option<i32>,
    /// `NonIndexed` (default), or `Indexed`: each of its completions has an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_mode: Option<String>,
    /// How many pods may fail before the Job does; 6 when absent, any number where indexes have limits of
    /// their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<i32>,
    /// How often each index may fail before it counts as failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_limit_per_index: Option<i32>,
    /// How many indexes may fail before the Job does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed_indexes: Option<i32>,
    /// Seconds from its start until it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Seconds after its end until it is deleted; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<i32>,
    /// What becomes of the Job when pods fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_failure_policy: Option<PodFailurePolicy>,
    /// `TerminatingOrFailed`, or `Failed`: a pod is replaced only when nothing of it runs any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_replacement_policy: Option<String>,
    /// Which indexes are enough for success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_policy: Option<SuccessPolicy>,
    /// Whether it has no pods for the time being.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// What becomes of a Job when pods fail: the first rule that matches says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodFailurePolicy {
    /// In order.
    pub rules: Vec<PodFailureRule>,
}

/// One rule: either of its requirements is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodFailureRule {
    /// `FailJob`, `FailIndex`, `Ignore` or `Count`.
    pub action: String,
    /// The exit codes of a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exit_codes: Option<OnExitCodes>,
    /// The pod's conditions, one of which must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_pod_conditions: Vec<OnPodCondition>,
}

/// Exit codes that are meant; 0 never is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnExitCodes {
    /// The container; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// `In` or `NotIn`.
    pub operator: String,
    /// The codes.
    pub values: Vec<i32>,
}

/// A condition of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnPodCondition {
    /// Such as `DisruptionTarget`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Which indexes are enough for success: one rule that holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SuccessPolicy {
    /// In order.
    pub rules: Vec<SuccessRule>,
}

/// One rule of success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SuccessRule {
    /// The indexes that count, such as `0-2,5`; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded_indexes: Option<String>,
    /// How many of them must have succeeded; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded_count: Option<i32>,
}

/// The spec of a CronJob, the template of its Jobs left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobSpec {
    /// Five fields, or a macro such as `@hourly`.
    pub schedule: String,
    /// The time zone that the schedule is in; UTC when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// `Allow` (default), `Forbid` or `Replace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<String>,
    /// A start that is later than this by so many seconds does not happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_deadline_seconds: Option<i64>,
    /// How many Jobs that succeeded are kept; 3 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful_jobs_history_limit: Option<i32>,
    /// How many Jobs that failed are kept; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_jobs_history_limit: Option<i32>,
    /// Whether it starts no Jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Kubernetes' default of `backoffLimit`.
const BACKOFF_LIMIT_DEFAULT: i64 = 6;

impl JobSpec {
    /// How many pods run at once at most.
    #[must_use]
    pub fn at_once(&self) -> i64 {
        i64::from(self.parallelism.unwrap_or(1).max(0))
    }

    /// How many pods must succeed; `None`: one, and the others are waited for.
    #[must_use]
    pub fn to_complete(&self) -> Option<i64> {
        match (self.completions, self.parallelism) {
            (Some(completions), _) => Some(i64::from(completions.max(0))),
            (None, None) => Some(1),
            (None, Some(_)) => None,
        }
    }

    /// Whether each completion has an index.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.completion_mode.as_deref() == Some("Indexed")
    }

    /// How many pods may fail before it does.
    #[must_use]
    pub fn failures_max(&self) -> i64 {
        let default = match self.backoff_limit_per_index {
            Some(_) => i64::from(i32::MAX),
            None => BACKOFF_LIMIT_DEFAULT,
        };
        self.backoff_limit.map_or(default, i64::from)
    }

    /// Whether a pod is replaced only when nothing of it runs any more. That is the default of a Job with
    /// a failure policy.
    #[must_use]
    pub fn waits_for_the_last(&self) -> bool {
        match self.pod_replacement_policy.as_deref() {
            Some(policy) => policy == "Failed",
            None => self.pod_failure_policy.is_some(),
        }
    }

    /// Whether it is to have no pods for the time being.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspend == Some(true)
    }
}
