//! The probes of a container, as Kubernetes' own validation holds them.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};
use super::names;

/// What can be asked; a probe asks one.
const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
/// Numbers that must not be negative; 0 stands for their default.
const NUMBERS: [&str; 5] = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
];

/// The probes of a container.
pub(super) const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

pub(crate) fn check(checker: &mut Checker, container: &Cursor<'_>) {
    let ports = container.field("ports").items();
    let ports: BTreeSet<&str> = ports.iter().map(|port| port.field("name").text()).collect();
    for name in PROBES {
        let is_readiness = name == "readinessProbe";
        let Some(probe) = container.get(name) else { continue };
        handler(checker, &probe, &ports);
        NUMBERS.iter().for_each(|name| checker.not_negative(&probe.field(name)));
        if is_readiness {
            readiness(checker, &probe);
        } else {
            ending(checker, &probe);
        }
    }
}

/// Nothing ends by a readiness probe.
fn readiness(checker: &mut Checker, probe: &Cursor<'_>) {
    if let Some(grace) = probe.get("terminationGracePeriodSeconds") {
        checker.refuse(&grace, "must not be set for readinessProbes");
    }
}

/// What ends containers does so once, and is not asked again after a success.
fn ending(checker: &mut Checker, probe: &Cursor<'_>) {
    let successes = probe.field("successThreshold");
    if successes.int().is_some_and(|number| number > 1) {
        checker.refuse(&successes, "must be 1");
    }
    let grace = probe.field("terminationGracePeriodSeconds");
    if grace.int().is_some_and(|seconds| seconds <= 0) {
        checker.refuse(&grace, "must be greater than 0");
    }
}

fn handler(checker: &mut Checker, probe: &Cursor<'_>, ports: &BTreeSet<&str>) {
    let handlers: Vec<_> = HANDLERS.iter().filter_map(|name| probe.get(name)).collect();
    if handlers.is_empty() {
        return checker.refuse(probe, "must specify a handler type");
    }
    for more in &handlers[1..] {
        checker.refuse(more, "may not specify more than 1 handler type");
    }
    if let Some(exec) = probe.get("exec")
        && exec.field("command").items().is_empty()
    {
        checker.refuse(&exec.field("command"), "is required");
    }
    if let Some(request) = probe.get("httpGet") {
        http(checker, &request, ports);
    }
    if let Some(socket) = probe.get("tcpSocket") {
        port(checker, &socket.field("port"), ports);
    }
    if let Some(grpc) = probe.get("grpc") {
        port(checker, &grpc.field("port"), ports);
    }
}

/// Judges a request of HTTP of a container with ports of these names.
pub(super) fn http(checker: &mut Checker, request: &Cursor<'_>, ports: &BTreeSet<&str>) {
    port(checker, &request.field("port"), ports);
    checker.one_of(&request.field("scheme"), &["HTTP", "HTTPS"]);
    for header in request.field("httpHeaders").items() {
        let name = header.field("name");
        let is_one = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if name.text().is_empty() || !name.text().bytes().all(is_one) {
            checker.refuse(&name, "must be letters, digits and '-'");
        }
        if header.field("value").text().contains(['\r', '\n', '\0']) {
            checker.refuse(&header.field("value"), "must be one line");
        }
    }
}

/// A number, or the name of a port of the container: one that it does not have is never answered.
fn port(checker: &mut Checker, at: &Cursor<'_>, ports: &BTreeSet<&str>) {
    let name = at.text();
    if at.value.is_string() {
        if let Err(reason) = names::port_name(name) {
            checker.refuse(at, reason);
        } else if !ports.contains(name) {
            checker.refuse(at, "the container has no port of this name");
        }
    } else if at.int().is_none_or(|number| !(1..=65_535).contains(&number)) {
        checker.refuse(at, "must be a port from 1 to 65535");
    }
}
