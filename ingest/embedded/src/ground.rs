//! The files under an open log: whether its folder still holds the ones that were opened.
//!
//! Who deletes or replaces the folder of a running log leaves it writing into files without a
//! name, which are gone when it ends.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that stay the same as long as a log is open: its lock, and its name for itself.
const FILES: [&str; 2] = ["LOCK", "IDENTITY"];

/// A file's device and number on it: what a name means.
type Identity = (u64, u64);

/// What lay there when the log was opened.
pub(crate) struct Ground {
    path: PathBuf,
    files: Vec<(&'static str, Identity)>,
}

impl Ground {
    /// As the folder is now, with the log open.
    pub(crate) fn of(path: &Path) -> Ground {
        let found = |name| identity(&path.join(name)).map(|identity| (name, identity));
        Ground { path: path.to_owned(), files: FILES.into_iter().filter_map(found).collect() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is no longer as it was; `None` when all is. Costs two look-ups of a name, a thousandth
    /// of a sync.
    pub(crate) fn lost(&self) -> Option<String> {
        self.files.iter().find_map(|(name, was)| match identity(&self.path.join(name)) {
            None => Some(format!("{name} is gone")),
            Some(is) if is != *was => Some(format!("{name} is another file than was opened")),
            Some(_) => None,
        })
    }
}

fn identity(path: &Path) -> Option<Identity> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
