//! How many pods a disruption budget lets go.
//!
//! Source: Kubernetes' disruption controller (`getExpectedPodCount`, `updatePdbStatus`).

use serde::Deserialize;
use serde_json::{Value, json};
use setpoint_schemas::{IntOrPercent, LabelSelector};

/// A budget, as far as it decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// So many pods at least stay healthy.
    pub min_available: Option<IntOrPercent>,
    /// So many pods at most are not healthy.
    pub max_unavailable: Option<IntOrPercent>,
    /// Which pods of its namespace; absent: none.
    pub selector: Option<LabelSelector>,
    /// Which of its pods that are not ready may go; absent: as [`Unhealthy::IfHealthyBudget`].
    pub unhealthy_pod_eviction_policy: Option<Unhealthy>,
}

/// Which of the pods that are not ready a budget lets go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Unhealthy {
    /// All as long as enough are healthy.
    #[default]
    IfHealthyBudget,
    /// All.
    AlwaysAllow,
}

/// The pods that a budget covers, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Covered {
    /// Pods that are there and do not stop.
    pub pods: i64,
    /// Ready ones of them.
    pub healthy: i64,
    /// How many pods their workloads want together.
    pub wanted: i64,
    /// Whether some of them have no number that is wanted of them: bare pods, and a DaemonSet's.
    pub has_uncounted: bool,
}

/// Where a budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Pods that may go now.
    pub allowed: i64,
    /// Healthy pods.
    pub healthy: i64,
    /// Pods that have to stay healthy.
    pub desired: i64,
    /// Pods that are counted against.
    pub expected: i64,
    /// Why nothing can be told; then nothing may go.
    pub failed: Option<&'static str>,
}

const UNCOUNTED: &str = "some of its pods are bare or a DaemonSet's: without a number of replicas \
                         only minAvailable as a number can be kept";

impl Budget {
    /// Where the budget stands with these pods.
    #[must_use]
    pub fn standing(&self, covered: Covered) -> Standing {
        let Covered { pods, healthy, wanted, has_uncounted } = covered;
        let by_number = matches!(self.min_available, Some(IntOrPercent::Int(_)));
        let bounds = match (&self.max_unavailable, &self.min_available) {
            (None, None) => Some((0, 0)),
            (None, Some(IntOrPercent::Int(least))) => Some((pods, i64::from(*least))),
            _ if has_uncounted => None,
            (Some(most), _) => Some((wanted, (wanted - most.of(wanted, true).unwrap_or(0)).max(0))),
            (None, Some(least)) => Some((wanted, least.of(wanted, true).unwrap_or(wanted))),
        };
        let failed = (bounds.is_none() && !by_number).then_some(UNCOUNTED);
        let (expected, desired) = bounds.unwrap_or((0, 0));
        let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
        Standing { allowed, healthy, desired, expected, failed }
    }
}

impl Budget {
    /// Whether a pod of it may go, standing so: ready, or not.
    #[must_use]
    pub fn lets_go(&self, standing: &Standing, is_ready: bool) -> bool {
        let Standing { allowed, healthy, desired, .. } = *standing;
        let is_spare = match self.unhealthy_pod_eviction_policy.unwrap_or_default() {
            _ if is_ready => false,
            Unhealthy::AlwaysAllow => true,
            Unhealthy::IfHealthyBudget => desired > 0 && healthy >= desired,
        };
        is_spare || allowed > 0
    }
}

impl Standing {
    /// Why a pod that the budget of this name keeps may not go, in Kubernetes' words.
    #[must_use]
    pub fn refusal(&self, budget: &str) -> String {
        let Standing { desired, healthy, .. } = self;
        let beginning = "Cannot evict pod as it would violate the pod's disruption budget.";
        match self.failed {
            Some(why) => {
                format!("{beginning} Of the disruption budget {budget} nothing can be told: {why}")
            }
            None => format!(
                "{beginning} The disruption budget {budget} needs {desired} healthy pods and has \
                 {healthy} currently"
            ),
        }
    }

    /// The same, where so many of its healthy pods ceased to be so since it was counted.
    #[must_use]
    pub fn without(mut self, lost: i64) -> Standing {
        self.healthy = (self.healthy - lost).max(0);
        self.allowed = (self.allowed - lost).max(0);
        self
    }

