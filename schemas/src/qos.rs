//! The quality of service that a pod asks for, as far as it decides.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>.

use crate::{Container, PodSpec};

impl PodSpec {
    /// Whether no container asks for cpu or memory, or is bounded in it: Kubernetes' class `BestEffort`.
    #[must_use]
    pub fn is_best_effort(&self) -> bool {
        let asks = |container: &Container| {
            let resources = &container.resources;
            let mut all = resources.requests.iter().chain(&resources.limits);
            all.any(|(name, amount)| {
                matches!(name.as_str(), "cpu" | "memory") && amount.milli() > 0
            })
        };
        !self.every_container().any(asks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_nothing_or_for_nothing_of_it_gets_what_is_left() {
        let table = [
            (r#"[{}]"#, true),
            (r#"[{"resources": {"requests": {"cpu": "0"}}}]"#, true),
            (r#"[{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]"#, true),
            (r#"[{"resources": {"requests": {"ephemeral-storage": "1Gi"}}}]"#, true),
            (r#"[{}, {"resources": {"limits": {"memory": "1Mi"}}}]"#, false),
            (r#"[{"resources": {"requests": {"cpu": "1m"}}}]"#, false),
        ];
        for (containers, expected) in table {
            let text = format!(r#"{{"containers": {containers}}}"#);
            let spec: PodSpec = serde_json::from_str(&text).expect("a spec");
            assert_eq!(spec.is_best_effort(), expected, "{containers}");
        }
    }
}
