//! The spec of a pod: its containers and where it may run.

use std::collections::BTreeSet;

use setpoint_schemas::POD_CONDITIONS_MAX;

use super::cursor::{Checker, Cursor};
use super::{
    container, devices, lifecycle, names, naming, priority, probe, scheduling, security, volumes,
};

/// Kubernetes' bounds of a deadline.
const SECONDS: std::ops::RangeInclusive<i64> = 1..=2_147_483_647;

/// A pod's images come from a few registries.
const PULL_SECRETS_MAX: usize = 16;

pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    check_with(checker, spec, &[]);
}

/// The same where its containers may mount these claims, which are made for each pod, as well.
pub(crate) fn check_with(checker: &mut Checker, spec: &Cursor<'_>, claims: &[&str]) {
    if spec.map().is_none() {
        return checker.refuse(spec, "is required");
    }
    let mut volumes = volumes::check(checker, &spec.field("volumes"));
    volumes.extend(claims);
    containers(checker, spec, &volumes);
    devices::check(checker, spec);
    checker.one_of(&spec.field("restartPolicy"), &["Always", "OnFailure", "Never"]);
    checker.not_negative(&spec.field("terminationGracePeriodSeconds"));
    deadline(checker, &spec.field("activeDeadlineSeconds"));
    security::of_pod(checker, spec);
    naming::check(checker, spec);
    for (name, grammar) in [
        ("hostname", names::label as fn(&str) -> Result<(), String>),
        ("subdomain", names::label),
        ("serviceAccountName", names::subdomain),
        ("nodeName", names::subdomain),
    ] {
        if let Some(at) = spec.get(name).filter(|at| !at.text().is_empty())
            && let Err(reason) = grammar(at.text())
        {
            checker.refuse(&at, reason);
        }
    }
    scheduling::check(checker, spec);
    priority::of_pod(checker, spec);
    readiness_gates(checker, spec);
    pull_secrets(checker, spec);
}

/// More are asked for one after the other by each start.
fn pull_secrets(checker: &mut Checker, spec: &Cursor<'_>) {
    let secrets = spec.field("imagePullSecrets").items();
    if secrets.len() > PULL_SECRETS_MAX {
        let why = format!("at most {PULL_SECRETS_MAX} are looked up for a pod");
        checker.refuse(&spec.field("imagePullSecrets"), why);
    }
    for secret in secrets {
        let name = secret.field("name");
        if checker.required(&name)
            && let Err(reason) = names::subdomain(name.text())
        {
            checker.refuse(&name, reason);
        }
    }
}

/// Source: Kubernetes' `validateReadinessGates`.
fn readiness_gates(checker: &mut Checker, spec: &Cursor<'_>) {
    let gates = spec.field("readinessGates").items();
    if gates.len() > POD_CONDITIONS_MAX {
        let why = format!("at most {POD_CONDITIONS_MAX} conditions are kept of a pod");
        checker.refuse(&spec.field("readinessGates"), why);
    }
    for gate in gates {
        let kind = gate.field("conditionType");
        if let Err(reason) = names::qualified(kind.text()) {
            checker.refuse(&kind, reason);
        }
    }
}

fn containers(checker: &mut Checker, spec: &Cursor<'_>, volumes: &BTreeSet<&str>) {
    let at = spec.field("containers");
    let containers = at.items();
    if containers.is_empty() {
        return checker.refuse(&at, "at least one container is required");
    }
    let host_network = spec.field("hostNetwork").value.as_bool() == Some(true);
    let mut names = BTreeSet::new();
    let mut host_ports = BTreeSet::new();
    let inits = spec.field("initContainers").items();
    let grace = spec.field("terminationGracePeriodSeconds");
    for container in inits.iter().chain(&containers) {
        let name = container.field("name");
        if !name.text().is_empty() && !names.insert(name.text()) {
            checker.refuse(&name, "two containers have the same name");
        }
        container::check(checker, container, volumes, host_network);
        lifecycle::check(checker, container, &grace);
    }
    inits.iter().for_each(|init| begins(checker, init));
    for main in &containers {
        if let Some(policy) = main.get("restartPolicy") {
            checker.refuse(&policy, "is for init containers; others have the pod's");
        }
    }
    let sidecars = inits.iter().filter(|init| is_sidecar(init));
    for container in sidecars.chain(&containers) {
        for port in container.field("ports").items() {
            host_port(checker, &port, host_network, &mut host_ports);
        }
    }
}

/// An init container is done when it ends, so that nothing asks it; a sidecar runs on.
fn begins(checker: &mut Checker, init: &Cursor<'_>) {
    checker.one_of(&init.field("restartPolicy"), &["Always"]);
    if is_sidecar(init) {
        return;
    }
    for field in probe::PROBES.iter().chain(&["lifecycle"]) {
        if let Some(at) = init.get(field) {
            checker.refuse(&at, "is for init containers with restartPolicy Always alone");
        }
    }
}

fn is_sidecar(init: &Cursor<'_>) -> bool {
    init.field("restartPolicy").text() == "Always"
}

fn deadline(checker: &mut Checker, at: &Cursor<'_>) {
    if !at.value.is_null() && at.int().is_none_or(|seconds| !SECONDS.contains(&seconds)) {
        checker.refuse(at, "must be from 1 to 2147483647");
    }
}

/// Two containers of one pod cannot hold the same port of the node.
fn host_port<'v>(
    checker: &mut Checker,
    port: &Cursor<'v>,
    host_network: bool,
    seen: &mut BTreeSet<(i64, &'v str, &'v str)>,
) {
    let (host, inner) = (port.field("hostPort"), port.field("containerPort"));
    let number = host.int().filter(|number| *number != 0);
    let Some(number) = number.or_else(|| inner.int().filter(|_| host_network)) else { return };
    let protocol = match port.field("protocol").text() {
        "" => "TCP",
        protocol => protocol,
    };
    if !seen.insert((number, protocol, port.field("hostIP").text())) {
        checker.refuse(&host, "two ports of the pod hold the same port of the node");
    }
}
