//! How much of the disk the parts of a pod use: folders by looking, containers by the engine's account.
//!
//! A container's part is its writable layer and, where the engine keeps it in a file that the agent may
//! look at, its output. Only what is asked about is measured: the engine walks the layer for it.

use std::io;
use std::path::Path;

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::InspectContainerOptionsBuilder;
use setpoint_actuators::volume::size::size;
use setpoint_actuators::{ActuatorError, Parts, Stored, labels};
use setpoint_schemas::{PodUid, Volume};

use crate::engine::{is_absent, unavailable};
use crate::observe::list;
use crate::{DockerConfig, volumes};

/// Those that are asked about, as far as they are there.
pub(crate) async fn stored(
    docker: &Docker,
    config: &DockerConfig,
    uid: &PodUid,
    parts: &Parts,
) -> Result<Stored, ActuatorError> {
    let mut stored = Stored::default();
    for name in &parts.volumes {
        let volume = Volume { name: name.clone(), ..Volume::default() };
        let folder = volumes::folder(config, uid, &volume);
        let looked = tokio::task::spawn_blocking(move || size(&folder)).await;
        if let Ok(bytes) = looked.map_err(io::Error::other).and_then(|found| found) {
            stored.volumes.insert(name.clone(), bytes);
        }
    }
    if parts.containers.is_empty() {
        return Ok(stored);
    }
    for container in list(docker, &config.fleet, Some(uid)).await? {
        let Some((name, id)) = asked(container, parts) else { continue };
        let options = InspectContainerOptionsBuilder::new().size(true).build();
        match docker.inspect_container(&id, Some(options)).await {
            Ok(details) => {
                stored.containers.extend(bytes_of(&details).map(|bytes| (name, bytes)));
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(unavailable("measure a container")(error)),
        }
    }
    Ok(stored)
}

/// Name and id of a container that is asked about.
fn asked(container: ContainerSummary, parts: &Parts) -> Option<(String, String)> {
    let name = container.labels?.get(labels::CONTAINER)?.clone();
    parts.containers.contains(&name).then_some((name, container.id?))
}

/// Its layer and its output; `None` where the engine does not say.
fn bytes_of(details: &ContainerInspectResponse) -> Option<i64> {
    let layer = details.size_rw?;
    let path = details.log_path.as_deref().filter(|path| !path.is_empty());
    let output = path.and_then(|path| size(Path::new(path)).ok()).unwrap_or(0);
    Some(layer.saturating_add(output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_uses_its_layer_and_its_output_where_both_can_be_told() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), vec![1; 64 << 10]).expect("written");
        let details = |log_path: Option<String>, size_rw| ContainerInspectResponse {
            log_path,
            size_rw,
            ..ContainerInspectResponse::default()
        };
        let here = Some(file.path().to_string_lossy().into_owned());
        assert_eq!(bytes_of(&details(here.clone(), None)), None);
        assert_eq!(bytes_of(&details(Some(String::new()), Some(7))), Some(7));
        assert_eq!(bytes_of(&details(Some("/gone".to_owned()), Some(7))), Some(7));
        assert!(bytes_of(&details(here, Some(7))).is_some_and(|bytes| bytes >= 64 << 10));
    }
}
