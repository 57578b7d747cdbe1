//! The files of a ConfigMap or Secret in a folder, changed all at once.
//!
//! ```text
//! <folder>/key            a link to ..data/key
//!         /..data         a link to the version that counts
//!         /..1/key        that version
//! ```
//! Guarantee: who reads through the links sees one version or the next, never a mixture, and never a
//! half-written file; a crash at any point leaves the former version, and the next write tidies up.
//! The layout is that of Kubernetes' `AtomicWriter`, so programs that watch `..data` work here too.
//! Absent: a file that is mounted by itself (`subPath`); it keeps what it had, as in Kubernetes.
//!
//! Beside it stand the volumes that are not made of files: [`empty`] folders, paths of the [`host`],
//! and what lies [`within`] one; and how much of the disk one takes ([`size`]).

pub mod empty;
pub mod host;
pub mod within;
pub mod size;
mod mounted;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Component, Path};
use std::sync::{Mutex, PoisonError};

use crate::FileToMount;

/// The link to the version that counts.
const DATA: &str = "..data";
/// A link on its way to its place.
const DRAFT: &str = "..draft";
/// What begins so is ours: Kubernetes allows no such key either.
const OURS: &str = "..";
/// The owner alone: containers reach the files by a mount, or run as the owner.
const MODE_PRIVATE: u32 = 0o700;
/// Inside, every user of the container may look for files.
const MODE_FOLDER: u32 = 0o755;
/// The same for a group of its own, which what is made inside has too. Source: the kubelet's
/// `SetVolumeOwnership` for volumes that are read only.
const MODE_FOLDER_OF_GROUP: u32 = 0o2755;
/// By what a group reads the files that are its own.
const MODE_GROUP_READS: u32 = 0o440;
/// Only permission bits; neither setuid nor the like comes from a manifest.
const MODE_BITS: u32 = 0o777;

/// One writer at a time: versions are numbered.
static WRITING: Mutex<()> = Mutex::new(());

/// Makes the folder hold exactly these files, which are also this group's to read. The folders above
/// it are the owner's alone.
///
/// # Errors
/// When a path leaves the folder, or the disk refuses; who is not root gives to no other group.
pub fn write(folder: &Path, files: &[FileToMount], group: Option<u32>) -> io::Result<()> {
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(parent) = folder.parent() {
        DirBuilder::new().recursive(true).mode(MODE_PRIVATE).create(parent)?;
    }
    if !folder.exists() {
        make_folder(folder, group)?;
    }
    change(folder, files, group)
}

/// The same where the folder is; nothing where it is not: its pod has been stopped.
///
/// # Errors
/// As [`write`].
pub fn refresh(folder: &Path, files: &[FileToMount], group: Option<u32>) -> io::Result<()> {
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    if folder.exists() { change(folder, files, group) } else { Ok(()) }
}

/// Takes away a folder with all below it; not while it is written, and nothing of what somebody has
/// mounted there.
///
/// # Errors
/// When something is mounted there, or the disk refuses; that it is not there is none.
pub fn remove(folder: &Path) -> io::Result<()> {
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    mounted::none_below(folder)?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn change(folder: &Path, files: &[FileToMount], group: Option<u32>) -> io::Result<()> {
    if let Some(file) = files.iter().find(|file| !is_plain(&file.path)) {
        return Err(io::Error::other(format!("{:?} leaves the volume", file.path)));
    }
    let links: BTreeSet<&str> =
        files.iter().filter_map(|file| file.path.split('/').next()).collect();
    if !holds(&folder.join(DATA), files, group) {
        let version = next_version(folder)?;
        let inside = folder.join(&version);
        let made = make_folder(&inside, group)
            .and_then(|()| files.iter().try_for_each(|file| write_file(&inside, file, group)));
        if made.is_err() {
            // Each attempt would leave another one behind, in memory where it is of Secrets.
            let _ = fs::remove_dir_all(&inside);
        }
        made?;
        link(folder, DATA, &version)?;
    }
    for name in &links {
        link(folder, name, &format!("{DATA}/{name}"))?;
    }
    tidy(folder, &links)
}

/// Whether the version that counts has these contents and modes. What it has beside them is found by
/// its links.
fn holds(data: &Path, files: &[FileToMount], group: Option<u32>) -> bool {
    let same = |file: &FileToMount| {
        let path = data.join(&file.path);
        let mode = fs::metadata(&path).map(|of| of.permissions().mode() & MODE_BITS).ok();
        mode == Some(mode_of(file, group)) && fs::read(&path).is_ok_and(|is| is == file.bytes)
    };
    data.exists() && files.iter().all(same) && count(data) == files.len()
}

/// How many files lie below.
fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}

