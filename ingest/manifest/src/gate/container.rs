//! One container of a pod.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};
use super::{downward, names, probe, resources, security};

pub(crate) fn check(
    checker: &mut Checker,
    container: &Cursor<'_>,
    volumes: &BTreeSet<&str>,
    host_network: bool,
) {
    let name = container.field("name");
    if checker.required(&name)
        && let Err(reason) = names::label(name.text())
    {
        checker.refuse(&name, reason);
    }
    image(checker, container);
    last_message(checker, container);
    ports(checker, &container.field("ports"), host_network);
    env(checker, container);
    resources::check(checker, &container.field("resources"));
    security::of_container(checker, container);
    mounts(checker, container, volumes);
    probe::check(checker, container);
}

fn image(checker: &mut Checker, container: &Cursor<'_>) {
    let image = container.field("image");
    if checker.required(&image) && image.text().trim() != image.text() {
        checker.refuse(&image, "must not begin or end with white space");
    }
    checker.one_of(&container.field("imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
}

fn last_message(checker: &mut Checker, container: &Cursor<'_>) {
    let path = container.field("terminationMessagePath");
    if !path.text().is_empty() && !path.text().starts_with('/') {
        checker.refuse(&path, "must be an absolute path");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    checker.one_of(&container.field("terminationMessagePolicy"), &policies);
}

fn ports(checker: &mut Checker, at: &Cursor<'_>, host_network: bool) {
    let mut seen = BTreeSet::new();
    for port in at.items() {
        let (inner, host) = (port.field("containerPort"), port.field("hostPort"));
        if inner.int().is_none_or(|number| !(1..=65_535).contains(&number)) {
            checker.refuse(&inner, "must be a port from 1 to 65535");
        }
        let host_number = host.int().filter(|number| *number != 0);
        if host_number.is_some_and(|number| !(1..=65_535).contains(&number)) {
            checker.refuse(&host, "must be a port from 1 to 65535");
        }
        if host_network && host_number.is_some_and(|number| Some(number) != inner.int()) {
            checker.refuse(&host, "must equal containerPort with hostNetwork");
        }
        checker.one_of(&port.field("protocol"), &["TCP", "UDP", "SCTP"]);
        let name = port.field("name");
        if name.text().is_empty() {
            continue;
        }
        if let Err(reason) = names::port_name(name.text()) {
            checker.refuse(&name, reason);
        }
        if !seen.insert(name.text()) {
            checker.refuse(&name, "two ports have the same name");
        }
    }
}

fn env(checker: &mut Checker, container: &Cursor<'_>) {
    for variable in container.field("env").items() {
        let (name, from) = (variable.field("name"), variable.field("valueFrom"));
        if checker.required(&name)
            && let Err(reason) = names::env_name(name.text())
        {
            checker.refuse(&name, reason);
        }
        if !from.value.is_null() {
            source(checker, &variable, &from);
        }
    }
    for source in container.field("envFrom").items() {
        let references = ["configMapRef", "secretRef"].map(|name| source.get(name));
        if references.iter().flatten().count() != 1 {
            checker.refuse(&source, "needs exactly one of configMapRef and secretRef");
        }
        for reference in references.iter().flatten() {
            checker.required(&reference.field("name"));
        }
    }
}

fn source(checker: &mut Checker, variable: &Cursor<'_>, from: &Cursor<'_>) {
    if !variable.field("value").text().is_empty() {
        checker.refuse(from, "must be absent when there is a value");
    }
    let set = from.entries().iter().filter(|(_, at)| !at.value.is_null()).count();
    if set != 1 {
        checker.refuse(from, "needs exactly one source");
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(reference) = from.get(name) {
            checker.required(&reference.field("name"));
            checker.required(&reference.field("key"));
        }
    }
    downward::variable(checker, from);
}

fn mounts(checker: &mut Checker, container: &Cursor<'_>, volumes: &BTreeSet<&str>) {
    let mut paths = BTreeSet::new();
    for mount in container.field("volumeMounts").items() {
        let (name, path) = (mount.field("name"), mount.field("mountPath"));
        if checker.required(&name) && !volumes.contains(name.text()) {
            checker.refuse(&name, "no volume has this name");
        }
        if checker.required(&path) && !paths.insert(path.text()) {
            checker.refuse(&path, "two mounts have the same path");
        }
        let (within, expression) = (mount.field("subPath"), mount.field("subPathExpr"));
        checker.relative(&within);
        checker.relative(&expression);
        if !within.text().is_empty() && !expression.text().is_empty() {
            checker.refuse(&expression, "is not allowed with subPath");
        }
        let propagation = mount.field("mountPropagation");
        checker.one_of(&propagation, &["None", "HostToContainer", "Bidirectional"]);
        if propagation.text() == "Bidirectional" && !security::is_privileged(container) {
            checker.refuse(&propagation, "is only for privileged containers");
        }
    }
}
