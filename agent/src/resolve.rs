//! What a pod's spec only names, looked up through the API: ConfigMaps and Secrets as environment
//! and as files; `$(NAME)` expanded as Kubernetes does.
//!
//! Looked up at each start, so that a pod starts with what holds then. Secret values stay in memory
//! and are never logged.

pub(crate) mod expand;
mod sources;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use setpoint_actuators::{ActuatorError, DesiredPod, FileToMount, PodToRun, Prepare};
use setpoint_schemas::{Container, EnvVar, PodSpec};

use crate::client::Api;
pub(crate) use sources::Seen;
use sources::Sources;

/// Resolves pods through the API.
pub(crate) struct Resolver {
    api: Arc<Api>,
}

impl Resolver {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Resolver { api }
    }
}

impl Resolver {
    /// The pod with the files of its volumes, and without an environment.
    pub(crate) async fn files_of(
        &self,
        pod: &DesiredPod,
        seen: &mut Seen,
    ) -> Result<PodToRun, ActuatorError> {
        let wanted = sources::mounted_in(&pod.spec);
        let sources =
            Sources::load(&self.api, &pod.placement.pattern.namespace, wanted, seen).await?;
        let (spec, volumes) = (PodSpec::clone(&pod.spec), volumes(&pod.spec, &sources)?);
        let placement = (*pod.placement).clone();
        Ok(PodToRun { placement, spec, env: BTreeMap::new(), volumes })
    }
}

impl Prepare for Resolver {
    fn prepare<'a>(
        &'a self,
        pod: &'a DesiredPod,
    ) -> BoxFuture<'a, Result<PodToRun, ActuatorError>> {
        Box::pin(async move {
            let wanted = sources::named_in(&pod.spec);
            let (namespace, mut seen) = (&pod.placement.pattern.namespace, Seen::default());
            let sources = Sources::load(&self.api, namespace, wanted, &mut seen).await?;
            resolve(pod, &sources)
        })
    }
}

/// The pod with everything that it names, from what was looked up.
fn resolve(pod: &DesiredPod, sources: &Sources) -> Result<PodToRun, ActuatorError> {
    let mut spec = PodSpec::clone(&pod.spec);
    let mut env = BTreeMap::new();
    for container in &mut spec.containers {
        let variables = environment(container, sources);
        let variables = variables.map_err(|error| error.of_container(&container.name))?;
        for text in container.command.iter_mut().chain(&mut container.args) {
            *text = expand::expand(text, &variables);
        }
        env.insert(container.name.clone(), variables);
    }
    let volumes = volumes(&spec, sources)?;
    Ok(PodToRun { placement: (*pod.placement).clone(), spec, env, volumes })
}

/// `envFrom` first, then `env`, whose entries may refer to earlier ones.
fn environment(
    container: &Container,
    sources: &Sources,
) -> Result<Vec<(String, String)>, ActuatorError> {
    let mut variables = Vec::new();
    for from in &container.env_from {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        for (name, value) in sources.whole(from)? {
            variables.push((format!("{prefix}{name}"), value));
        }
    }
    for variable in &container.env {
        if let Some(value) = value_of(variable, sources, &variables)? {
            variables.push((variable.name.clone(), value));
        }
    }
    Ok(variables)
}

/// The value of a variable; `None` when it is optional and not there.
fn value_of(
    variable: &EnvVar,
    sources: &Sources,
    earlier: &[(String, String)],
) -> Result<Option<String>, ActuatorError> {
    match &variable.value_from {
        Some(from) => sources.key(from),
        None => {
            let text = variable.value.as_deref().unwrap_or_default();
            Ok(Some(expand::expand(text, earlier)))
        }
    }
}

fn volumes(
    spec: &PodSpec,
    sources: &Sources,
) -> Result<BTreeMap<String, Vec<FileToMount>>, ActuatorError> {
    spec.volumes.iter().map(|v| Ok((v.name.clone(), sources.files(v)?))).collect()
}

#[cfg(test)]
mod tests;
