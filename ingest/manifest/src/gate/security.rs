//! As whom containers run and with what rights.
//!
//! Source: Kubernetes' `ValidateSecurityContext` and `validatePodSpecSecurityContext`.

use super::cursor::{Checker, Cursor};

/// Kubernetes' bound for a user's and a group's number.
const ID_MAX: i64 = i32::MAX as i64;
/// Kubernetes' bound for the name of a setting of the kernel.
const SYSCTL_CHARS_MAX: usize = 253;

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
    for sysctl in security.field("sysctls").items() {
        let name = sysctl.field("name");
        if !checker.required(&name) {
            continue;
        }
        if !is_sysctl(name.text()) {
            checker.refuse(&name, "must be such as net.core.somaxconn");
        } else if name.text().starts_with("net.") && on_node("hostNetwork") {
            checker.refuse(&name, "is the node's own with hostNetwork");
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
    let is_all = |name: &Cursor<'_>| ["SYS_ADMIN", "CAP_SYS_ADMIN"].contains(&name.text());
    if added.items().iter().any(is_all) {
        checker.refuse(&rises, "must not be false with the capability SYS_ADMIN");
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

/// Words of lowercase letters, digits, `-` and `_`, joined by points or slashes.
fn is_sysctl(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let word = |word: &str| {
        word.bytes().all(inner) && edge(word.bytes().next()) && edge(word.bytes().next_back())
    };
    name.len() <= SYSCTL_CHARS_MAX && name.split(['.', '/']).all(word)
}
