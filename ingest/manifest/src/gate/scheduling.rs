//! Where a pod may run: affinity, tolerations, spread; what must be taken away before it is placed;
//! and a node's taints.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};
use super::{names, selector};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// What Kubernetes marks nodes with that are away; here nobody does.
const AWAY: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    names::labels(checker, &spec.field("nodeSelector"));
    let affinity = spec.field("affinity");
    node_affinity(checker, &affinity.field("nodeAffinity"));
    for name in ["podAffinity", "podAntiAffinity"] {
        pod_affinity(checker, &affinity.field(name));
    }
    for toleration in spec.field("tolerations").items() {
        bears(checker, &toleration);
    }
    for constraint in spec.field("topologySpreadConstraints").items() {
        spread(checker, &constraint);
    }
    gates(checker, spec);
}

/// Source: Kubernetes' `validateSchedulingGates`. Who names its node is placed already.
fn gates(checker: &mut Checker, spec: &Cursor<'_>) {
    let gates = spec.field("schedulingGates").items();
    let mut seen = BTreeSet::new();
    for gate in &gates {
        let name = gate.field("name");
        if let Err(reason) = names::qualified(name.text()) {
            checker.refuse(&name, reason);
        } else if !seen.insert(name.text()) {
            checker.refuse(&name, "two gates have the same name");
        }
    }
    let node = spec.field("nodeName");
    if !gates.is_empty() && !node.text().is_empty() {
        checker.refuse(&node, "cannot be set until all schedulingGates have been cleared");
    }
}

/// What who asks should know of the tolerations in a workload's or a pod's spec: how long a pod stays on a
/// node that is away is not theirs to say.
pub(crate) fn borne_in_vain(spec: &Cursor<'_>) -> Option<String> {
    let pod = spec.get("template").map_or_else(|| spec.clone(), |template| template.field("spec"));
    let tolerations = pod.field("tolerations");
    let is_in_vain = |toleration: &Cursor<'_>| {
        AWAY.contains(&toleration.field("key").text())
            && !toleration.field("tolerationSeconds").value.is_null()
    };
    tolerations.items().iter().any(is_in_vain).then(|| {
        let path = &tolerations.path;
        format!(
            "{path}: nobody taints nodes as not-ready or unreachable here; a lost node's pods are \
             replaced after the lease's grace, whatever they tolerate"
        )
    })
}

/// A node's taints.
pub(crate) fn taints(checker: &mut Checker, at: &Cursor<'_>) {
    let mut seen = BTreeSet::new();
    for taint in at.items() {
        let (key, effect) = (taint.field("key"), taint.field("effect"));
        if let Err(reason) = names::qualified(key.text()) {
            checker.refuse(&key, reason);
        }
        if let Err(reason) = names::label_value(taint.field("value").text()) {
            checker.refuse(&taint.field("value"), reason);
        }
        if checker.required(&effect) {
            checker.one_of(&effect, EFFECTS);
        }
        if !seen.insert((key.text(), effect.text())) {
            checker.refuse(&key, "two taints of one effect have the same key");
        }
    }
}

fn node_affinity(checker: &mut Checker, at: &Cursor<'_>) {
    let required = at.field(REQUIRED);
    let terms = required.field("nodeSelectorTerms");
    if !required.value.is_null() && terms.items().is_empty() {
        checker.refuse(&terms, "at least one term is required");
    }
    for term in terms.items() {
        node_term(checker, &term);
    }
    for preferred in at.field(PREFERRED).items() {
        weight(checker, &preferred.field("weight"));
        node_term(checker, &preferred.field("preference"));
    }
}

fn node_term(checker: &mut Checker, term: &Cursor<'_>) {
    for requirement in term.field("matchExpressions").items() {
        let operators = &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
        selector::expression(checker, &requirement, operators);
        if let Err(reason) = names::qualified(requirement.field("key").text()) {
            checker.refuse(&requirement.field("key"), reason);
        }
    }
    for requirement in term.field("matchFields").items() {
        selector::expression(checker, &requirement, &["In", "NotIn"]);
        if requirement.field("key").text() != "metadata.name" {
            checker.refuse(&requirement.field("key"), "only metadata.name is a node's field");
        }
    }
}

fn pod_affinity(checker: &mut Checker, at: &Cursor<'_>) {
    for term in at.field(REQUIRED).items() {
        pod_term(checker, &term);
    }
    for preferred in at.field(PREFERRED).items() {
        weight(checker, &preferred.field("weight"));
        pod_term(checker, &preferred.field("podAffinityTerm"));
    }
}

fn pod_term(checker: &mut Checker, term: &Cursor<'_>) {
    topology_key(checker, term);
    selector::check(checker, &term.field("labelSelector"));
    selector::check(checker, &term.field("namespaceSelector"));
    for namespace in term.field("namespaces").items() {
        if let Err(reason) = names::label(namespace.text()) {
            checker.refuse(&namespace, reason);
        }
    }
}

fn weight(checker: &mut Checker, at: &Cursor<'_>) {
    if at.int().is_none_or(|weight| !(1..=100).contains(&weight)) {
        checker.refuse(at, "must be a weight from 1 to 100");
    }
}

fn topology_key(checker: &mut Checker, term: &Cursor<'_>) {
    let key = term.field("topologyKey");
    if checker.required(&key)
        && let Err(reason) = names::qualified(key.text())
    {
        checker.refuse(&key, reason);
    }
}

fn bears(checker: &mut Checker, toleration: &Cursor<'_>) {
    let field = |name| toleration.field(name);
    let (key, operator, value) = (field("key"), field("operator"), field("value"));
    if !operator.text().is_empty() {
        checker.one_of(&operator, &["Equal", "Exists"]);
    }
    if !field("effect").text().is_empty() {
        checker.one_of(&field("effect"), EFFECTS);
    }
    if key.text().is_empty() {
        if operator.text() != "Exists" {
            checker.refuse(&operator, "must be Exists when there is no key");
        }
    } else if let Err(reason) = names::qualified(key.text()) {
        checker.refuse(&key, reason);
    }
    if operator.text() == "Exists" && !value.text().is_empty() {
        checker.refuse(&value, "must be empty with Exists");
    }
    if !field("tolerationSeconds").value.is_null() && field("effect").text() != "NoExecute" {
        checker.refuse(&field("effect"), "must be NoExecute with tolerationSeconds");
    }
}

fn spread(checker: &mut Checker, constraint: &Cursor<'_>) {
    let field = |name| constraint.field(name);
    if field("maxSkew").int().is_none_or(|skew| skew < 1) {
        checker.refuse(&field("maxSkew"), "must be above 0");
    }
    topology_key(checker, constraint);
    let when = field("whenUnsatisfiable");
    if checker.required(&when) {
        checker.one_of(&when, &["DoNotSchedule", "ScheduleAnyway"]);
    }
    let domains = field("minDomains");
    if domains.int().is_some_and(|domains| domains < 1) {
        checker.refuse(&domains, "must be above 0");
    }
    if !domains.value.is_null() && when.text() != "DoNotSchedule" {
        checker.refuse(&domains, "is allowed only with DoNotSchedule");
    }
    for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        checker.one_of(&field(name), &["Honor", "Ignore"]);
    }
    selector::check(checker, &field("labelSelector"));
}
