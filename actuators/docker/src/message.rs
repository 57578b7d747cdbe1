//! The file for a container's last message, bound into it as the kubelet does: what is written there is
//! kept also where nothing else of the container can be written or read.
//!
//! Guarantee: empty when a life begins; goes with its pod; an engine that does not see our files keeps no
//! container from starting that names no place of its own. Absent: containers of an engine that is reached over
//! the network and that ask for nothing of the sort, for it may not see our files.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bollard::models::{Mount, MountType};
use setpoint_actuators::{
    ActuatorError, MESSAGE_PATH_DEFAULT, PodToRun, message_path, read_message,
};
use setpoint_schemas::{Container, PodSpec, PodUid};

use crate::DockerConfig;

/// The folder of a pod's messages beside those of its volumes, of which none is called so.
const FOLDER: &str = "_messages";
/// The owner alone reaches the folder.
const MODE_FOLDER: u32 = 0o700;
/// Every user of the container may write. Source: the kubelet's `makeMounts`.
const MODE_FILE: u32 = 0o666;

/// Makes the file of a container that has none yet, and says how it is mounted; `None` where it is not, as where
/// it cannot be made and the container names no place of its own.
pub(crate) fn make(
    config: &DockerConfig,
    pod: &PodToRun,
    container: &Container,
) -> Result<Option<Mount>, ActuatorError> {
    let target = message_path(container);
    if !is_given(config, container) || is_covered(&pod.spec, container, target) {
        return Ok(None);
    }
    let path = path(config, &pod.placement.uid, &container.name);
    match write_empty(&path) {
        Ok(()) => {}
        Err(_) if target == MESSAGE_PATH_DEFAULT => return Ok(None),
        Err(error) => return Err(failed(&container.name, &error)),
    }
    Ok(Some(Mount {
        target: Some(target.to_owned()),
        source: Some(path.to_string_lossy().into_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(false),
        ..Mount::default()
    }))
}

/// Empties the file before another life, where there is one.
pub(crate) fn begin(
    config: &DockerConfig,
    uid: &PodUid,
    container: &str,
) -> Result<(), ActuatorError> {
    match OpenOptions::new().write(true).truncate(true).open(path(config, uid, container)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(container, &error)),
        _ => Ok(()),
    }
}

/// What the container left there.
pub(crate) fn read(
    config: &DockerConfig,
    uid: &PodUid,
    container: &str,
) -> Result<Vec<u8>, ActuatorError> {
    read_message(&path(config, uid, container)).map_err(|error| failed(container, &error))
}

/// Whether a container has one: on this machine each, and elsewhere who asks for it.
fn is_given(config: &DockerConfig, container: &Container) -> bool {
    config.host.starts_with("unix://")
        || container.termination_message_path.is_some()
        || container.termination_message_policy.is_some()
}

/// Whether the container does as well without its file: it names no place of its own, and the engine refused
/// it by that file, which it does not see. What Kubernetes writes into every manifest is no place of its own.
pub(crate) fn is_dispensable(container: &Container, mount: &Mount, refusal: &str) -> bool {
    let source = mount.source.as_deref().filter(|source| !source.is_empty());
    message_path(container) == MESSAGE_PATH_DEFAULT
        && source.is_some_and(|source| refusal.contains(source))
}

/// Whether the container has something else at that place, or around it what nothing can be added to: files
/// are always mounted to be read.
fn is_covered(pod: &PodSpec, container: &Container, target: &str) -> bool {
    let target = Path::new(target);
    let has_files = |name: &str| pod.volumes.iter().any(|v| v.name == name && v.has_files());
    container.volume_mounts.iter().any(|mount| {
        let place = Path::new(&mount.mount_path);
        let is_fixed = || mount.read_only == Some(true) || has_files(&mount.name);
        place == target || (target.starts_with(place) && is_fixed())
    })
}

fn path(config: &DockerConfig, uid: &PodUid, container: &str) -> PathBuf {
    config.files.join(&*uid.text()).join(FOLDER).join(container)
}

fn write_empty(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(MODE_FOLDER).create(folder)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    // The process's umask must not decide.
    file.set_permissions(Permissions::from_mode(MODE_FILE))
}

