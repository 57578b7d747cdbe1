//! The folders of claims, on whichever node of a house they are.

use std::fs;
use std::path::{Path, PathBuf};

/// What a claim's folder begins with.
const PREFIX: &str = "pvc-";

/// The folders of all claims below this one, in no order.
pub(crate) fn of_claims(below: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![below.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                found.push(path);
            } else if path.is_dir() && !path.is_symlink() {
                left.push(path);
            }
        }
    }
    found
}
