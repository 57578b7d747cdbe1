//! How much of a disk a folder takes.
//!
//! Guarantee: no link is followed and no other file system entered, so that what a container puts into its
//! folder is counted and nothing else is; a file with several names counts once. It costs no more than its
//! bound.
//! Absent: what was deleted and is still open, and what lies too deep for a path to name it.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// So many files are looked at: a second or two of a disk's time. Who has more is counted as far as that.
const FILES_MAX: usize = 200_000;
/// What a block is by `stat(2)`, whatever the file system's own.
const BLOCK_BYTES: u64 = 512;

/// The bytes of a disk that a folder and all that lies in it take.
///
/// # Errors
/// When the folder itself cannot be looked at. What goes away meanwhile, and what may not be looked at, is
/// left out.
pub fn size(folder: &Path) -> io::Result<i64> {
    let top = fs::symlink_metadata(folder)?;
    let device = top.dev();
    let mut count = Count::default();
    count.add(&top);
    let mut left: Vec<PathBuf> = top.is_dir().then(|| folder.to_owned()).into_iter().collect();
    while let Some(next) = left.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries.flatten() {
            if count.files == FILES_MAX {
                return Ok(count.bytes());
            }
            let Ok(found) = entry.metadata() else { continue };
            if found.dev() != device {
                continue;
            }
            count.add(&found);
            if found.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(count.bytes())
}

#[derive(Default)]
struct Count {
    files: usize,
    blocks: u64,
    /// Files of several names that were counted.
    named_twice: HashSet<u64>,
}

impl Count {
    fn add(&mut self, found: &Metadata) {
        self.files += 1;
        let is_new = found.is_dir() || found.nlink() < 2 || self.named_twice.insert(found.ino());
        if is_new {
            self.blocks = self.blocks.saturating_add(found.blocks());
        }
    }

    fn bytes(&self) -> i64 {
        i64::try_from(self.blocks.saturating_mul(BLOCK_BYTES)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn all_that_lies_in_a_folder_counts_once_and_nothing_that_it_only_points_to() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("cache");
        fs::create_dir_all(folder.join("deep/er")).expect("made");
        let elsewhere = root.path().join("large");
        fs::write(&elsewhere, vec![1; 1 << 20]).expect("written");
        let empty = size(&folder).expect("it is there");
        fs::write(folder.join("deep/er/file"), vec![1; 256 << 10]).expect("written");
        fs::hard_link(folder.join("deep/er/file"), folder.join("again")).expect("linked");
        symlink(&elsewhere, folder.join("link")).expect("linked");
        symlink(root.path(), folder.join("deep/up")).expect("linked");
        let grown = size(&folder).expect("it is there") - empty;
        assert!((256 << 10..320 << 10).contains(&grown), "{grown}");
        assert!(size(&root.path().join("gone")).is_err());
    }
}
