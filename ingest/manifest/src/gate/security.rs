//! As whom containers run and with what rights.
//!
//! Source: Kubernetes' `ValidateSecurityContext` and `validatePodSpecSecurityContext`.

use std::collections::BTreeSet;

use super::cursor::{Checker, Cursor};

/// Kubernetes' bound for a user's and a group's number.
const ID_MAX: i64 = i32::MAX as i64;
/// Kubernetes' bound for the name of a setting of the kernel.
const SYSCTL_CHARS_MAX: usize = 253;
/// How the names of settings begin that processes share with who shares their memory and messages.
const OF_IPC: [&str; 3] = ["kernel.shm", "kernel.msg", "fs.mqueue."];
/// One more, whose name is whole.
const SEMAPHORES: &str = "kernel.sem";

/// What holds for all containers.
pub(crate) fn of_pod(checker: &mut Checker, spec: &Cursor<'_>) {
    let security = spec.field("securityContext");
    for name in ["runAsUser", "runAsGroup", "fsGroup"] {
        id(checker, &security.field(name));
    }
    for group in security.field("supplementalGroups").items() {
        id(checker, &group);
    }
    checker.one_of(&security.field("fsGroupChangePolicy"), &["OnRootMismatch", "Always"]);
    profiles(checker, &security);
    let on_node = |name: &str| spec.field(name).value.as_bool() == Some(true);
    let mut seen = BTreeSet::new();
    for sysctl in security.field("sysctls").items() {
        let name = sysctl.field("name");
        if !checker.required(&name) {
            continue;
        }
        let dotted = with_dots(name.text());
        if !is_sysctl(name.text()) {
            checker.refuse(&name, "must be such as net.core.somaxconn");
        } else if dotted.starts_with("net.") && on_node("hostNetwork") {
            checker.refuse(&name, "is the node's own with hostNetwork");
        } else if is_of_ipc(&dotted) && on_node("hostIPC") {
            checker.refuse(&name, "is the node's own with hostIPC");
        }
        if !seen.insert(dotted) {
            checker.refuse(&name, "two sysctls have the same name");
        }
    }
    if on_node("hostPID") && on_node("shareProcessNamespace") {
        checker.refuse(&spec.field("shareProcessNamespace"), "is not allowed with hostPID");
    }
}

/// What holds for one container.
pub(crate) fn of_container(checker: &mut Checker, container: &Cursor<'_>) {
    let security = container.field("securityContext");
    for name in ["runAsUser", "runAsGroup"] {
        id(checker, &security.field(name));
    }
    profiles(checker, &security);
    checker.one_of(&security.field("procMount"), &["Default", "Unmasked"]);
    let rises = security.field("allowPrivilegeEscalation");
    if rises.value.as_bool() != Some(false) {
        return;
    }
    if is_privileged(container) {
        checker.refuse(&rises, "must not be false with privileged");
    }
    let added = security.field("capabilities").field("add");
    // As in Kubernetes, which knows it by this name only.
    if added.items().iter().any(|name| name.text() == "CAP_SYS_ADMIN") {
        checker.refuse(&rises, "must not be false with the capability CAP_SYS_ADMIN");
    }
}

/// Whether a container has all rights of the node's root.
pub(crate) fn is_privileged(container: &Cursor<'_>) -> bool {
    container.field("securityContext").field("privileged").value.as_bool() == Some(true)
}

fn profiles(checker: &mut Checker, security: &Cursor<'_>) {
    for name in ["seccompProfile", "appArmorProfile"] {
        let Some(profile) = security.get(name) else { continue };
        let (kind, file) = (profile.field("type"), profile.field("localhostProfile"));
        checker.required(&kind);
        checker.one_of(&kind, &["RuntimeDefault", "Unconfined", "Localhost"]);
        let is_file = kind.text() == "Localhost";
        if is_file && checker.required(&file) && name == "seccompProfile" {
            checker.relative(&file);
        }
        if !is_file && !file.text().is_empty() {
            checker.refuse(&file, "is only allowed with the type Localhost");
        }
    }
}

fn id(checker: &mut Checker, at: &Cursor<'_>) {
    if at.int().is_some_and(|id| !(0..=ID_MAX).contains(&id)) {
        checker.refuse(at, format!("must be a number from 0 to {ID_MAX}"));
    }
}

/// A setting's name as the kernel's own tools write it: where slashes part the words, points are in them.
fn with_dots(name: &str) -> String {
    let swapped = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    match name.chars().find(|c| matches!(c, '.' | '/')) {
        Some('/') => name.chars().map(swapped).collect(),
        _ => name.to_owned(),
    }
}

fn is_of_ipc(dotted: &str) -> bool {
    dotted == SEMAPHORES || OF_IPC.iter().any(|begin| dotted.starts_with(begin))
}

/// Words of lowercase letters, digits, `-` and `_`, joined by points or slashes.
fn is_sysctl(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let word = |word: &str| {
        word.bytes().all(inner) && edge(word.bytes().next()) && edge(word.bytes().next_back())
    };
    name.len() <= SYSCTL_CHARS_MAX && name.split(['.', '/']).all(word)
}
