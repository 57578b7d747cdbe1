//! What a pod's spec only names: ConfigMaps and Secrets, looked up through the API, and the pod's own
//! fields and resources, as environment and as files; `$(NAME)` expanded as Kubernetes does; and the
//! folders of its claims.
//!
//! Looked up at each start, so that a pod starts with what holds then. Secret values stay in memory
//! and are never logged.

pub(crate) mod expand;
mod sources;
mod downward;
mod files;
mod pulls;
pub(crate) mod claims;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use setpoint_actuators::{Actuator, ActuatorError, DesiredPod, PodToRun, Prepare};
use setpoint_schemas::{Container, EnvVar, EnvVarSource, PodSpec, PodUid, VolumeMount};
use tokio::sync::OnceCell;

use crate::AgentOptions;
use crate::client::Api;
use crate::registration::allocatable_of;
use crate::services::{self, Known, links};
use downward::Node;
pub(crate) use sources::Seen;
use sources::{Sources, not_ready};

/// Who sends connections to a pod hears within this that it goes, on a busy machine too; before that it is
/// not asked to end.
const NOTICE: Duration = Duration::from_secs(2);

/// Resolves pods through the API, and by what the node is.
pub(crate) struct Resolver {
    api: Arc<Api>,
    options: Arc<AgentOptions>,
    actuator: Arc<dyn Actuator>,
    known: Arc<Known>,
    /// The machine does not change: asked for once, when a pod wants it.
    allocatable: OnceCell<setpoint_schemas::Resources>,
}

impl Resolver {
    pub(crate) fn new(
        api: Arc<Api>,
        options: Arc<AgentOptions>,
        actuator: Arc<dyn Actuator>,
        known: Arc<Known>,
    ) -> Self {
        Resolver { api, options, actuator, known, allocatable: OnceCell::new() }
    }

    /// What this pod may be told of the node.
    async fn node(&self, spec: &PodSpec) -> Result<Node, ActuatorError> {
        let address = self.options.address.clone();
        if !downward::wants_allocatable(spec) {
            return Ok(Node { address, ..Node::default() });
        }
        let ask = || async {
            let info = self.actuator.describe().await?;
            Ok::<_, ActuatorError>(allocatable_of(&self.options, &info))
        };
        let allocatable = self.allocatable.get_or_try_init(ask).await?.clone();
        Ok(Node { address, allocatable })
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
        let node = self.node(&pod.spec).await?;
        let (spec, volumes) = (PodSpec::clone(&pod.spec), files::volumes(pod, &sources, &node)?);
        let placement = (*pod.placement).clone();
        Ok(PodToRun {
            placement,
            spec,
            env: BTreeMap::new(),
            volumes,
            credentials: Default::default(),
            held: Default::default(),
        })
    }
}

impl Prepare for Resolver {
    fn prepare<'a>(
        &'a self,
        pod: &'a DesiredPod,
    ) -> BoxFuture<'a, Result<PodToRun, ActuatorError>> {
        Box::pin(async move {
            let mut wanted = sources::named_in(&pod.spec);
            wanted.extend(pulls::named_in(&pod.spec));
            let (namespace, mut seen) = (&pod.placement.pattern.namespace, Seen::default());
            let sources = Sources::load(&self.api, namespace, wanted, &mut seen).await?;
            let node = self.node(&pod.spec).await?;
            let links = match pod.spec.enable_service_links {
                Some(false) => Vec::new(),
                _ => links(&self.known, namespace.as_str()),
            };
            let mut ready = resolve(pod, &sources, &node, &links)?;
            let whose = (namespace, pod.placement.name.as_str());
            claims::give(&self.api, &self.options, whose, &mut ready.spec).await?;
            if let Some(how) = &self.options.services {
                let labels = &pod.placement.pattern.labels;
                services::name(&mut ready.spec, namespace.as_str(), labels, how);
            }
            Ok(ready)
        })
    }

    fn release<'a>(&'a self, uid: &'a PodUid) -> BoxFuture<'a, ()> {
        Box::pin(async {
            if self.known.is_endpoint_here(uid) {
                tokio::time::sleep(NOTICE).await;
            }
        })
    }
}

