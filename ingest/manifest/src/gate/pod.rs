//! The spec of a pod: its containers, volumes and where it may run.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};
use super::{container, devices, names, priority, scheduling};

pub(crate) fn check(checker: &mut Checker, spec: &Cursor<'_>) {
    if spec.map().is_none() {
        return checker.refuse(spec, "is required");
    }
    let volumes = volumes(checker, &spec.field("volumes"));
    containers(checker, spec, &volumes);
    devices::check(checker, spec);
    checker.one_of(&spec.field("restartPolicy"), &["Always", "OnFailure", "Never"]);
    checker.not_negative(&spec.field("terminationGracePeriodSeconds"));
    for (name, grammar) in [
        ("hostname", names::label as fn(&str) -> Result<(), String>),
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
    for container in &containers {
        let name = container.field("name");
        if !name.text().is_empty() && !names.insert(name.text()) {
            checker.refuse(&name, "two containers have the same name");
        }
        container::check(checker, container, volumes, host_network);
        for port in container.field("ports").items() {
            host_port(checker, &port, host_network, &mut host_ports);
        }
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

/// The names of the volumes.
fn volumes<'v>(checker: &mut Checker, at: &Cursor<'v>) -> BTreeSet<&'v str> {
    let mut seen = BTreeSet::new();
    for volume in at.items() {
        let name = volume.field("name");
        if !checker.required(&name) {
            continue;
        }
        if let Err(reason) = names::label(name.text()) {
            checker.refuse(&name, reason);
        }
        if !seen.insert(name.text()) {
            checker.refuse(&name, "two volumes have the same name");
        }
        source(checker, &volume);
    }
    seen
}

fn source(checker: &mut Checker, volume: &Cursor<'_>) {
    let sources =
        volume.entries().into_iter().filter(|(name, at)| *name != "name" && !at.value.is_null());
    if sources.count() > 1 {
        checker.refuse(volume, "a volume has only one source");
    }
    for (kind, named) in [("configMap", "name"), ("secret", "secretName")] {
        let Some(source) = volume.get(kind) else { continue };
        checker.required(&source.field(named));
        mode(checker, &source.field("defaultMode"));
        for item in source.field("items").items() {
            checker.required(&item.field("key"));
            mode(checker, &item.field("mode"));
            let path = item.field("path");
            if checker.required(&path) {
                checker.relative(&path);
            }
        }
    }
}

fn mode(checker: &mut Checker, at: &Cursor<'_>) {
    if at.int().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        checker.refuse(at, "must be a file mode from 0 to 0777 (511)");
    }
}
