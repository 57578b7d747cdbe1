//! A path within a volume that containers write to, found without leaving the volume.
//!
//! A container may put a link where another one's path goes; whoever follows it would give away what
//! is the machine's. Guarantee: what is answered lies in the volume, and no part of it was a link
//! when it was looked at. [`holds`] looks again before a container is started once more.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, mkdirat};

/// The bits of a mode that a made folder takes over.
const MODE_BITS: u32 = 0o7777;

/// Where the path lies in the volume at `root`, links followed; what is absent is made a folder
/// with the volume's own mode and group, as the kubelet does. It is walked by descriptors, which
/// nobody turns into something else meanwhile.
///
/// # Errors
/// When it would leave the volume, or the disk refuses.
pub fn find(root: &Path, path: &str) -> io::Result<PathBuf> {
    // Also what cannot be read, such as a socket of the machine.
    let root = open(root, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    let root = File::from(root);
    let of = root.metadata()?;
    let mut walked = PathBuf::new();
    let mut found = OwnedFd::from(root.try_clone()?);
    for part in Path::new(path).components() {
        let part = match part {
            Component::Normal(part) => part,
            Component::CurDir => continue,
            _ => return Err(leaves()),
        };
        walked.push(part);
        found = match beneath(&root, &walked) {
            Err(Errno::ENOENT) => make(&found, Path::new(part), &of)?,
            Err(Errno::EXDEV | Errno::ELOOP) => return Err(leaves()),
            other => other?,
        };
    }
    fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

/// What lies there, by a way that does not leave the volume. Source: openat2(2), Linux 5.6.
fn beneath(root: &File, path: &Path) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root, path, how)
}

/// Whether the path still is the place that was found: no part of it has become a link.
#[must_use]
pub fn holds(found: &Path) -> bool {
    found.canonicalize().is_ok_and(|now| now == found)
}

fn make(above: impl AsFd, name: &Path, like: &Metadata) -> io::Result<OwnedFd> {
    mkdirat(&above, name, Mode::S_IRWXU)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = File::from(openat(&above, name, flags, Mode::empty())?);
    // Without root it is the maker's group; then nobody asked for another one.
    let _ = fchown(&made, None, Some(like.gid()));
    made.set_permissions(Permissions::from_mode(like.mode() & MODE_BITS))?;
    Ok(made.into())
}

/// Without the path: a variable of it may be a Secret's.
fn leaves() -> io::Error {
    io::Error::other("the path leaves the volume")
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
            ("", Some("")),
            ("a/b", Some("a/b")),
            ("./a/./b", Some("a/b")),
            ("a/file", Some("a/file")),
            ("a/file/x", None),
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
