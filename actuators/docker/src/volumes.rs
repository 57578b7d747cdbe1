//! The files of ConfigMaps and Secrets, written where the engine can bind them.
//!
//! Guarantee: a volume appears whole or not at all, with the modes asked for; a Secret's files are
//! below the folder of secrets and nowhere else; the folders above them are the owner's alone.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use setpoint_actuators::{FileToMount, PodToRun};
use setpoint_schemas::{PodUid, Volume};

use crate::DockerConfig;

/// The owner alone: what is below is reached through the mount, not through this path.
const MODE_PRIVATE: u32 = 0o700;
/// Inside the mount every user of the container may look for files.
const MODE_FOLDER: u32 = 0o755;
const MODE_BITS: u32 = 0o7777;

/// The folder of one volume of a pod.
pub(crate) fn folder(config: &DockerConfig, uid: &PodUid, volume: &Volume) -> PathBuf {
    let base = if volume.secret.is_some() { &config.secrets } else { &config.files };
    base.join(uid.as_str()).join(&volume.name)
}

/// Writes all volumes of the pod. One that is there already stays as it is.
pub(crate) fn write(config: &DockerConfig, pod: &PodToRun) -> io::Result<()> {
    for volume in &pod.spec.volumes {
        let files = pod.volumes.get(&volume.name).map_or(&[][..], Vec::as_slice);
        write_volume(&folder(config, &pod.placement.uid, volume), files)?;
    }
    Ok(())
}

/// Takes away all files of a pod.
pub(crate) fn remove(config: &DockerConfig, uid: &PodUid) -> io::Result<()> {
    for base in [&config.files, &config.secrets] {
        match fs::remove_dir_all(base.join(uid.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Written beside its place and renamed: a crash in between leaves no half volume.
fn write_volume(folder: &Path, files: &[FileToMount]) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let parent = folder.parent().ok_or_else(|| io::Error::other("a volume has a parent"))?;
    fs::DirBuilder::new().recursive(true).mode(MODE_PRIVATE).create(parent)?;
    let draft = parent.join(".draft");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    make_folder(&draft)?;
    for file in files {
        write_file(&draft, file)?;
    }
    fs::rename(&draft, folder)
}

fn write_file(root: &Path, file: &FileToMount) -> io::Result<()> {
    let path = root.join(&file.path);
    let mut folders: Vec<&Path> = path.ancestors().skip(1).take_while(|p| *p != root).collect();
    folders.reverse();
    for folder in folders {
        if !folder.exists() {
            make_folder(folder)?;
        }
    }
    let mut open =
        fs::OpenOptions::new().write(true).create_new(true).mode(MODE_PRIVATE).open(&path)?;
    io::Write::write_all(&mut open, &file.bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(file.mode & MODE_BITS))
}

/// The process's umask must not decide.
fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE_FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32) -> FileToMount {
        FileToMount { path: path.to_owned(), bytes: path.as_bytes().to_vec(), mode }
    }

    #[test]
    fn files_appear_with_their_modes_below_a_private_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let volume = root.path().join("uid").join("settings");
        write_volume(&volume, &[file("a.conf", 0o640), file("deep/er/b", 0o400)]).expect("written");
        let mode = |path: &str| {
            let of = fs::metadata(root.path().join(path)).expect(path);
            of.permissions().mode() & MODE_BITS
        };
        let table = [
            ("uid", 0o700),
            ("uid/settings", 0o755),
            ("uid/settings/a.conf", 0o640),
            ("uid/settings/deep/er", 0o755),
            ("uid/settings/deep/er/b", 0o400),
        ];
        for (path, expected) in table {
            assert_eq!(mode(path), expected, "{path}");
        }
    }

    #[test]
    fn a_volume_that_is_there_stays_and_a_half_one_is_made_anew() {
        let root = tempfile::tempdir().expect("a folder");
        let (volume, draft) = (root.path().join("v"), root.path().join(".draft"));
        fs::create_dir(&draft).expect("a crash in the middle");
        fs::write(draft.join("half"), "x").expect("a half file");
        write_volume(&volume, &[file("one", 0o644)]).expect("written");
        write_volume(&volume, &[file("two", 0o644)]).expect("nothing to do");
        let names: Vec<_> = fs::read_dir(&volume).expect("it is there").flatten().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(names[0].file_name(), "one");
    }
}
