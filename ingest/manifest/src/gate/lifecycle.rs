//! The hooks of a container, as Kubernetes' own validation holds them.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};
use super::probe;

/// What a hook can be; it is one of them.
const HANDLERS: [&str; 4] = ["exec", "httpGet", "sleep", "tcpSocket"];
/// Kubernetes' `terminationGracePeriodSeconds` when a spec names none.
const GRACE_SECONDS_DEFAULT: i64 = 30;

/// Judges the hooks of a container of a pod with this grace.
pub(crate) fn check(checker: &mut Checker, container: &Cursor<'_>, grace: &Cursor<'_>) {
    let ports = container.field("ports").items();
    let ports: BTreeSet<&str> = ports.iter().map(|port| port.field("name").text()).collect();
    let grace_seconds = grace.int().unwrap_or(GRACE_SECONDS_DEFAULT);
    for name in ["postStart", "preStop"] {
        if let Some(hook) = container.field("lifecycle").get(name) {
            handler(checker, &hook, &ports, grace_seconds);
        }
    }
}

fn handler(checker: &mut Checker, hook: &Cursor<'_>, ports: &BTreeSet<&str>, grace_seconds: i64) {
    let handlers: Vec<_> = HANDLERS.iter().filter_map(|name| hook.get(name)).collect();
    if handlers.is_empty() {
        return checker.refuse(hook, "must specify a handler type");
    }
    for more in &handlers[1..] {
        checker.refuse(more, "may not specify more than 1 handler type");
    }
    if let Some(exec) = hook.get("exec")
        && exec.field("command").items().is_empty()
    {
        checker.refuse(&exec.field("command"), "is required");
    }
    if let Some(request) = hook.get("httpGet") {
        probe::http(checker, &request, ports);
    }
    let seconds = hook.field("sleep").field("seconds");
    if hook.get("sleep").is_some()
        && seconds.int().is_none_or(|seconds| !(0..=grace_seconds).contains(&seconds))
    {
        let range = "must be from 0 to the pod's terminationGracePeriodSeconds";
        checker.refuse(&seconds, format!("{range}, {grace_seconds}"));
    }
}
