//! The volumes of a pod that are files and folders of the machine, made where the engine can bind
//! them.
//!
//! Guarantee: a Secret's files are below the folder of secrets and nowhere else; all that is made
//! here goes with its pod. How files change is [`volume`]'s to say.
//! Absent: folders in memory, which the engine makes.

use std::io;
use std::path::{Path, PathBuf};

use setpoint_actuators::{FileToMount, PodToRun, volume};
use setpoint_schemas::{PodUid, Volume};

use crate::DockerConfig;

/// The folder of one volume of a pod.
pub(crate) fn folder(config: &DockerConfig, uid: &PodUid, volume: &Volume) -> PathBuf {
    let base = if volume.has_secrets() { &config.secrets } else { &config.files };
    base.join(&*uid.text()).join(&volume.name)
}

/// Makes all volumes of the pod that it has not yet; the files of each change at once.
pub(crate) fn write(config: &DockerConfig, pod: &PodToRun) -> io::Result<()> {
    pod.spec
        .volumes
        .iter()
        .try_for_each(|volume| make(config, pod, volume).map_err(|error| of_volume(volume, &error)))
}

/// Makes the files of those that the pod has what they are here; all of them, whichever fails.
pub(crate) fn refresh(config: &DockerConfig, pod: &PodToRun) -> io::Result<()> {
    let of_files = pod.spec.volumes.iter().filter(|volume| volume.has_files());
    let each = of_files.map(|volume| {
        let folder = folder(config, &pod.placement.uid, volume);
        volume::refresh(&folder, files(pod, volume), group(pod))
            .map_err(|error| of_volume(volume, &error))
    });
    each.fold(Ok(()), Result::and)
}

/// Takes away all that was made of a pod.
pub(crate) fn remove(config: &DockerConfig, uid: &PodUid) -> io::Result<()> {
    [&config.files, &config.secrets]
        .into_iter()
        .try_for_each(|base| volume::remove(&base.join(&*uid.text())))
}

/// Whether what was made for a container is gone, such as Secrets in memory after the machine began anew.
pub(crate) fn is_lost(config: &DockerConfig, source: &Path) -> bool {
    let is_ours = |base: &PathBuf| source.starts_with(base);
    [&config.files, &config.secrets].into_iter().any(is_ours) && !source.exists()
}

/// Whether what is mounted from there is still what it was when the container was made: where
/// containers write, one of them may have put a link meanwhile.
pub(crate) fn holds(config: &DockerConfig, source: &Path) -> bool {
    let of_files = |base: &PathBuf| {
        let below = source.strip_prefix(base).ok()?;
        // The pod's folder and the volume's; beneath are our own links, of files that change.
        let root = base.join(below.components().take(2).collect::<PathBuf>());
        Some((root.canonicalize().ok()?, source.canonicalize().ok()?))
    };
    let ours = [&config.files, &config.secrets].into_iter().find_map(of_files);
    match ours {
        Some((root, now)) => now.starts_with(root),
        None => !source.exists() || volume::within::holds(source),
    }
}

/// The group of the pod's volumes.
pub(crate) fn group(pod: &PodToRun) -> Option<u32> {
    pod.spec.security_context.as_ref()?.fs_group.and_then(|group| u32::try_from(group).ok())
}

/// The mode of a folder that begins empty, and its group's part.
pub(crate) fn mode(mode: Option<i32>) -> u32 {
    mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(volume::empty::MODE_DEFAULT)
}

fn make(config: &DockerConfig, pod: &PodToRun, volume: &Volume) -> io::Result<()> {
    let folder = folder(config, &pod.placement.uid, volume);
    if volume.has_files() {
        return volume::write(&folder, files(pod, volume), group(pod));
    }
    match &volume.host_path {
        Some(host) => {
            let kind = host.kind.as_deref().unwrap_or_default();
            volume::host::ready(Path::new(&host.path), kind).map(|_| ())
        }
        None if volume.in_memory().is_some() => Ok(()),
        // One of which nothing is said begins empty too.
        None => {
            let asked = volume.empty_dir.as_ref().and_then(|source| source.mode);
            volume::empty::make(&folder, mode(asked), group(pod))
        }
    }
}

fn files<'p>(pod: &'p PodToRun, volume: &Volume) -> &'p [FileToMount] {
    pod.volumes.get(&volume.name).map_or(&[][..], Vec::as_slice)
}

fn of_volume(volume: &Volume, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", volume.name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use setpoint_schemas::FleetId;

    use super::*;

    #[test]
    fn what_a_container_turned_into_a_link_is_not_mounted_again() {
        let root = tempfile::tempdir().expect("a folder");
        let top = root.path().canonicalize().expect("it is there");
        let fleet = FleetId::parse("f").expect("a fleet");
        let config = DockerConfig::new("unix:///d", fleet, top.join("state"));
        let (conf, cache) = (config.files.join("uid/conf"), config.files.join("uid/cache"));
        std::fs::create_dir_all(conf.join("..1")).expect("made");
        std::fs::write(conf.join("..1/key"), "x").expect("written");
        symlink("..1/key", conf.join("key")).expect("linked");
        for path in [cache.join("sub"), top.join("host/data")] {
            std::fs::create_dir_all(path).expect("made");
        }
        assert!(holds(&config, &conf.join("key")), "our own link stays in its volume");
        for path in [cache.join("sub"), top.join("host/data")] {
            assert!(holds(&config, &path), "{}", path.display());
            std::fs::remove_dir(&path).expect("removed");
            symlink("/etc", &path).expect("linked");
            assert!(!holds(&config, &path), "{}", path.display());
        }
        assert!(holds(&config, &top.join("gone")), "the engine says so itself");
    }
}
