//! Which priority a pod has: by its class, by the class that is the default, or by its own word.
//!
//! Source: Kubernetes' admission plugin Priority. Otherwise than there a pod without a class may state
//! its priority itself, as long as a user may give it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use setpoint_schemas::{PodSpec, SYSTEM_PRIORITIES, system_priority};

/// What a pod's class gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// Its priority.
    pub value: i32,
    /// Whether it waits rather than have others go.
    pub never: bool,
}

/// A PriorityClass, as far as it decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// What pods get.
    pub value: i32,
    /// Whether pods without a class get it.
    pub is_default: bool,
    /// Whether its pods wait rather than have others go.
    pub never: bool,
}

/// The fields of a pod's spec that a class fills in.
const FILLED: [&str; 3] = ["priority", "priorityClassName", "preemptionPolicy"];
/// The policy of pods that wait rather than have others go.
const NEVER: &str = "Never";
/// The policy of all others.
const LOWER: &str = "PreemptLowerPriority";

impl Class {
    /// A class as it stands in its object.
    #[must_use]
    pub fn of(name: &str, object: &Value) -> Class {
        let value = object["value"].as_i64().and_then(|value| i32::try_from(value).ok());
        Class {
            name: name.to_owned(),
            value: value.unwrap_or(0),
            is_default: object["globalDefault"] == true,
            never: object["preemptionPolicy"] == NEVER,
        }
    }

    /// A class that is always there.
    #[must_use]
    pub fn of_system(name: &str) -> Option<Class> {
        let value = system_priority(name)?;
        Some(Class { name: name.to_owned(), value, is_default: false, never: false })
    }
}

/// The objects of the classes that are always there: name and body.
pub fn system_classes() -> impl Iterator<Item = (&'static str, Value)> {
    SYSTEM_PRIORITIES.iter().map(|(name, value)| {
        let told = match *name {
            "system-node-critical" => {
                "Used for system critical pods that must not be moved from their current node."
            }
            _ => {
                "Used for system critical pods that must run in the cluster, but can be moved to \
                 another node if necessary."
            }
        };
        let body = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": told});
        (*name, body)
    })
}

/// The class that a pod names, when it names one.
#[must_use]
pub fn class_named(spec: &PodSpec) -> Option<&str> {
    spec.priority_class_name.as_deref().filter(|name| !name.is_empty())
}

/// What a pod gets by its class: the one that it names, or the default one.
///
/// # Errors
/// A sentence, where the pod states otherwise than its class does.
pub fn by_class(spec: &PodSpec, class: &Class) -> Result<Priority, String> {
    if let Some(stated) = spec.priority.filter(|stated| *stated != class.value) {
        return Err(format!(
            "the integer value of priority ({stated}) must not be provided in pod spec; priority \
             admission controller computed {} from the given PriorityClass name",
            class.value
        ));
    }
    let policy = if class.never { NEVER } else { LOWER };
    let stated = spec.preemption_policy.as_deref().filter(|stated| !stated.is_empty());
    if let Some(stated) = stated.filter(|stated| *stated != policy) {
        return Err(format!(
            "the string value of PreemptionPolicy ({stated}) must not be provided in pod spec; \
             priority admission controller computed {policy} from the given PriorityClass name"
        ));
    }
    Ok(Priority { value: class.value, never: class.never })
}

/// What a pod without any class gets.
#[must_use]
pub fn stated(spec: &PodSpec) -> Priority {
    let never = spec.preemption_policy.as_deref() == Some(NEVER);
    Priority { value: spec.priority.unwrap_or(0), never }
}

/// Why a pod of an unknown class is not taken.
#[must_use]
pub fn unknown(class: &str) -> String {
    format!("no PriorityClass with name {class} was found")
}

/// Writes what the class gives into the spec of a pod.
pub fn fill(spec: &mut Value, class: &Class) {
    let Some(spec) = spec.as_object_mut() else { return };
    let policy = if class.never { NEVER } else { LOWER };
    spec.insert("priority".to_owned(), json!(class.value));
    if !class.name.is_empty() {
        spec.insert("priorityClassName".to_owned(), json!(class.name));
    }
    spec.insert("preemptionPolicy".to_owned(), json!(policy));
}

/// What was filled in once stays, where a change leaves it out.
pub fn keep(before: &Value, after: &mut Value) {
    let Some(after) = after.as_object_mut() else { return };
    for name in FILLED {
        if let Some(value) = before.get(name).filter(|value| !value.is_null())
            && after.get(name).is_none_or(Value::is_null)
        {
            after.insert(name.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: Value) -> PodSpec {
        serde_json::from_value(json).expect("a spec")
    }

    #[test]
    fn a_class_gives_its_value_and_nothing_else_may_be_stated_beside() {
        let class = Class::of("high", &json!({"value": 7, "preemptionPolicy": "Never"}));
        let of = |json| by_class(&spec(json), &class).map_err(|why| why.len() > 40);
        assert_eq!(of(json!({})), Ok(Priority { value: 7, never: true }));
        assert_eq!(of(json!({"priority": 7, "preemptionPolicy": "Never"})), of(json!({})));
        assert_eq!(of(json!({"priority": 8})), Err(true));
        assert_eq!(of(json!({"preemptionPolicy": "PreemptLowerPriority"})), Err(true));
        assert_eq!(stated(&spec(json!({"priority": 3}))), Priority { value: 3, never: false });
    }

    #[test]
    fn what_a_class_filled_in_is_kept_where_a_change_leaves_it_out() {
        let class = Class::of_system("system-node-critical").expect("it is always there");
        let mut pod = json!({"containers": []});
        fill(&mut pod, &class);
        assert_eq!(pod["priority"], json!(2_000_001_000));
        let mut after = json!({"containers": [], "preemptionPolicy": "Never"});
        keep(&pod, &mut after);
        assert_eq!(after["priorityClassName"], "system-node-critical");
        assert_eq!(after["preemptionPolicy"], "Never");
        assert_eq!(system_classes().count(), 2);
    }
}
