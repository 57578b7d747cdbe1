//! What is wanted of a workload beside its template: as little as deciding reads.

use std::collections::BTreeMap;

use setpoint_rules::batches::Pace;
use setpoint_rules::own_claims::OwnClaims;
use setpoint_rules::rollout::{self, Update};
use setpoint_rules::sources::RESTART_ON_CHANGE;
use setpoint_rules::statefulset;
use setpoint_schemas::{DeploymentStrategy, JobSpec, UpdateOrder, WorkloadSpec};

/// The annotation of a workload whose pods are done when they end.
const RUNS_ONCE: &str = "setpoint.dev/runs-once";
/// The annotation of a workload that says which comes first in an update.
const UPDATE_ORDER: &str = "setpoint.dev/update-order";
/// The annotation of a workload with the pause between batches of an update, in milliseconds.
const UPDATE_DELAY: &str = "setpoint.dev/update-delay-ms";
/// Kubernetes' default of `progressDeadlineSeconds`.
const PROGRESS_DEADLINE_S: i64 = 600;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wants {
    /// How many pods.
    pub(crate) desired: i64,
    /// How long a pod must be ready before it counts as available.
    pub(crate) min_ready_ms: i64,
    /// How long an update may be without progress.
    pub(crate) progress_limit_ms: i64,
    /// A paused update does not proceed.
    pub(crate) paused: bool,
    /// Whether pods that end are done.
    pub(crate) runs_once: bool,
    /// What a Job says.
    pub(crate) job: Option<Box<JobSpec>>,
    /// The CronJob that it is of: its name and its uid.
    pub(crate) cron: Option<(String, String)>,
    /// Whether its pods are replaced when what they read changes.
    pub(crate) follows_sources: bool,
    order: UpdateOrder,
    strategy: Option<Box<DeploymentStrategy>>,
    /// The pause between batches of an update; 0: there are none.
    delay_ms: i64,
    /// What is wanted of a StatefulSet.
    pub(crate) identities: Option<Box<Identities>>,
}

/// What is wanted of a StatefulSet's pods beside what all workloads want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identities {
    pub(crate) wanted: statefulset::Wanted,
    /// The subdomain of the pods; empty where there is none.
    pub(crate) service: String,
    /// The claims that each pod has for itself.
    pub(crate) claims: OwnClaims,
}

impl Wants {
    /// By this spec and the workload's own annotations.
    pub(crate) fn of(spec: &WorkloadSpec, annotations: &BTreeMap<String, String>) -> Wants {
        let says = |name: &str| annotations.get(name).map_or("", String::as_str);
        let limit_s = spec.progress_deadline_seconds.map_or(PROGRESS_DEADLINE_S, i64::from);
        Wants {
            desired: spec.desired(),
            min_ready_ms: min_ready_ms(spec),
            progress_limit_ms: limit_s * 1_000,
            paused: spec.paused,
            runs_once: says(RUNS_ONCE) == "true",
            job: spec.job.clone(),
            cron: spec.cron.clone(),
            follows_sources: says(RESTART_ON_CHANGE) == "true",
            order: match says(UPDATE_ORDER) {
                "start-first" => UpdateOrder::StartFirst,
                _ => UpdateOrder::StopFirst,
            },
            strategy: spec.strategy.clone().map(Box::new),
            delay_ms: says(UPDATE_DELAY).parse().map_or(0, |delay_ms: i64| delay_ms.max(0)),
            identities: None,
        }
    }

    /// The same of a StatefulSet.
    pub(crate) fn with_identities(self, spec: &WorkloadSpec) -> Wants {
        let service = spec.service_name.clone().unwrap_or_default();
        let claims = OwnClaims::of(spec);
        let identities = Identities { wanted: statefulset::Wanted::of(spec), service, claims };
        Wants { identities: Some(Box::new(identities)), ..self }
    }

    /// How pods of different revisions relate in a rollout, when so many are desired.
    pub(crate) fn update(&self, desired: i64) -> Update {
        rollout::strategy(self.strategy.as_deref(), desired, self.order)
    }

    /// How an update pauses between batches, when it does.
    pub(crate) fn pace(&self, update: Update) -> Option<Pace> {
        let Update::Rolling { surge, unavailable } = update else { return None };
        let delay_ms = self.delay_ms;
        (delay_ms > 0).then(|| Pace { size: surge.max(unavailable), delay_ms })
    }
}

impl Default for Wants {
    fn default() -> Self {
        Wants::of(&WorkloadSpec::default(), &BTreeMap::new())
    }
}

/// How long a pod of this spec must be ready before it counts as available.
pub(crate) fn min_ready_ms(spec: &WorkloadSpec) -> i64 {
    i64::from(spec.min_ready_seconds.max(0)) * 1_000
}
