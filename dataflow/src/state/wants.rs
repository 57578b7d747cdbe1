//! What is wanted of a workload beside its template: as little as deciding reads.

use std::collections::BTreeMap;

use setpoint_rules::batches::Pace;
use setpoint_rules::disruption;
use setpoint_rules::guard::{Guard, Guards};
use setpoint_rules::own_claims::OwnClaims;
use setpoint_rules::rollout::{self, Update};
use setpoint_rules::sources::RESTART_ON_CHANGE;
use setpoint_rules::{daemonset, statefulset, updates};
use setpoint_schemas::{
    DEPENDS_ON, Dependency, DeploymentStrategy, IntOrPercent, JobSpec, RESCHEDULE, Retries,
    RollingUpdate, StrategyKind, UpdateOrder, WorkloadSpec,
};

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
    /// How long an update may be without progress; `None`: nobody judges that.
    pub(crate) progress_limit_ms: Option<i64>,
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
    /// What it waits for before its pods are started.
    pub(crate) depends_on: Vec<Dependency>,
    order: UpdateOrder,
    strategy: Option<Box<DeploymentStrategy>>,
    /// The pause between batches of an update; 0: there are none.
    delay_ms: i64,
    /// How long an eviction of its pods waits for another in their place; 0: it does not.
    pub(crate) surge_ms: i64,
    /// After which waits and how often pods that ended for good are replaced.
    pub(crate) reschedule: Retries,
    /// What is wanted of a StatefulSet.
    pub(crate) identities: Option<Box<Identities>>,
    /// How its updates are watched, where anything is said of that.
    pub(crate) guards: Option<Box<Guards>>,
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
            progress_limit_ms: Some(limit_s * 1_000),
            paused: spec.paused,
            runs_once: says(RUNS_ONCE) == "true",
            job: spec.job.clone(),
            cron: spec.cron.clone(),
            follows_sources: says(RESTART_ON_CHANGE) == "true",
            // The gate has read it.
            depends_on: Dependency::parse_all(says(DEPENDS_ON)).unwrap_or_default(),
            order: match says(UPDATE_ORDER) {
                "start-first" => UpdateOrder::StartFirst,
                _ => UpdateOrder::StopFirst,
            },
            strategy: spec.strategy.clone().map(Box::new),
            delay_ms: says(UPDATE_DELAY).parse().map_or(0, |delay_ms: i64| delay_ms.max(0)),
            surge_ms: disruption::surge_ms(annotations),
            reschedule: Retries::of(RESCHEDULE, annotations),
            identities: None,
            // What is wrong was refused at the door.
            guards: Guards::of(annotations)
                .ok()
                .filter(|guards| *guards != Guards::default())
                .map(Box::new),
        }
    }

    /// The same of a workload that waits for nobody.
    pub(crate) fn without_dependencies(self) -> Wants {
        Wants { depends_on: Vec::new(), ..self }
    }

    /// The same of a kind that has no fields for the deadline of its updates and for a pause: who says nothing
    /// of failures is judged by nobody, as in Kubernetes.
    pub(crate) fn guarded_by_annotations(
        self,
        spec: &WorkloadSpec,
        annotations: &BTreeMap<String, String>,
    ) -> Wants {
        let strategy = spec.update_strategy.clone();
        let kind = strategy.as_ref().and_then(|strategy| strategy.kind);
        let acts = self.guards.as_ref().is_some_and(|guards| guards.act());
        let by_default = acts.then_some(PROGRESS_DEADLINE_S * 1_000);
        let limit_ms = updates::deadline_ms(annotations).or(by_default);
        Wants {
            progress_limit_ms: limit_ms.filter(|_| kind != Some(StrategyKind::OnDelete)),
            paused: updates::is_paused(annotations),
            strategy: strategy.map(Box::new),
            ..self
        }
    }

    /// The first of a StatefulSet's numbers whose pods an update is about, counted from its first; 0 of others.
    pub(crate) fn partition(&self) -> u32 {
        match self.identities.as_ref().map(|identities| identities.wanted.update) {
            Some(statefulset::Update::Rolling { partition, .. }) => partition,
            Some(statefulset::Update::OnDelete) | None => 0,
        }
    }

    /// How the update of a DaemonSet proceeds that wants so many pods.
    pub(crate) fn daemon_update(&self, desired: i64) -> daemonset::Update {
        daemonset::Update::of(self.strategy.as_deref(), desired)
    }

    /// The same of a StatefulSet.
    pub(crate) fn with_identities(self, spec: &WorkloadSpec) -> Wants {
        let service = spec.service_name.clone().unwrap_or_default();
        let claims = OwnClaims::of(spec);
        let identities = Identities { wanted: statefulset::Wanted::of(spec), service, claims };
        Wants { identities: Some(Box::new(identities)), ..self }
    }

    /// How pods of different revisions relate in a rollout, when so many are desired, and when it goes
    /// back.
    pub(crate) fn update(&self, desired: i64, goes_back: bool) -> Update {
        let back = self.guards.as_ref().filter(|_| goes_back).map(|guards| guards.back);
        let order = back.and_then(|back| back.order).unwrap_or(self.order);
        // Pods that may not run beside those of another revision may not on the way back either.
        let kind = self.strategy.as_deref().and_then(|strategy| strategy.kind);
        let said = back.filter(|back| back.order.is_some() || back.parallelism.is_some());
        let Some(back) = said.filter(|_| kind != Some(StrategyKind::Recreate)) else {
            return rollout::strategy(self.strategy.as_deref(), desired, order);
        };
        let parallelism = back.parallelism.unwrap_or(1);
        let at_once = if parallelism == 0 { desired.max(1) } else { parallelism };
        let at_once = Some(IntOrPercent::Int(i32::try_from(at_once).unwrap_or(i32::MAX)));
        let none = Some(IntOrPercent::Int(0));
        let (max_surge, max_unavailable) = match order {
            UpdateOrder::StartFirst => (at_once, none),
            UpdateOrder::StopFirst => (none, at_once),
        };
        let rolling_update = Some(RollingUpdate { max_surge, max_unavailable, partition: None });
        let strategy = DeploymentStrategy { kind: None, rolling_update };
        rollout::strategy(Some(&strategy), desired, order)
    }

    /// How its update is watched, or its way back.
    pub(crate) fn guard(&self, goes_back: bool) -> Guard {
        let guards = self.guards.as_deref().copied().unwrap_or_default();
        if goes_back { guards.rollback } else { guards.update }
    }

    /// How an update pauses between batches, when it does.
    pub(crate) fn pace(&self, update: Update, goes_back: bool) -> Option<Pace> {
        let Update::Rolling { surge, unavailable } = update else { return None };
        let back = self.guards.as_ref().filter(|_| goes_back).and_then(|g| g.back.delay_ms);
        let delay_ms = back.unwrap_or(self.delay_ms);
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
