//! Which ends of a container are followed by another start: Kubernetes' `restartPolicy`.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.

use crate::{Container, PodSpec};

/// Kubernetes' `restartPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RestartPolicy {
    /// After every end.
    #[default]
    Always,
    /// After an end with another code than 0.
    OnFailure,
    /// After none.
    Never,
}

impl RestartPolicy {
    /// Kubernetes' word; absent or unknown means `Always`, its default.
    #[must_use]
    pub fn of(text: Option<&str>) -> Self {
        match text {
            Some("OnFailure") => RestartPolicy::OnFailure,
            Some("Never") => RestartPolicy::Never,
            _ => RestartPolicy::Always,
        }
    }

    /// Whether an end with this code is followed by another start.
    #[must_use]
    pub fn restarts_after(self, exit_code: i32) -> bool {
        match self {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => exit_code != 0,
            RestartPolicy::Never => false,
        }
    }
}

impl PodSpec {
    /// The policy of the pod.
    #[must_use]
    pub fn policy(&self) -> RestartPolicy {
        RestartPolicy::of(self.restart_policy.as_deref())
    }

    /// The policy of one of its containers, by its name: a sidecar is always started again, an init
    /// container until it ended well, unless the pod's policy is `Never`.
    #[must_use]
    pub fn policy_of(&self, container: &str) -> RestartPolicy {
        let init = self.init_containers.iter().find(|init| init.name == container);
        match (init, self.policy()) {
            (None, policy) => policy,
            (Some(init), _) if init.is_sidecar() => RestartPolicy::Always,
            (Some(_), RestartPolicy::Never) => RestartPolicy::Never,
            (Some(_), _) => RestartPolicy::OnFailure,
        }
    }
}

impl Container {
    /// Whether it is an init container that runs beside the containers for as long as they do. Only of
    /// init containers: the field is theirs alone.
    #[must_use]
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_containers_and_sidecars_have_policies_of_their_own() {
        let spec = |policy: &str| -> PodSpec {
            let text = format!(
                r#"{{"restartPolicy": "{policy}", "containers": [{{"name": "main"}}],
                    "initContainers": [{{"name": "init"}},
                                       {{"name": "side", "restartPolicy": "Always"}}]}}"#
            );
            serde_json::from_str(&text).expect("a spec")
        };
        use RestartPolicy::{Always, Never, OnFailure};
        let table = [
            ("Always", [OnFailure, Always, Always]),
            ("OnFailure", [OnFailure, Always, OnFailure]),
            ("Never", [Never, Always, Never]),
        ];
        for (policy, expected) in table {
            let spec = spec(policy);
            let policies = ["init", "side", "main"].map(|name| spec.policy_of(name));
            assert_eq!(policies, expected, "{policy}");
        }
    }
}
