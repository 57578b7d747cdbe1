//! Jobs.
//!
//! Source: `ValidateJobSpec` of Kubernetes, with its bounds.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};
use super::{names, pod};

/// Indexes of a Job at most: as Kubernetes has it, of one whose indexes have limits of their own.
const INDEXES_MAX: i64 = 100_000;
/// Pods of an indexed Job at once at most.
const INDEXES_AT_ONCE_MAX: i64 = 10_000;
/// Rules of a policy at most.
const RULES_MAX: usize = 20;
/// Exit codes of a rule at most.
const CODES_MAX: usize = 255;
/// Conditions of a rule at most.
const CONDITIONS_MAX: usize = 20;
/// Characters of a set of indexes at most.
const INDEXES_TEXT_MAX: usize = 64 * 1024;

/// A Job's spec.
pub(super) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    if spec.map().is_none() {
        return checker.refuse(spec, "is required");
    }
    for name in [
        "parallelism",
        "completions",
        "backoffLimit",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ] {
        checker.not_negative(&spec.field(name));
    }
    checker.one_of(&spec.field("completionMode"), &["NonIndexed", "Indexed"]);
    checker.one_of(&spec.field("podReplacementPolicy"), &["TerminatingOrFailed", "Failed"]);
    let is_indexed = spec.field("completionMode").text() == "Indexed";
    indexes(checker, spec, is_indexed);
    template(checker, &spec.field("template"));
    failure_policy(checker, spec);
    success_policy(checker, &spec.field("successPolicy"), is_indexed);
}

fn indexes(checker: &mut Checker, spec: &Cursor<'_>, is_indexed: bool) {
    let (all, at_once) = (spec.field("completions"), spec.field("parallelism"));
    if is_indexed && all.int().is_none() {
        checker.refuse(&all, "is required where completions have indexes");
    }
    if is_indexed && all.int().is_some_and(|all| all > INDEXES_MAX) {
        checker.refuse(&all, format!("must not be above {INDEXES_MAX} where they have indexes"));
    }
    if is_indexed && at_once.int().is_some_and(|at_once| at_once > INDEXES_AT_ONCE_MAX) {
        let why = format!("must not be above {INDEXES_AT_ONCE_MAX} where completions have indexes");
        checker.refuse(&at_once, why);
    }
    let limit = spec.field("backoffLimitPerIndex");
    if !is_indexed && limit.int().is_some() {
        checker.refuse(&limit, "is allowed only where completions have indexes");
    }
    let failed = spec.field("maxFailedIndexes");
    if failed.int().is_some() && limit.int().is_none() {
        checker.refuse(&failed, "is allowed only with backoffLimitPerIndex");
    }
    if failed.int().zip(all.int()).is_some_and(|(failed, all)| failed > all) {
        checker.refuse(&failed, "must not be above completions");
    }
}

fn template(checker: &mut Checker, template: &Cursor<'_>) {
    if template.map().is_none() {
        return checker.refuse(template, "is required");
    }
    names::labels(checker, &template.field("metadata").field("labels"));
    names::annotations(checker, &template.field("metadata").field("annotations"));
    let spec = template.field("spec");
    pod::check(checker, &spec);
    let policy = spec.field("restartPolicy");
    if !matches!(policy.text(), "OnFailure" | "Never") {
        checker.refuse(&policy, "must be OnFailure or Never in a Job, whose pods end");
    }
}

fn failure_policy(checker: &mut Checker, spec: &Cursor<'_>) {
    let policy = spec.field("podFailurePolicy");
    if policy.value.is_null() {
        return;
    }
    let restarts = spec.field("template").field("spec").field("restartPolicy");
    if restarts.text() != "Never" {
        checker.refuse(&restarts, "must be Never where the Job has a podFailurePolicy");
    }
    if spec.field("podReplacementPolicy").text() == "TerminatingOrFailed" {
        let at = spec.field("podReplacementPolicy");
        checker.refuse(&at, "must be Failed where the Job has a podFailurePolicy");
    }
    let containers = spec.field("template").field("spec");
    let containers: BTreeSet<&str> = ["initContainers", "containers"]
        .iter()
        .flat_map(|list| containers.field(list).items())
        .map(|container| container.field("name").text())
        .collect();
    let rules = policy.field("rules");
    at_most(checker, &rules, RULES_MAX);
    for rule in rules.items() {
        failure_rule(checker, spec, &rule, &containers);
    }
}

fn failure_rule(
    checker: &mut Checker,
    spec: &Cursor<'_>,
    rule: &Cursor<'_>,
    containers: &BTreeSet<&str>,
) {
    let action = rule.field("action");
    if checker.required(&action) {
        checker.one_of(&action, &["FailJob", "FailIndex", "Ignore", "Count"]);
    }
    if action.text() == "FailIndex" && spec.field("backoffLimitPerIndex").int().is_none() {
        checker.refuse(&action, "FailIndex is allowed only with backoffLimitPerIndex");
    }
    let (codes, conditions) = (rule.field("onExitCodes"), rule.field("onPodConditions"));
    if codes.value.is_null() == conditions.items().is_empty() {
        checker.refuse(rule, "must have either onExitCodes or onPodConditions");
    }
    if !codes.value.is_null() {
        exit_codes(checker, &codes, containers);
    }
    at_most(checker, &conditions, CONDITIONS_MAX);
    for condition in conditions.items() {
        checker.required(&condition.field("type"));
        checker.one_of(&condition.field("status"), &["True", "False", "Unknown"]);
    }
}

fn exit_codes(checker: &mut Checker, codes: &Cursor<'_>, containers: &BTreeSet<&str>) {
    let (operator, values) = (codes.field("operator"), codes.field("values"));
    if checker.required(&operator) {
        checker.one_of(&operator, &["In", "NotIn"]);
    }
    if values.items().is_empty() {
        checker.refuse(&values, "at least one is required");
    }
    at_most(checker, &values, CODES_MAX);
    for value in values.items() {
        if value.int() == Some(0) && operator.text() == "In" {
            checker.refuse(&value, "must not be 0, which is no failure");
        }
    }
    let name = codes.field("containerName");
    if !name.text().is_empty() && !containers.contains(name.text()) {
        checker.refuse(&name, "no container of the pod has this name");
    }
}

fn success_policy(checker: &mut Checker, policy: &Cursor<'_>, is_indexed: bool) {
    if policy.value.is_null() {
        return;
    }
    if !is_indexed {
        checker.refuse(policy, "is allowed only where completions have indexes");
    }
    let rules = policy.field("rules");
    if rules.items().is_empty() {
        checker.refuse(&rules, "at least one is required");
    }
    at_most(checker, &rules, RULES_MAX);
    for rule in rules.items() {
        let (indexes, count) = (rule.field("succeededIndexes"), rule.field("succeededCount"));
        if indexes.value.is_null() && count.value.is_null() {
            checker.refuse(&rule, "must have succeededIndexes or succeededCount");
        }
        checker.not_negative(&count);
        if !indexes.value.is_null() && !is_set(indexes.text()) {
            checker.refuse(&indexes, "is no set of indexes such as 0-2,5");
        }
    }
}

/// Numbers and runs of numbers.
fn is_set(text: &str) -> bool {
    let run = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let pair = from.parse::<u32>().ok().zip(to.parse::<u32>().ok());
        pair.is_some_and(|(from, to)| from <= to)
    };
    text.len() <= INDEXES_TEXT_MAX && text.split(',').all(run)
}

fn at_most(checker: &mut Checker, list: &Cursor<'_>, most: usize) {
    if list.items().len() > most {
        checker.refuse(list, format!("must not have more than {most} entries"));
    }
}
