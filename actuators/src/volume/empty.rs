//! Folders that begin empty and last as long as their pod.
//!
//! Guarantee: what containers put there, and how they changed its mode, stays while the pod does,
//! however often the pod is started; a crash at any point leaves no folder with another mode.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

/// Who may do what in a folder of which nothing is said. Source: the kubelet's `emptyDir`.
pub const MODE_DEFAULT: u32 = 0o777;
/// What a group of its own may do there, and that what is made inside is its own too. Source: the
/// kubelet's `SetVolumeOwnership`.
const MODE_OF_GROUP: u32 = 0o2070;
/// The owner alone, above.
const MODE_PRIVATE: u32 = 0o700;
/// A folder on its way to its place; no volume's name begins so.
const DRAFT: &str = "..draft-";

/// Makes the folder, unless it is there.
///
/// # Errors
/// When the disk refuses; who is not root gives to no other group.
pub fn make(folder: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let above = folder.parent().ok_or_else(|| io::Error::other("a volume has a folder above"))?;
    DirBuilder::new().recursive(true).mode(MODE_PRIVATE).create(above)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let draft = above.join(format!("{DRAFT}{name}"));
    if draft.exists() {
        fs::remove_dir(&draft)?;
    }
    fs::create_dir(&draft)?;
    group.map_or(Ok(()), |group| chown(&draft, None, Some(group)))?;
    fs::set_permissions(&draft, Permissions::from_mode(mode_of(mode, group)))?;
    fs::rename(&draft, folder)
}

/// The mode of a folder that has a group of its own, or none.
#[must_use]
pub fn mode_of(mode: u32, group: Option<u32>) -> u32 {
    group.map_or(mode, |_| mode | MODE_OF_GROUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
    }

    #[test]
    fn a_folder_is_open_to_all_below_a_private_one_and_keeps_what_it_became() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("uid/cache");
        fs::create_dir_all(root.path().join("uid/..draft-cache")).expect("a crash in the middle");
        make(&folder, MODE_DEFAULT, None).expect("made");
        assert_eq!(mode(&folder), 0o777);
        fs::write(folder.join("x"), "kept").expect("written");
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("changed");
        make(&folder, MODE_DEFAULT, None).expect("nothing to do");
        assert_eq!((mode(&folder), folder.join("x").exists()), (0o700, true));
        make(&root.path().join("new/a"), 0o750, None).expect("made");
        let found = [mode(&root.path().join("new/a")), mode(&root.path().join("new"))];
        assert_eq!(found, [0o750, 0o700]);
    }

    #[test]
    fn a_group_may_write_and_what_is_made_is_its_own() {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir().expect("a folder");
        let group = fs::metadata(root.path()).expect("it is there").gid();
        let folder = root.path().join("a");
        make(&folder, 0o700, Some(group)).expect("made");
        assert_eq!(mode(&folder), 0o2770);
    }
}