/// A number that no version has, nor a half one.
fn next_version(folder: &Path) -> io::Result<String> {
    let mut last = 0_u64;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(OURS)?.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(format!("{OURS}{}", last + 1))
}

/// The bits that were asked for, and those by which its group reads it.
fn mode_of(file: &FileToMount, group: Option<u32>) -> u32 {
    let mode = file.mode & MODE_BITS;
    group.map_or(mode, |_| mode | MODE_GROUP_READS)
}

fn write_file(root: &Path, file: &FileToMount, group: Option<u32>) -> io::Result<()> {
    let path = root.join(&file.path);
    let mut above: Vec<&Path> = path.ancestors().skip(1).take_while(|p| *p != root).collect();
    above.reverse();
    let mut absent = above.into_iter().filter(|folder| !folder.exists());
    absent.try_for_each(|folder| make_folder(folder, group))?;
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    out.write_all(&file.bytes)?;
    give(&path, group)?;
    out.set_permissions(Permissions::from_mode(mode_of(file, group)))
}

/// The process's umask must not decide.
fn make_folder(path: &Path, group: Option<u32>) -> io::Result<()> {
    fs::create_dir(path)?;
    give(path, group)?;
    let mode = group.map_or(MODE_FOLDER, |_| MODE_FOLDER_OF_GROUP);
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Before the mode is set: what changes hands loses bits.
fn give(path: &Path, group: Option<u32>) -> io::Result<()> {
    group.map_or(Ok(()), |group| chown(path, None, Some(group)))
}

/// Makes this name a link to there, at once.
fn link(folder: &Path, name: &str, to: &str) -> io::Result<()> {
    let (path, draft) = (folder.join(name), folder.join(DRAFT));
    if fs::read_link(&path).is_ok_and(|is| is == Path::new(to)) {
        return Ok(());
    }
    // An earlier version of this program put folders where links are now.
    if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
        fs::remove_dir_all(&path)?;
    }
    if fs::symlink_metadata(&draft).is_ok() {
        fs::remove_file(&draft)?;
    }
    symlink(to, &draft)?;
    fs::rename(&draft, &path)
}

