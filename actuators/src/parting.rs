//! What ending a pod needs to know of its spec, also for when its placement is gone.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{Container, Hook, PodSpec, ProbePort};

/// In which order a pod's containers are ended, and what is done before.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parting {
    /// Those that are ended first, all at once.
    pub mains: Vec<String>,
    /// Those that are ended after them, in the order of the spec: the last one first.
    pub sidecars: Vec<String>,
    /// What is done before a container is asked to end, by its name. A port is a number.
    pub hooks: BTreeMap<String, Hook>,
    /// Whether the pod is reached on the node's own network.
    pub on_host: bool,
}

impl Parting {
    /// That of a pod.
    #[must_use]
    pub fn of(spec: &PodSpec) -> Self {
        let name = |container: &Container| container.name.clone();
        let (sidecars, inits): (Vec<_>, Vec<_>) =
            spec.init_containers.iter().partition(|init| init.is_sidecar());
        let hook = |container: &Container| {
            let hook = container.lifecycle.as_ref()?.pre_stop.as_ref()?;
            Some((container.name.clone(), numbered(hook, container)))
        };
        Parting {
            mains: inits.into_iter().chain(&spec.containers).map(name).collect(),
            sidecars: sidecars.into_iter().map(name).collect(),
            hooks: spec.every_container().filter_map(hook).collect(),
            on_host: spec.host_network == Some(true),
        }
    }

    /// Whether all containers are simply ended at once.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.sidecars.is_empty() && self.hooks.is_empty()
    }
}

/// The hook with the number of its port, so that nobody needs the container to know it.
pub(crate) fn numbered(hook: &Hook, container: &Container) -> Hook {
    let mut hook = hook.clone();
    if let Some(request) = &mut hook.http_get {
        let number = container.port(&request.port).unwrap_or_default();
        request.port = ProbePort::Number(number.into());
    }
    hook
}

impl fmt::Debug for Parting {
    /// Without the hooks, whose words are the pod's own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hooks: Vec<&String> = self.hooks.keys().collect();
        write!(f, "Parting({:?}, {:?}, {hooks:?})", self.mains, self.sidecars)
    }
}
