//! Where the volumes of a pod appear in one of its containers.

use std::path::{Path, PathBuf};

use bollard::models::{
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType, MountVolumeOptions,
};
use setpoint_actuators::{ActuatorError, PodToRun, volume};
use setpoint_schemas::{Container, Volume, VolumeMount};

use crate::{DockerConfig, memory, volumes};

/// The mounts of a container, in the order of its spec.
///
/// # Errors
/// Permanent when a mount names no volume of the pod, or a path in a volume that has none; transient
/// when it cannot be found there.
pub(crate) fn mounts(
    config: &DockerConfig,
    pod: &PodToRun,
    container: &Container,
) -> Result<Vec<Mount>, ActuatorError> {
    let mount = |wanted: &VolumeMount| {
        let volume = pod.spec.volumes.iter().find(|volume| volume.name == wanted.name);
        let volume = volume.ok_or_else(|| {
            wrong(format!("container {} mounts unknown volume {}", container.name, wanted.name))
        })?;
        if volume.in_memory().is_some() {
            return in_memory(config, pod, container, volume, wanted);
        }
        let source = source(config, pod, volume, wanted)?;
        Ok(Mount {
            target: Some(wanted.mount_path.clone()),
            source: Some(source.to_string_lossy().into_owned()),
            typ: Some(MountType::BIND),
            read_only: Some(volume.has_files() || wanted.read_only == Some(true)),
            bind_options: propagation(wanted),
            ..Mount::default()
        })
    };
    container.volume_mounts.iter().map(mount).collect()
}

/// Where it lies on the machine. Files are mounted through the links by which they change; what
/// containers write to is found without following a link out of it.
fn source(
    config: &DockerConfig,
    pod: &PodToRun,
    volume: &Volume,
    wanted: &VolumeMount,
) -> Result<PathBuf, ActuatorError> {
    let folder = volumes::folder(config, &pod.placement.uid, volume);
    let path = wanted.sub_path.as_deref().unwrap_or_default();
    if volume.has_files() {
        return file(folder, volume, wanted);
    }
    let root = volume.host_path.as_ref().map_or(folder, |host| Path::new(&host.path).to_owned());
    volume::within::find(&root, path).map_err(|error| {
        // Not the path itself: a variable in it may be a Secret's.
        let (place, name) = (&wanted.mount_path, &volume.name);
        let message = format!("failed to find the subPath of volume {name} for {place}: {error}");
        ActuatorError::transient("VolumeError", message)
    })
}

/// A file of a volume of files, or all of them. A key may be added any moment.
fn file(folder: PathBuf, volume: &Volume, wanted: &VolumeMount) -> Result<PathBuf, ActuatorError> {
    let Some(path) = wanted.sub_path.as_deref().filter(|path| !path.is_empty()) else {
        return Ok(folder);
    };
    let found = folder.join(path);
    if found.exists() {
        return Ok(found);
    }
    let (place, name) = (&wanted.mount_path, &volume.name);
    let message = format!("volume {name} does not have the subPath that {place} asks for");
    Err(ActuatorError::transient("CreateContainerConfigError", message))
}

/// A volume of the engine's own: what the image has at that place is not copied into it.
fn in_memory(
    config: &DockerConfig,
    pod: &PodToRun,
    container: &Container,
    volume: &Volume,
    wanted: &VolumeMount,
) -> Result<Mount, ActuatorError> {
    if wanted.sub_path.as_deref().is_some_and(|path| !path.is_empty()) {
        let name = &container.name;
        return Err(wrong(format!(
            "container {name} mounts a subPath of volume {}: of an emptyDir in memory only the \
             whole can be mounted",
            volume.name
        )));
    }
    Ok(Mount {
        target: Some(wanted.mount_path.clone()),
        source: Some(memory::name(&config.fleet, pod, volume)),
        typ: Some(MountType::VOLUME),
        read_only: Some(wanted.read_only == Some(true)),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    })
}

fn propagation(wanted: &VolumeMount) -> Option<MountBindOptions> {
    let propagation = match wanted.mount_propagation.as_deref() {
        Some("HostToContainer") => MountBindOptionsPropagationEnum::RSLAVE,
        Some("Bidirectional") => MountBindOptionsPropagationEnum::RSHARED,
        _ => return None,
    };
    Some(MountBindOptions { propagation: Some(propagation), ..MountBindOptions::default() })
}

fn wrong(message: String) -> ActuatorError {
    ActuatorError::permanent("CreateContainerConfigError", message)
}
