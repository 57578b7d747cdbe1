//! What a container may do, in the engine's words. Pure.
//!
//! Absent: as whom it runs, and profiles of seccomp that lie in files.

use std::collections::HashMap;

use bollard::models::HostConfig;
use setpoint_actuators::{PodToRun, annotations};
use setpoint_schemas::{Container, PodSpec, Profile, Security};

/// Settings of the kernel that belong to a network, and so to whoever has the pod's.
const NETWORK_SYSCTLS: &str = "net.";

/// Sets what this container may do.
pub(crate) fn apply(host: &mut HostConfig, pod: &PodToRun, container: &Container) {
    let spec = &pod.spec;
    let own = container.security_context.clone().unwrap_or_default();
    let capabilities = own.capabilities.clone().unwrap_or_default();
    host.privileged = own.privileged;
    host.readonly_rootfs = own.read_only_root_filesystem;
    host.cap_add = some(capabilities.add);
    host.cap_drop = some(capabilities.drop);
    host.security_opt = some(options(&own, spec, container));
    if own.proc_mount.as_deref() == Some("Unmasked") {
        // Empty is not absent: absent leaves the engine's own.
        host.masked_paths = Some(Vec::new());
        host.readonly_paths = Some(Vec::new());
    }
    host.group_add = some(groups(spec));
    host.sysctls = merged(host.sysctls.take(), sysctls(spec, |name| !is_of_network(name)));
    host.ipc_mode = (spec.host_ipc == Some(true)).then(|| "host".to_owned());
    let init = pod.placement.pattern.annotations.get(annotations::INIT);
    host.init = init.filter(|text| *text == "true").map(|_| true);
}

/// Sets what belongs to the pod's network.
pub(crate) fn of_network(host: &mut HostConfig, spec: &PodSpec) {
    host.sysctls = merged(None, sysctls(spec, is_of_network));
}

/// The profile of seccomp that holds for a container.
pub(crate) fn seccomp<'p>(spec: &'p PodSpec, container: &'p Container) -> Option<&'p Profile> {
    let own = container.security_context.as_ref().and_then(|own| own.seccomp_profile.as_ref());
    own.or_else(|| spec.security_context.as_ref()?.seccomp_profile.as_ref())
}

fn options(own: &Security, spec: &PodSpec, container: &Container) -> Vec<String> {
    let mut options = Vec::new();
    if own.allow_privilege_escalation == Some(false) {
        options.push("no-new-privileges:true".to_owned());
    }
    // The engine's own profile is its default.
    if seccomp(spec, container).is_some_and(|profile| profile.kind == "Unconfined") {
        options.push("seccomp=unconfined".to_owned());
    }
    let of_pod = || spec.security_context.as_ref()?.app_armor_profile.as_ref();
    let apparmor = own.app_armor_profile.as_ref().or_else(of_pod);
    match apparmor.map(|profile| (profile.kind.as_str(), profile.localhost_profile.as_deref())) {
        Some(("Unconfined", _)) => options.push("apparmor=unconfined".to_owned()),
        Some(("Localhost", Some(name))) => options.push(format!("apparmor={name}")),
        _ => {}
    }
    options
}

fn groups(spec: &PodSpec) -> Vec<String> {
    let Some(security) = &spec.security_context else { return Vec::new() };
    let all = security.supplemental_groups.iter().chain(&security.fs_group);
    all.map(ToString::to_string).collect()
}

fn is_of_network(name: &str) -> bool {
    name.starts_with(NETWORK_SYSCTLS)
}

fn sysctls(spec: &PodSpec, wanted: impl Fn(&str) -> bool) -> HashMap<String, String> {
    let all = spec.security_context.iter().flat_map(|security| &security.sysctls);
    // Kubernetes takes a slash for a point, too.
    let pairs = all.map(|sysctl| (sysctl.name.replace('/', "."), sysctl.value.clone()));
    pairs.filter(|(name, _)| wanted(name)).collect()
}

fn merged(
    before: Option<HashMap<String, String>>,
    more: HashMap<String, String>,
) -> Option<HashMap<String, String>> {
    let all: HashMap<String, String> = before.into_iter().flatten().chain(more).collect();
    Some(all).filter(|all| !all.is_empty())
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
