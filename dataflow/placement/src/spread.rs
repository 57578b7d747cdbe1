//! Topology spread constraints, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{PodSpec, TopologySpreadConstraint, WhenUnsatisfiable};

use crate::CompileError;
use crate::query::{Group, PodQuery, picked};
use crate::selector::{Requirement, Selector};

/// A spread constraint.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Spread {
    pub(crate) max_skew: i64,
    pub(crate) topology_key: String,
    pub(crate) query: Arc<PodQuery>,
    /// 1 when the pod itself is among those that are counted, otherwise 0.
    pub(crate) own: i64,
    /// With fewer domains than this the smallest count is taken as 0.
    pub(crate) min_domains: i64,
    /// Nodes that the pod's node affinity refuses are no domains.
    pub(crate) honors_affinity: bool,
    /// Nodes whose taints the pod does not bear are no domains.
    pub(crate) honors_taints: bool,
}

const PATH: &str = "spec.topologySpreadConstraints";

/// The constraints that filter and those that score.
pub(crate) fn compile(
    namespace: &str,
    labels: &BTreeMap<String, String>,
    spec: &PodSpec,
) -> Result<(Vec<Spread>, Vec<Spread>), CompileError> {
    let (mut hard, mut soft) = (Vec::new(), Vec::new());
    for constraint in &spec.topology_spread_constraints {
        let spread = Spread::compile(namespace, labels, constraint)?;
        match constraint.when_unsatisfiable {
            WhenUnsatisfiable::DoNotSchedule => hard.push(spread),
            WhenUnsatisfiable::ScheduleAnyway => soft.push(spread),
        }
    }
    Ok((hard, soft))
}

/// What of the constraints says which nodes count.
pub(crate) fn grounds(spreads: &[Spread]) -> Vec<(&str, bool, bool)> {
    let of = spreads.iter();
    of.map(|s| (s.topology_key.as_str(), s.honors_affinity, s.honors_taints)).collect()
}

impl Spread {
    fn compile(
        namespace: &str,
        labels: &BTreeMap<String, String>,
        constraint: &TopologySpreadConstraint,
    ) -> Result<Spread, CompileError> {
        check(constraint)?;
        let mut selector = Selector::compile(constraint.label_selector.as_ref(), PATH)?;
        for (key, value) in picked(&constraint.match_label_keys, labels) {
            selector.and(Requirement::equal(key, value));
        }
        Ok(Spread {
            max_skew: i64::from(constraint.max_skew),
            topology_key: constraint.topology_key.clone(),
            own: i64::from(selector.matches(labels)),
            query: PodQuery::of_staying(Group::own(namespace, selector)),
            min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
            honors_affinity: policy(constraint.node_affinity_policy.as_deref(), true)?,
            honors_taints: policy(constraint.node_taints_policy.as_deref(), false)?,
        })
    }
}

fn check(constraint: &TopologySpreadConstraint) -> Result<(), CompileError> {
    if constraint.max_skew < 1 {
        return Err(CompileError::new(PATH, "maxSkew must be at least 1"));
    }
    if constraint.topology_key.is_empty() {
        return Err(CompileError::new(PATH, "a constraint needs a topologyKey"));
    }
    match (constraint.min_domains, constraint.when_unsatisfiable) {
        (Some(domains), _) if domains < 1 => {
            Err(CompileError::new(PATH, "minDomains must be at least 1"))
        }
        (Some(_), WhenUnsatisfiable::ScheduleAnyway) => {
            Err(CompileError::new(PATH, "minDomains needs whenUnsatisfiable DoNotSchedule"))
        }
        _ => Ok(()),
    }
}

fn policy(text: Option<&str>, default: bool) -> Result<bool, CompileError> {
    match text {
        None => Ok(default),
        Some("Honor") => Ok(true),
        Some("Ignore") => Ok(false),
        Some(_) => Err(CompileError::new(PATH, "a policy is neither Honor nor Ignore")),
    }
}
