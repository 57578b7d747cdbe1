//! Where the real inputs are.

use std::path::{Path, PathBuf};

/// The folder of the real inputs; says why when there is none.
pub(crate) fn root() -> Option<PathBuf> {
    setpoint_test_support::data("")
}

/// Every file below a folder, in the order of their paths.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).expect("a folder of real inputs");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
