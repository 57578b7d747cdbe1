//! What a workload's pods wait for before they are started: other workloads, each until it is so far.
//!
//! Kubernetes has no field for it; it stands in an annotation of the workload, as JSON. Guarantee: what
//! parses is within the bounds. Absent: whether anything is so far.

use serde::{Deserialize, Serialize};

use crate::{GroupKind, ResourceKey, ResourceName};

/// The annotation of a workload with what it depends on: a list of [`Dependency`] in JSON.
pub const DEPENDS_ON: &str = "setpoint.dev/depends-on";
/// More than any Compose file has services that one of them waits for; each is looked at whenever one of
/// them moves.
pub const DEPENDENCIES_MAX: usize = 100;

/// A workload that another one waits for, in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Its kind: `Deployment`, `ReplicaSet`, `DaemonSet`, `StatefulSet` or `Job`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How far it must be.
    pub condition: DependsCondition,
    /// Whether it is waited for also where it is not there or has failed.
    #[serde(default = "yes")]
    pub required: bool,
    /// Whether the pods are replaced when someone changes or restarts it.
    #[serde(default)]
    pub restart: bool,
}

/// How far a workload must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependsCondition {
    /// All its pods have started.
    Started,
    /// All its pods are ready.
    Healthy,
    /// All its pods have ended, and ended well.
    Completed,
}

impl Dependency {
    /// The key of the workload that is waited for.
    #[must_use]
    pub fn key(&self, namespace: &str) -> ResourceKey {
        let group = if self.kind == "Job" { "batch" } else { "apps" };
        ResourceKey::new(GroupKind::new(group, &self.kind), namespace, &self.name)
    }

    /// Parses the annotation's text.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse_all(text: &str) -> Result<Vec<Dependency>, String> {
        let all: Vec<Dependency> = serde_json::from_str(text)
            .map_err(|error| format!("is no list of dependencies: {error}"))?;
        if all.len() > DEPENDENCIES_MAX {
            return Err(format!("names {} workloads, and at most {DEPENDENCIES_MAX}", all.len()));
        }
        for one in &all {
            let known = ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job"];
            if !known.contains(&one.kind.as_str()) {
                return Err(format!("names a kind that is none of {}", known.join(", ")));
            }
            ResourceName::parse(&one.name).map_err(|error| error.to_string())?;
        }
        Ok(all)
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_required_and_not_restarted() {
        let text = r#"[{"kind": "Deployment", "name": "db", "condition": "healthy"}]"#;
        let all = Dependency::parse_all(text).expect("it parses");
        let expected = Dependency {
            kind: "Deployment".to_owned(),
            name: "db".to_owned(),
            condition: DependsCondition::Healthy,
            required: true,
            restart: false,
        };
        assert_eq!(all, [expected]);
        assert_eq!(all[0].key("shop").to_string(), "apps/Deployment/shop/db");
    }

    #[test]
    fn what_is_no_list_of_dependencies_is_refused() {
        let many = format!(
            "[{}]",
            vec![r#"{"kind":"Job","name":"a","condition":"completed"}"#; DEPENDENCIES_MAX + 1]
                .join(",")
        );
        for text in [
            "db",
            "{}",
            r#"[{"kind": "Deployment", "name": "db"}]"#,
            r#"[{"kind": "Deployment", "name": "db", "condition": "happy"}]"#,
            r#"[{"kind": "Service", "name": "db", "condition": "healthy"}]"#,
            r#"[{"kind": "Deployment", "name": "", "condition": "healthy"}]"#,
            r#"[{"kind": "Deployment", "name": "db", "condition": "healthy", "more": 1}]"#,
            &many,
        ] {
            assert!(Dependency::parse_all(text).is_err(), "{text}");
        }
    }
}
