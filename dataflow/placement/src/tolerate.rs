//! Taints and tolerations.
//!
//! Source: `k8s.io/component-helpers/scheduling/corev1`, `ToleratesTaint`.

use setpoint_schemas::{PodSpec, Taint, TaintEffect, Toleration, TolerationOperator};

use crate::CompileError;

/// The mark that Kubernetes puts on a cordoned node; bearing it passes the cordon.
pub(crate) const TAINT_UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The mark of a node that is short of memory.
pub const TAINT_MEMORY_PRESSURE: &str = "node.kubernetes.io/memory-pressure";

/// A toleration, compiled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bears {
    /// Every key when absent.
    key: Option<String>,
    /// Every value when absent.
    value: Option<String>,
    /// Every effect when absent.
    effect: Option<TaintEffect>,
}

/// What a pod of this spec bears: what it says, and that its node is short of memory unless it asks for
/// nothing. Source: Kubernetes' admission, which gives that toleration to pods of all other classes.
pub(crate) fn of_pod(spec: &PodSpec) -> Result<Vec<Bears>, CompileError> {
    let mut bears = compile(&spec.tolerations)?;
    if !spec.is_best_effort() {
        let key = Some(TAINT_MEMORY_PRESSURE.to_owned());
        bears.push(Bears { key, value: None, effect: Some(TaintEffect::NoSchedule) });
        bears.sort();
        bears.dedup();
    }
    Ok(bears)
}

fn compile(tolerations: &[Toleration]) -> Result<Vec<Bears>, CompileError> {
    let mut bears = Vec::with_capacity(tolerations.len());
    // Borne for no time at all a taint is not borne: the pod would come and go for ever.
    let is_borne = |toleration: &&Toleration| toleration.toleration_seconds.is_none_or(|s| s > 0);
    for toleration in tolerations.iter().filter(is_borne) {
        let fail = |why| Err(CompileError::new("spec.tolerations", why));
        let exists = toleration.operator == Some(TolerationOperator::Exists);
        let key = toleration.key.clone().filter(|key| !key.is_empty());
        let value = toleration.value.clone().unwrap_or_default();
        if exists && !value.is_empty() {
            return fail("a toleration with operator Exists takes no value");
        }
        if !exists && key.is_none() {
            return fail("a toleration without a key needs operator Exists");
        }
        let value = (!exists).then_some(value);
        bears.push(Bears { key, value, effect: toleration.effect });
    }
    bears.sort();
    bears.dedup();
    Ok(bears)
}

/// The first of the taints, with one of these effects, that the pod does not bear.
pub(crate) fn untolerated(
    taints: &[Taint],
    bears: &[Bears],
    effects: &[TaintEffect],
) -> Option<usize> {
    let refuses = |t: &Taint| effects.contains(&t.effect) && !tolerates(bears, t);
    taints.iter().position(refuses)
}

pub(crate) fn tolerates(bears: &[Bears], taint: &Taint) -> bool {
    bears.iter().any(|b| {
        b.effect.is_none_or(|effect| effect == taint.effect)
            && b.key.as_ref().is_none_or(|key| *key == taint.key)
            && b.value.as_ref().is_none_or(|value| *value == taint.value)
    })
}
