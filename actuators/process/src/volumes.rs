//! Volumes as folders of the pod, or as the paths of the machine that they are.
//!
//! A mount path cannot be bound without namespaces; a container finds its volume through the
//! variable `SETPOINT_MOUNT_<NAME>`. A `subPath` lies below that, and nothing is read only: a process
//! may do what its user may.

use std::io;
use std::path::{Component, Path, PathBuf};

use setpoint_actuators::{ActuatorError, FileToMount, PodToRun, volume};
use setpoint_schemas::{Container, PodSpec, Volume, VolumeMount};

/// Makes all volumes of a pod that it has not yet, in its folder.
pub(crate) fn make(folder: &Path, pod: &PodToRun) -> Result<(), ActuatorError> {
    for (name, files) in &pod.volumes {
        write(folder, name, files)?;
    }
    for volume in &pod.spec.volumes {
        place(folder, volume)?;
    }
    let mounts = pod.spec.every_container().flat_map(|container| &container.volume_mounts);
    mounts.into_iter().try_for_each(|mount| within(folder, &pod.spec, mount))
}

/// Makes the files of one volume what they are here, where the pod has it.
pub(crate) fn refresh(pod: &Path, name: &str, files: &[FileToMount]) -> Result<(), ActuatorError> {
    volume::refresh(&root(pod, name)?, files, None).map_err(|error| failed(name, &error))
}

/// The variables through which a container finds its volumes.
pub(crate) fn variables(
    pod: &Path,
    spec: &PodSpec,
    container: &Container,
) -> Result<Vec<(String, String)>, ActuatorError> {
    let variable = |name: &str| {
        let path = path_of(pod, spec, name)?.to_string_lossy().into_owned();
        Ok((variable_name(name), path))
    };
    container.volume_mounts.iter().map(|mount| variable(&mount.name)).collect()
}

/// Writes the files of one volume; they change at once.
fn write(pod: &Path, name: &str, files: &[FileToMount]) -> Result<(), ActuatorError> {
    volume::write(&root(pod, name)?, files, None).map_err(|error| failed(name, &error))
}

/// A volume that is a folder, or a path of the machine.
fn place(pod: &Path, volume: &Volume) -> Result<(), ActuatorError> {
    let done = match &volume.host_path {
        Some(host) => {
            let kind = host.kind.as_deref().unwrap_or_default();
            volume::host::ready(Path::new(&host.path), kind).map(|_| ())
        }
        None if volume.has_files() => Ok(()),
        // One of which nothing is said begins empty too.
        None => {
            let mode = volume.empty_dir.as_ref().and_then(|source| source.mode);
            let mode = mode.and_then(|mode| u32::try_from(mode).ok());
            let mode = mode.unwrap_or(volume::empty::MODE_DEFAULT);
            volume::empty::make(&root(pod, &volume.name)?, mode, None)
        }
    };
    done.map_err(|error| failed(&volume.name, &error))
}

/// The path within a volume that a container asks for, where containers may write.
fn within(pod: &Path, spec: &PodSpec, mount: &VolumeMount) -> Result<(), ActuatorError> {
    let path = mount.sub_path.as_deref().unwrap_or_default();
    let is_made = |volume: &&Volume| volume.name == mount.name && !volume.has_files();
    if path.is_empty() || !spec.volumes.iter().any(|volume| is_made(&volume)) {
        return Ok(());
    }
    let found = volume::within::find(&path_of(pod, spec, &mount.name)?, path);
    found.map(|_| ()).map_err(|error| failed(&mount.name, &error))
}

/// Where a volume lies.
fn path_of(pod: &Path, spec: &PodSpec, name: &str) -> Result<PathBuf, ActuatorError> {
    let volume = spec.volumes.iter().find(|volume| volume.name == name);
    match volume.and_then(|volume| volume.host_path.as_ref()) {
        Some(host) => Ok(PathBuf::from(&host.path)),
        None => root(pod, name),
    }
}

/// The folder of a volume that is none of the machine's.
pub(crate) fn root(pod: &Path, name: &str) -> Result<PathBuf, ActuatorError> {
    plain(name)
        .then(|| pod.join("volumes").join(name))
        .ok_or_else(|| invalid(name, "it is not a plain name"))
}

/// `app-config` becomes `SETPOINT_MOUNT_APP_CONFIG`.
fn variable_name(volume: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = volume.chars().map(upper).collect();
    format!("SETPOINT_MOUNT_{name}")
}

fn plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

fn invalid(name: &str, why: &str) -> ActuatorError {
    ActuatorError::permanent("InvalidVolume", format!("volume {name:?}: {why}"))
}

fn failed(name: &str, why: &io::Error) -> ActuatorError {
    ActuatorError::transient("FailedMount", format!("failed to write volume {name:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_the_pods_folder_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["..", "a/b", "", "/a"] {
            assert!(write(dir.path(), name, &[]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_volume_is_found_through_a_variable() {
        assert_eq!(variable_name("app-config.v1"), "SETPOINT_MOUNT_APP_CONFIG_V1");
    }
}
