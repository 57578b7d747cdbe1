//! Which pods a quota is about.

use serde::Deserialize;
use setpoint_schemas::PodSpec;

/// One condition on pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Scope {
    scope_name: String,
    operator: String,
    values: Vec<String>,
}

impl Scope {
    /// A scope by its name alone.
    pub(super) fn named(scope_name: String) -> Scope {
        Scope { scope_name, operator: "Exists".to_owned(), values: Vec::new() }
    }

    /// Whether a pod of this spec is meant. Names that the gate would have refused mean none.
    pub(super) fn matches(&self, spec: &PodSpec) -> bool {
        match self.scope_name.as_str() {
            "Terminating" => spec.active_deadline_seconds.is_some(),
            "NotTerminating" => spec.active_deadline_seconds.is_none(),
            "BestEffort" => spec.is_best_effort(),
            "NotBestEffort" => !spec.is_best_effort(),
            "PriorityClass" => self.has_class(spec),
            _ => false,
        }
    }

    fn has_class(&self, spec: &PodSpec) -> bool {
        let class = spec.priority_class_name.as_deref().filter(|class| !class.is_empty());
        let is_listed =
            || class.is_some_and(|class| self.values.iter().any(|value| value == class));
        match self.operator.as_str() {
            "In" => is_listed(),
            "NotIn" => !is_listed(),
            "Exists" => class.is_some(),
            "DoesNotExist" => class.is_none(),
            _ => false,
        }
    }
}
