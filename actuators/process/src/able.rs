//! What a pod may ask for and a process cannot be given.
//!
//! A process is what the agent is: its user, its rights, its machine's names and files. What asks for
//! just that changes nothing and is taken; what asks for anything else is refused by its field, for a
//! program that runs with other rights than were asked for is worse than one that does not run.

use nix::unistd::{getegid, geteuid};
use setpoint_actuators::{MESSAGE_PATH_DEFAULT, PodToRun, annotations, message_path};
use setpoint_schemas::{Container, DnsConfig, PodSecurity, PodSpec, Profile, Security};

/// Who the agent is, and so its processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ourselves {
    user: i64,
    group: i64,
}

impl Ourselves {
    /// The user and group of this process.
    pub(crate) fn now() -> Self {
        Ourselves { user: geteuid().as_raw().into(), group: getegid().as_raw().into() }
    }

    fn is_root(self) -> bool {
        self.user == 0
    }
}

/// Why this container cannot run as a process: the field that asks for what it cannot have.
pub(crate) fn refused(pod: &PodToRun, container: &Container, us: Ourselves) -> Option<String> {
    let asked = of_pod(pod, us).into_iter().chain(of_container(&pod.spec, container, us));
    let field = asked.into_iter().find_map(|(field, is_asked)| is_asked.then_some(field))?;
    Some(format!(
        "{field} is asked for, which a process cannot be given: leave it out, or run the pod on a \
         node with the docker runtime"
    ))
}

/// Whether its programs may gain no rights, which a process can be held to.
pub(crate) fn gains_nothing(container: &Container) -> bool {
    let own = container.security_context.as_ref();
    own.and_then(|own| own.allow_privilege_escalation) == Some(false)
}

fn of_pod(pod: &PodToRun, us: Ourselves) -> Vec<(&'static str, bool)> {
    let spec = &pod.spec;
    let security = spec.security_context.clone().unwrap_or_default();
    let PodSecurity { fs_group, supplemental_groups, sysctls, .. } = security;
    let notes = &pod.placement.pattern.annotations;
    let dns = spec.dns_config.as_ref().is_some_and(|dns| *dns != DnsConfig::default());
    vec![
        ("volumes.emptyDir.medium", spec.volumes.iter().any(|v| v.in_memory().is_some())),
        ("securityContext.fsGroup", fs_group.is_some_and(|group| group != us.group)),
        (
            "securityContext.supplementalGroups",
            supplemental_groups.iter().any(|group| *group != us.group),
        ),
        ("securityContext.sysctls", !sysctls.is_empty()),
        ("dnsPolicy", spec.dns_policy.as_deref() == Some("None")),
        ("dnsConfig", dns),
        ("hostAliases", !spec.host_aliases.is_empty()),
        ("setHostnameAsFQDN", spec.set_hostname_as_fqdn == Some(true)),
        ("the annotation setpoint.dev/user", notes.contains_key(annotations::USER)),
        ("the annotation setpoint.dev/domainname", notes.contains_key(annotations::DOMAIN)),
        ("the annotation setpoint.dev/network", notes.contains_key(annotations::NETWORK)),
    ]
}

fn of_container(spec: &PodSpec, container: &Container, us: Ourselves) -> Vec<(&'static str, bool)> {
    let pod = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let Security { capabilities, privileged, read_only_root_filesystem, .. } = own.clone();
    let capabilities = capabilities.unwrap_or_default();
    let non_root = own.run_as_non_root.or(pod.run_as_non_root) == Some(true);
    let is_file = |profile: Option<Profile>| profile.is_some_and(|p| p.kind == "Localhost");
    let user = own.run_as_user.or(pod.run_as_user);
    let group = own.run_as_group.or(pod.run_as_group);
    vec![
        ("securityContext.runAsUser", user.is_some_and(|user| user != us.user)),
        ("securityContext.runAsGroup", group.is_some_and(|group| group != us.group)),
        ("securityContext.runAsNonRoot", non_root && us.is_root()),
        ("securityContext.privileged", privileged == Some(true) && !us.is_root()),
        ("securityContext.readOnlyRootFilesystem", read_only_root_filesystem == Some(true)),
        ("securityContext.capabilities.add", !capabilities.add.is_empty() && !us.is_root()),
        ("securityContext.capabilities.drop", !capabilities.drop.is_empty() && us.is_root()),
        ("securityContext.seccompProfile", is_file(own.seccomp_profile.or(pod.seccomp_profile))),
        (
            "securityContext.appArmorProfile",
            is_file(own.app_armor_profile.or(pod.app_armor_profile)),
        ),
        ("stdin", container.stdin == Some(true)),
        ("tty", container.tty == Some(true)),
        // Of the usual place it is told by a variable; see the actuator.
        ("terminationMessagePath", message_path(container) != MESSAGE_PATH_DEFAULT),
    ]
}