fn failed(container: &str, error: &io::Error) -> ActuatorError {
    let message = format!("failed to use the file for the message of {container}: {error}");
    ActuatorError::transient("VolumeError", message)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use setpoint_schemas::{FleetId, samples};

    use super::*;

    /// Where the file of the only container is mounted.
    fn target(config: &DockerConfig, container: &str) -> Option<String> {
        let container: Container = serde_json::from_str(container).expect("a container");
        let volumes = r#"[{"name": "files", "projected": {"sources": []}}]"#;
        let volumes = serde_json::from_str(volumes).expect("volumes");
        let spec = PodSpec { volumes, ..PodSpec::default() };
        let pod = PodToRun::bare(samples::placement_of("p", "{}"), spec);
        make(config, &pod, &container).expect("made").and_then(|mount| mount.target)
    }

    #[test]
    fn each_container_of_this_machine_has_a_file_where_it_says() {
        let dir = tempfile::tempdir().expect("a folder");
        let fleet = || FleetId::parse("f").expect("a fleet");
        let near = DockerConfig::new("unix:///d", fleet(), dir.path().join("near"));
        let far = DockerConfig::new("tcp://127.0.0.1:1", fleet(), dir.path().join("far"));
        let usual = "/dev/termination-log";
        let table = [
            (r#"{"name": "c"}"#, Some(usual), None),
            (r#"{"name": "c", "terminationMessagePath": "/m"}"#, Some("/m"), Some("/m")),
            (r#"{"name": "c", "terminationMessagePolicy": "File"}"#, Some(usual), Some(usual)),
            (
                r#"{"name": "c", "terminationMessagePath": "/m",
                    "volumeMounts": [{"name": "v", "mountPath": "/m"}]}"#,
                None,
                None,
            ),
            (
                r#"{"name": "c", "volumeMounts":
                    [{"name": "v", "mountPath": "/dev", "readOnly": true}]}"#,
                None,
                None,
            ),
            (
                r#"{"name": "c", "terminationMessagePath": "/etc/app/why", "volumeMounts":
                    [{"name": "files", "mountPath": "/etc/app"}]}"#,
                None,
                None,
            ),
            (
                r#"{"name": "c", "terminationMessagePath": "/data/why", "volumeMounts":
                    [{"name": "v", "mountPath": "/data"}]}"#,
                Some("/data/why"),
                Some("/data/why"),
            ),
        ];
        for (container, here, elsewhere) in table {
            assert_eq!(target(&near, container).as_deref(), here, "{container}");
            assert_eq!(target(&far, container).as_deref(), elsewhere, "{container}");
        }
    }

    #[test]
    fn who_names_no_place_does_without_a_file_that_the_engine_does_not_see() {
        let mount = Mount { source: Some("/state/volumes/p/f".to_owned()), ..Mount::default() };
        let unseen = "invalid mount config for type \"bind\": bind source path does not exist: \
                      /state/volumes/p/f";
        let table = [
            (r#"{"name": "c"}"#, unseen, true),
            (r#"{"name": "c", "terminationMessagePath": "/dev/termination-log"}"#, unseen, true),
            (r#"{"name": "c", "terminationMessagePath": "/m"}"#, unseen, false),
            (r#"{"name": "c"}"#, "invalid CPU count", false),
        ];
        for (container, refusal, expected) in table {
            let container: Container = serde_json::from_str(container).expect("a container");
            assert_eq!(is_dispensable(&container, &mount, refusal), expected, "{refusal}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_made_is_missed_by_who_names_its_place_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let occupied = dir.path().join("volumes");
        fs::write(&occupied, "no folder").expect("written");
        let fleet = FleetId::parse("f").expect("a fleet");
        let config = DockerConfig::new("unix:///d", fleet, dir.path().to_owned());
        assert_eq!(config.files, occupied);
        assert_eq!(target(&config, r#"{"name": "c"}"#), None);
        let container = r#"{"name": "c", "terminationMessagePath": "/m"}"#;
        let container: Container = serde_json::from_str(container).expect("a container");
        let pod = PodToRun::bare(samples::placement_of("p", "{}"), PodSpec::default());
        make(&config, &pod, &container).expect_err("it was asked for");
    }

    #[test]
    fn a_message_is_read_until_another_life_begins() {
        let dir = tempfile::tempdir().expect("a folder");
        let fleet = FleetId::parse("f").expect("a fleet");
        let config = DockerConfig::new("unix:///d", fleet, dir.path().to_owned());
        let uid = PodUid::parse("p").expect("a uid");
        assert_eq!(read(&config, &uid, "c").expect("there is none"), b"");
        begin(&config, &uid, "c").expect("nothing to empty");
        let file = path(&config, &uid, "c");
        write_empty(&file).expect("made");
        assert_eq!(fs::metadata(&file).expect("made").permissions().mode() & 0o777, MODE_FILE);
        fs::write(&file, "why").expect("written");
        assert_eq!(read(&config, &uid, "c").expect("read"), b"why");
        begin(&config, &uid, "c").expect("emptied");
        assert_eq!(read(&config, &uid, "c").expect("read"), b"");
    }
}
