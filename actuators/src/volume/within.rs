//! A path within a volume that containers write to, found without leaving the volume.
//!
//! A container may put a link where another one's path goes; whoever follows it would give away what
//! is the machine's. Guarantee: what is answered lies in the volume, and no part of it was a link
//! when it was looked at. [`holds`] looks again before a container is started once more.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Component, Path, PathBuf};

/// The bits of a mode that a made folder takes over.
const MODE_BITS: u32 = 0o7777;

/// Where the path lies in the volume at `root`, links followed; what is absent is made a folder
/// with the volume's own mode and group, as the kubelet does.
///
/// # Errors
/// When it would leave the volume, or the disk refuses.
pub fn find(root: &Path, path: &str) -> io::Result<PathBuf> {
    let root = root.canonicalize()?;
    let of = root.metadata()?;
    let mut found = root.clone();
    for part in Path::new(path).components() {
        let Component::Normal(part) = part else { return Err(leaves(path)) };
        let next = found.join(part);
        if fs::symlink_metadata(&next).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            make(&next, &of)?;
        }
        found = next.canonicalize()?;
        if !found.starts_with(&root) {
            return Err(leaves(path));
        }
    }
    Ok(found)
}

/// Whether the path still is the place that was found: no part of it has become a link.
#[must_use]
pub fn holds(found: &Path) -> bool {
    found.canonicalize().is_ok_and(|now| now == found)
}

fn make(folder: &Path, like: &Metadata) -> io::Result<()> {
    fs::create_dir(folder)?;
    // Without root it is the maker's group; then nobody asked for another one.
    let _ = chown(folder, None, Some(like.gid()));
    fs::set_permissions(folder, Permissions::from_mode(like.mode() & MODE_BITS))
}

fn leaves(path: &str) -> io::Error {
    io::Error::other(format!("{path:?} leaves the volume"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_is_found_or_made_and_never_leaves_its_volume() {
        let root = tempfile::tempdir().expect("a folder");
        let top = root.path().canonicalize().expect("it is there");
        let volume = top.join("v");
        fs::create_dir_all(volume.join("a/b")).expect("made");
        fs::set_permissions(&volume, Permissions::from_mode(0o777)).expect("set");
        fs::write(volume.join("a/file"), "x").expect("written");
        symlink("a/b", volume.join("inside")).expect("linked");
        symlink("../..", volume.join("a/outside")).expect("linked");
        symlink("/etc", volume.join("etc")).expect("linked");
        let table = [
            ("a/b", Some("a/b")),
            ("a/file", Some("a/file")),
            ("inside", Some("a/b")),
            ("inside/new/er", Some("a/b/new/er")),
            ("a/outside", None),
            ("a/outside/v/a", None),
            ("etc/passwd", None),
            ("../v", None),
            ("/etc", None),
        ];
        for (path, expected) in table {
            let found = find(&volume, path).ok();
            assert_eq!(found, expected.map(|path| volume.join(path)), "{path}");
        }
        let mode = fs::metadata(volume.join("a/b/new")).expect("made").mode();
        assert_eq!(mode & 0o7777, 0o777);
        assert!(!top.join("passwd").exists());
    }

    #[test]
    fn a_place_that_became_a_link_holds_no_more() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("a/b")).expect("made");
        let found = find(root.path(), "a/b").expect("there");
        assert!(holds(&found));
        fs::remove_dir_all(root.path().join("a")).expect("removed");
        symlink("/etc", root.path().join("a")).expect("linked");
        assert!(!holds(&found) && !holds(&root.path().join("a")));
    }
}
