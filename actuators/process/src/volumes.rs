//! Files of ConfigMaps and Secrets as folders of the pod.
//!
//! A mount path cannot be bound without namespaces; a container finds its volume through the
//! variable `SETPOINT_MOUNT_<NAME>`.

use std::io;
use std::path::{Component, Path, PathBuf};

use setpoint_actuators::{ActuatorError, FileToMount, volume};
use setpoint_schemas::Container;

/// Writes the files of one volume; they change at once.
pub(crate) fn write(pod: &Path, name: &str, files: &[FileToMount]) -> Result<(), ActuatorError> {
    volume::write(&root(pod, name)?, files).map_err(|error| failed(name, &error))
}

/// The same, where the pod has this volume.
pub(crate) fn refresh(pod: &Path, name: &str, files: &[FileToMount]) -> Result<(), ActuatorError> {
    volume::refresh(&root(pod, name)?, files).map_err(|error| failed(name, &error))
}

/// The variables through which a container finds its volumes.
pub(crate) fn variables(
    pod: &Path,
    container: &Container,
) -> Result<Vec<(String, String)>, ActuatorError> {
    let variable = |name: &str| {
        let path = root(pod, name)?.to_string_lossy().into_owned();
        Ok((variable_name(name), path))
    };
    container.volume_mounts.iter().map(|mount| variable(&mount.name)).collect()
}

fn root(pod: &Path, name: &str) -> Result<PathBuf, ActuatorError> {
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
