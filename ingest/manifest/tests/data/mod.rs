//! Where the real inputs are.

use std::path::{Path, PathBuf};

/// The folder of the real inputs; says why when there is none.
pub(crate) fn root() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("SETPOINT_DATA").map_or(beside, PathBuf::from);
    match root.canonicalize() {
        Ok(root) if root.is_dir() => Some(root),
        _ => {
            assert!(
                std::env::var_os("SETPOINT_REQUIRE_REAL").is_none_or(|value| value != "1"),
                "the real inputs are absent: {}",
                root.display()
            );
            println!("SKIPPED: the real inputs are absent: {}", root.display());
            None
        }
    }
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
