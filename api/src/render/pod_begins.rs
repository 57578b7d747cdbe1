//! The init containers of a pod: which they are, and whether they are done.
//!
//! Source: the kubelet's `GeneratePodInitializedCondition`.

use serde_json::{Value, json};
use setpoint_schemas::{ContainerObserved, ContainerState, PodObserved};

/// The init containers that a spec names.
pub(super) struct Begins<'a> {
    /// Their names, and whether each is a sidecar.
    inits: Vec<(&'a str, bool)>,
}

impl<'a> Begins<'a> {
    pub(super) fn of(spec: &'a Value) -> Self {
        let inits = spec["initContainers"].as_array().into_iter().flatten();
        let named =
            |init: &'a Value| Some((init["name"].as_str()?, init["restartPolicy"] == "Always"));
        Begins { inits: inits.filter_map(named).collect() }
    }

    /// Whether the container of this name is one.
    pub(super) fn has(&self, name: &str) -> bool {
        self.inits.iter().any(|(init, _)| *init == name)
    }

    /// Whether the container of this name is one that runs to its end.
    pub(super) fn ends(&self, name: &str) -> bool {
        self.inits.iter().any(|(init, is_sidecar)| *init == name && !is_sidecar)
    }

    /// The condition that says whether they are done. Where a container has begun they are.
    pub(super) fn condition(&self, observed: Option<&PodObserved>, since: Value) -> Value {
        let incomplete = self.incomplete(observed);
        if incomplete.is_empty() {
            return json!({
                "type": "Initialized", "status": "True", "lastProbeTime": null,
                "lastTransitionTime": since,
            });
        }
        json!({
            "type": "Initialized", "status": "False", "lastProbeTime": null,
            "lastTransitionTime": since,
            "reason": "ContainersNotInitialized",
            "message": format!("containers with incomplete status: [{}]", incomplete.join(" ")),
        })
    }

    /// Whether they are done.
    pub(super) fn is_over(&self, observed: Option<&PodObserved>) -> bool {
        self.incomplete(observed).is_empty()
    }

    fn incomplete(&self, observed: Option<&PodObserved>) -> Vec<&'a str> {
        let containers = observed.map_or(&[][..], |observed| &observed.containers);
        let has_begun = |c: &ContainerObserved| c.started_ms > 0 && !self.has(&c.name);
        if containers.iter().any(has_begun) {
            return Vec::new();
        }
        let is_done = |name: &str, is_sidecar: bool| {
            let seen = containers.iter().find(|container| container.name == name);
            seen.is_some_and(|seen| match is_sidecar {
                true => seen.state == ContainerState::Running && seen.started,
                false => seen.state == ContainerState::Terminated && seen.exit_code == Some(0),
            })
        };
        let left = self.inits.iter().filter(|(name, is_sidecar)| !is_done(name, *is_sidecar));
        left.map(|(name, _)| *name).collect()
    }
}