/// The pod with everything that it names, from what was looked up.
fn resolve(
    pod: &DesiredPod,
    sources: &Sources,
    node: &Node,
    links: &[(String, String)],
) -> Result<PodToRun, ActuatorError> {
    let mut spec = PodSpec::clone(&pod.spec);
    let mut env = BTreeMap::new();
    for container in spec.every_container_mut() {
        let told = resolve_container(container, pod, sources, node, links);
        env.insert(container.name.clone(), told.map_err(|e| e.of_container(&container.name))?);
    }
    let volumes = files::volumes(pod, sources, node)?;
    Ok(PodToRun {
        placement: (*pod.placement).clone(),
        spec,
        env,
        volumes,
        credentials: pulls::credentials(&pod.spec, sources),
        held: Default::default(),
    })
}

/// The container's environment; what refers to it in its own words is replaced there.
fn resolve_container(
    container: &mut Container,
    pod: &DesiredPod,
    sources: &Sources,
    node: &Node,
    links: &[(String, String)],
) -> Result<Vec<(String, String)>, ActuatorError> {
    let variables = environment(container, pod, sources, node, links)?;
    for text in container.command.iter_mut().chain(&mut container.args) {
        *text = expand::expand(text, &variables);
    }
    container.volume_mounts.iter_mut().try_for_each(|mount| expand_path(mount, &variables))?;
    Ok(variables)
}

/// What Services say first, then `envFrom`, then `env`, whose entries may refer to earlier ones.
fn environment(
    container: &Container,
    pod: &DesiredPod,
    sources: &Sources,
    node: &Node,
    links: &[(String, String)],
) -> Result<Vec<(String, String)>, ActuatorError> {
    let mut variables = links.to_vec();
    for from in &container.env_from {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        for (name, value) in sources.whole(from)? {
            variables.push((format!("{prefix}{name}"), value));
        }
    }
    for variable in &container.env {
        let value = match &variable.value_from {
            Some(from) => match own(from, &container.name, pod, node)? {
                Some(value) => Some(value),
                None => sources.key(from)?,
            },
            None => Some(written(variable, &variables)),
        };
        variables.extend(value.map(|value| (variable.name.clone(), value)));
    }
    Ok(variables)
}

fn written(variable: &EnvVar, earlier: &[(String, String)]) -> String {
    expand::expand(variable.value.as_deref().unwrap_or_default(), earlier)
}

/// What the pod says of itself; `None` when that is not what is asked for.
fn own(
    from: &EnvVarSource,
    container: &str,
    pod: &DesiredPod,
    node: &Node,
) -> Result<Option<String>, ActuatorError> {
    match (&from.field_ref, &from.resource_field_ref) {
        (Some(field), _) => downward::field(pod, node, field).map(Some),
        (None, Some(resource)) => {
            downward::resource(&pod.spec, node, container, resource).map(Some)
        }
        (None, None) => Ok(None),
    }
}

/// A path with variables as one without. The kubelet wants every one of them, too.
fn expand_path(
    mount: &mut VolumeMount,
    variables: &[(String, String)],
) -> Result<(), ActuatorError> {
    let Some(path) = mount.sub_path_expr.take().filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    // A variable of a ConfigMap or a Secret may be another one any moment.
    let refuse = |why: String| {
        let message = format!("subPathExpr {path:?} of {}: {why}", mount.mount_path);
        Err(not_ready(message))
    };
    if let Some(name) = expand::missing(&path, variables) {
        return refuse(format!("there is no variable {name}"));
    }
    let found = expand::expand(&path, variables);
    if found.starts_with('/') || found.split('/').any(|part| part == "..") {
        return refuse("its variables make it leave the volume".to_owned());
    }
    mount.sub_path = Some(found);
    Ok(())
}

#[cfg(test)]
mod tests;