    /// The status of the budget's object, after the status that it had, as of this time (RFC 3339).
    #[must_use]
    pub fn status(&self, generation: i64, before: &Value, now: &str) -> Value {
        let (status, reason) = match (self.failed, self.allowed) {
            (Some(_), _) => ("False", "SyncFailed"),
            (None, 0) => ("False", "InsufficientPods"),
            (None, _) => ("True", "SufficientPods"),
        };
        let same = |c: &&Value| c["type"] == "DisruptionAllowed" && c["status"] == status;
        let since = before["conditions"].as_array().into_iter().flatten().find(same);
        let since = since.map_or(json!(now), |before| before["lastTransitionTime"].clone());
        json!({
            "observedGeneration": generation,
            "disruptionsAllowed": self.allowed,
            "currentHealthy": self.healthy,
            "desiredHealthy": self.desired,
            "expectedPods": self.expected,
            "conditions": [{"type": "DisruptionAllowed", "status": status, "reason": reason,
                "message": self.failed.unwrap_or_default(), "lastTransitionTime": since,
                "observedGeneration": generation}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(spec: Value, covered: Covered) -> [i64; 4] {
        let budget: Budget = serde_json::from_value(spec).expect("a budget");
        let Standing { allowed, healthy, desired, expected, .. } = budget.standing(covered);
        [allowed, healthy, desired, expected]
    }

    #[test]
    fn budgets_count_as_kubernetes_disruption_controller() {
        let of = |pods, healthy, wanted| Covered { pods, healthy, wanted, has_uncounted: false };
        for (spec, covered, expected) in [
            (json!({"minAvailable": 2}), of(3, 3, 3), [1, 3, 2, 3]),
            (json!({"minAvailable": 2}), of(3, 1, 3), [0, 1, 2, 3]),
            (json!({"minAvailable": 0}), of(0, 0, 3), [0, 0, 0, 0]),
            (json!({"minAvailable": "50%"}), of(5, 5, 5), [2, 5, 3, 5]),
            (json!({"minAvailable": "0%"}), of(2, 2, 2), [2, 2, 0, 2]),
            (json!({"maxUnavailable": 1}), of(4, 4, 5), [0, 4, 4, 5]),
            (json!({"maxUnavailable": 1}), of(5, 5, 5), [1, 5, 4, 5]),
            (json!({"maxUnavailable": "30%"}), of(10, 10, 10), [3, 10, 7, 10]),
            (json!({"maxUnavailable": "25%"}), of(5, 5, 5), [2, 5, 3, 5]),
            (json!({"maxUnavailable": 9}), of(2, 2, 2), [2, 2, 0, 2]),
            (json!({}), of(2, 2, 2), [0, 2, 0, 0]),
        ] {
            assert_eq!(numbers(spec.clone(), covered), expected, "{spec}");
        }
    }

    #[test]
    fn a_pod_that_is_not_ready_goes_by_the_policy() {
        let of = |pods, healthy| Covered { pods, healthy, wanted: pods, has_uncounted: false };
        for (policy, covered, is_ready, expected) in [
            (json!(null), of(3, 3), true, true),
            (json!(null), of(3, 2), true, false),
            (json!(null), of(3, 2), false, true),
            (json!(null), of(3, 1), false, false),
            (json!("IfHealthyBudget"), of(3, 1), false, false),
            (json!("AlwaysAllow"), of(3, 1), false, true),
            (json!("AlwaysAllow"), of(3, 2), true, false),
        ] {
            let spec = json!({"minAvailable": 2, "unhealthyPodEvictionPolicy": policy});
            let budget: Budget = serde_json::from_value(spec).expect("a budget");
            let standing = budget.standing(covered);
            let lets_go = budget.lets_go(&standing, is_ready);
            assert_eq!(lets_go, expected, "{policy} {covered:?} ready {is_ready}");
        }
    }

    #[test]
    fn a_refusal_says_how_many_are_needed() {
        let budget: Budget = serde_json::from_value(json!({"minAvailable": 2})).expect("a budget");
        let covered = Covered { pods: 3, healthy: 3, wanted: 3, has_uncounted: false };
        let standing = budget.standing(covered).without(1);
        assert_eq!((standing.allowed, budget.lets_go(&standing, true)), (0, false));
        assert_eq!(
            standing.refusal("web"),
            "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web \
             needs 2 healthy pods and has 2 currently"
        );
    }

    #[test]
    fn pods_without_a_number_of_replicas_are_kept_by_number_only() {
        let bare = Covered { pods: 3, healthy: 3, wanted: 0, has_uncounted: true };
        assert_eq!(numbers(json!({"minAvailable": 1}), bare), [2, 3, 1, 3]);
        let budget: Budget = serde_json::from_value(json!({"maxUnavailable": 1})).expect("reads");
        let standing = budget.standing(bare);
        assert_eq!((standing.allowed, standing.failed.is_some()), (0, true));
        let first = standing.status(1, &Value::Null, "2026-01-01T00:00:00Z");
        assert_eq!(first["conditions"][0]["reason"], "SyncFailed");
        let later = standing.status(1, &first, "2027-01-01T00:00:00Z");
        assert_eq!(later, first, "the time is that of the last transition");
    }
}