/// Takes away links to keys that are gone, and versions that no longer count.
fn tidy(folder: &Path, links: &BTreeSet<&str>) -> io::Result<()> {
    let current = fs::read_link(folder.join(DATA))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_kept = name == DATA
            || name == current.as_os_str()
            || name.to_str().is_some_and(|name| links.contains(name));
        match entry.file_type()?.is_dir() {
            _ if is_kept => {}
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Whether the path stays in the folder and clear of what is ours.
fn is_plain(path: &str) -> bool {
    let parts = Path::new(path).components();
    let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
    !path.is_empty() && !path.starts_with(OURS) && parts.into_iter().all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str, mode: u32) -> FileToMount {
        FileToMount { path: path.to_owned(), bytes: text.as_bytes().to_vec(), mode }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it is there").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_appear_with_their_modes_below_a_private_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let volume = root.path().join("uid").join("settings");
        write(&volume, &[file("a.conf", "x", 0o640), file("deep/er/b", "y", 0o4400)], None)
            .expect("done");
        let table = [
            ("uid", 0o700),
            ("uid/settings", 0o755),
            ("uid/settings/a.conf", 0o640),
            ("uid/settings/deep/er", 0o755),
            ("uid/settings/deep/er/b", 0o400),
        ];
        for (path, expected) in table {
            let mode = fs::metadata(root.path().join(path)).expect(path).permissions().mode();
            assert_eq!(mode & 0o7777, expected, "{path}");
        }
    }

    #[test]
    fn a_change_swaps_all_files_at_once_and_leaves_nothing_of_the_former() {
        let root = tempfile::tempdir().expect("a folder");
        let volume = root.path().join("v");
        write(&volume, &[file("a", "1", 0o644), file("b", "1", 0o644)], None).expect("written");
        assert_eq!(names(&volume), ["..1", "..data", "a", "b"]);
        write(&volume, &[file("a", "1", 0o644), file("b", "1", 0o644)], None)
            .expect("nothing to do");
        assert_eq!(names(&volume), ["..1", "..data", "a", "b"]);
        for (files, expected) in [
            (vec![file("a", "2", 0o644), file("c/d", "2", 0o644)], vec!["..2", "..data", "a", "c"]),
            (vec![file("a", "2", 0o600)], vec!["..3", "..data", "a"]),
            (vec![], vec!["..4", "..data"]),
        ] {
            refresh(&volume, &files, None).expect("written");
            assert_eq!(names(&volume), expected);
            for file in files {
                assert_eq!(fs::read(volume.join(&file.path)).expect("it is there"), file.bytes);
            }
        }
    }

    #[test]
    fn a_crash_in_the_middle_and_an_earlier_layout_are_tidied_up() {
        let root = tempfile::tempdir().expect("a folder");
        let volume = root.path().join("v");
        fs::create_dir_all(volume.join("..7/half")).expect("a crash in the middle");
        fs::create_dir_all(volume.join("deep")).expect("an earlier layout");
        fs::write(volume.join("a"), "old").expect("an earlier layout");
        write(&volume, &[file("a", "new", 0o644), file("deep/b", "x", 0o644)], None)
            .expect("written");
        assert_eq!(names(&volume), ["..8", "..data", "a", "deep"]);
        assert_eq!(fs::read(volume.join("a")).expect("it is there"), b"new");
    }

    #[test]
    fn a_stopped_pods_folder_does_not_come_back_and_no_path_leaves_it() {
        let root = tempfile::tempdir().expect("a folder");
        refresh(&root.path().join("gone"), &[file("a", "x", 0o644)], None).expect("nothing to do");
        assert_eq!(names(root.path()), Vec::<String>::new());
        for path in ["../x", "/etc/x", "a/../../x", "", "..data", "..1/x"] {
            let written = write(&root.path().join("v"), &[file(path, "x", 0o644)], None);
            assert!(written.is_err(), "{path}");
        }
    }

    #[test]
    fn a_version_that_cannot_be_written_leaves_nothing_behind() {
        let root = tempfile::tempdir().expect("a folder");
        let volume = root.path().join("v");
        write(&volume, &[file("a", "1", 0o644)], None).expect("written");
        let impossible = [file("a", "2", 0o644), file("a/b", "2", 0o644)];
        for _ in 0..3 {
            assert!(refresh(&volume, &impossible, None).is_err());
            assert_eq!(names(&volume), ["..1", "..data", "a"]);
        }
    }

    /// The group is the process's own: it may be given without being root.
    #[test]
    fn a_group_may_read_what_is_its_own_and_what_stays_the_same_is_not_written_again() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().expect("a folder");
        let group = fs::metadata(root.path()).expect("it is there").gid();
        let volume = root.path().join("v");
        let files = [file("a", "x", 0o600), file("deep/b", "y", 0o644)];
        write(&volume, &files, Some(group)).expect("written");
        for (path, expected) in [("", 0o2755), ("deep", 0o2755), ("a", 0o640), ("deep/b", 0o644)] {
            let of = fs::metadata(volume.join(path)).expect(path);
            assert_eq!((of.mode() & 0o7777, of.gid()), (expected, group), "{path}");
        }
        refresh(&volume, &files, Some(group)).expect("nothing to do");
        assert_eq!(names(&volume), ["..1", "..data", "a", "deep"]);
    }
}
