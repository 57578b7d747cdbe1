//! Files of ConfigMaps and Secrets as folders of the pod.
//!
//! A mount path cannot be bound without namespaces; a container finds its volume through the
//! variable `SETPOINT_MOUNT_<NAME>`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use setpoint_actuators::{ActuatorError, FileToMount};
use setpoint_schemas::Container;

use crate::disk::make_dir;

/// Only permission bits; neither setuid nor the like comes from a manifest.
const MODE_MASK: u32 = 0o777;

/// Writes the files of one volume; those that are there are replaced.
pub(crate) fn write(pod: &Path, name: &str, files: &[FileToMount]) -> Result<(), ActuatorError> {
    let root = root(pod, name)?;
    make_dir(&root).map_err(|error| failed(name, &error.to_string()))?;
    for file in files {
        write_file(&root, file).map_err(|why| failed(name, &format!("{}: {why}", file.path)))?;
    }
    Ok(())
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

fn write_file(root: &Path, file: &FileToMount) -> Result<(), String> {
    let relative = Path::new(&file.path);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if file.path.is_empty() || !relative.components().all(is_plain) {
        return Err("the path leaves the volume".into());
    }
    let path = root.join(relative);
    if let Some(parent) = path.parent() {
        make_dir(parent).map_err(|error| error.to_string())?;
    }
    replace(&path, file).map_err(|error| error.to_string())
}

fn replace(path: &Path, file: &FileToMount) -> std::io::Result<()> {
    let fresh = path.with_file_name(".setpoint-new");
    let mut options = OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(&file.bytes)?;
    out.set_permissions(Permissions::from_mode(file.mode & MODE_MASK))?;
    fs::rename(&fresh, path)
}

fn plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

fn invalid(name: &str, why: &str) -> ActuatorError {
    ActuatorError::permanent("InvalidVolume", format!("volume {name:?}: {why}"))
}

fn failed(name: &str, why: &str) -> ActuatorError {
    ActuatorError::transient("FailedMount", format!("failed to write volume {name:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32) -> FileToMount {
        FileToMount { path: path.into(), bytes: b"x".to_vec(), mode }
    }

    #[test]
    fn files_have_their_content_and_mode() {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), "conf", &[file("a/b.txt", 0o440)]).expect("it is written");
        let path = dir.path().join("volumes/conf/a/b.txt");
        assert_eq!(fs::read(&path).expect("it is there"), b"x");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o440);
        write(dir.path(), "conf", &[file("a/b.txt", 0o440)]).expect("again");
    }

    #[test]
    fn a_path_that_leaves_the_volume_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        for path in ["../x", "/etc/x", "a/../../x", ""] {
            assert!(write(dir.path(), "conf", &[file(path, 0o644)]).is_err(), "{path}");
        }
        for name in ["..", "a/b", "", "/a"] {
            assert!(write(dir.path(), name, &[]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_volume_is_found_through_a_variable() {
        assert_eq!(variable_name("app-config.v1"), "SETPOINT_MOUNT_APP_CONFIG_V1");
    }
}