#[cfg(test)]
mod tests {

    use setpoint_schemas::samples;

    use super::*;

    const ROOT: Ourselves = Ourselves { user: 0, group: 0 };
    const USER: Ourselves = Ourselves { user: 1000, group: 1000 };

    fn asked(spec: &str, us: Ourselves) -> String {
        let placement = samples::placement_of("p", "{}");
        let spec: PodSpec = serde_json::from_str(spec).expect("a spec");
        let pod = PodToRun::bare(placement, spec);
        let why = refused(&pod, &pod.spec.containers[0], us).unwrap_or_default();
        why.split(' ').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_a_process_is_anyway_is_taken_and_anything_else_is_refused_by_its_field() {
        // (what its container says, what refuses it as root, and as another user)
        let container = [
            ("{}", "", ""),
            (r#"{"runAsUser": 0}"#, "", "securityContext.runAsUser"),
            (r#"{"runAsUser": 1000, "runAsGroup": 1000}"#, "securityContext.runAsUser", ""),
            (r#"{"runAsNonRoot": true}"#, "securityContext.runAsNonRoot", ""),
            (r#"{"privileged": true}"#, "", "securityContext.privileged"),
            (
                r#"{"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": false}"#,
                "securityContext.capabilities.drop",
                "",
            ),
            (r#"{"capabilities": {"add": ["NET_ADMIN"]}}"#, "", "securityContext.capabilities.add"),
            (
                r#"{"readOnlyRootFilesystem": true}"#,
                "securityContext.readOnlyRootFilesystem",
                "securityContext.readOnlyRootFilesystem",
            ),
            (r#"{"seccompProfile": {"type": "RuntimeDefault"}}"#, "", ""),
        ];
        for (path, expected) in
            [("", ""), ("/dev/termination-log", ""), ("/tmp/why", "terminationMessagePath")]
        {
            let message = format!(r#"{{"name": "c", "terminationMessagePath": "{path}"}}"#);
            let spec = format!(r#"{{"containers": [{message}]}}"#);
            assert_eq!(asked(&spec, USER), expected, "{path}");
        }
        for (text, root, user) in container {
            let spec = format!(r#"{{"containers": [{{"name": "c", "securityContext": {text}}}]}}"#);
            assert_eq!((&*asked(&spec, ROOT), &*asked(&spec, USER)), (root, user), "{text}");
        }
        let pod = [
            (r#""hostPID": true, "shareProcessNamespace": true, "hostIPC": true"#, ""),
            (r#""dnsPolicy": "ClusterFirst", "dnsConfig": {}"#, ""),
            (r#""dnsConfig": {"searches": ["a"]}"#, "dnsConfig"),
            (r#""hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a"]}]"#, "hostAliases"),
            (r#""securityContext": {"fsGroup": 1000}"#, ""),
            (r#""securityContext": {"fsGroup": 2000}"#, "securityContext.fsGroup"),
            (
                r#""volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]"#,
                "volumes.emptyDir.medium",
            ),
            (r#""volumes": [{"name": "v", "emptyDir": {}}]"#, ""),
        ];
        for (text, expected) in pod {
            let spec = format!(r#"{{{text}, "containers": [{{"name": "c"}}]}}"#);
            assert_eq!(asked(&spec, USER), expected, "{text}");
        }
    }
}
