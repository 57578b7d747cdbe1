//! Where manifests come from: files, folders, standard input, text.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::bounds::{FILES_MAX, FOLDERS_DEEP_MAX, SOURCE_BYTES_MAX};
use crate::problem::{Fault, FieldPath, Origin, Problem};

/// Where manifests come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, or a folder whose `.yaml`, `.yml` and `.json` files are meant.
    Path(PathBuf),
    /// Standard input, read once.
    Stdin,
    /// Text at hand, with the name under which problems mention it.
    Text {
        /// Named in problems.
        name: String,
        /// The text.
        text: String,
    },
}

/// How sources are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether folders are read with their subfolders.
    pub recursive: bool,
}

/// A source's text, with its name and, for a file, its path.
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) path: Option<PathBuf>,
    pub(crate) text: String,
}

/// The texts of a source, files of a folder in the order of their names.
pub(crate) fn texts(source: &Source, options: &ReadOptions) -> Result<Vec<Text>, Problem> {
    match source {
        Source::Text { name, text } => {
            bounded(name, text.len() as u64)?;
            Ok(vec![Text { name: name.clone(), path: None, text: text.clone() }])
        }
        Source::Stdin => {
            let text = decoded("-", bytes_of("-", std::io::stdin().lock())?)?;
            Ok(vec![Text { name: "-".to_owned(), path: None, text }])
        }
        Source::Path(path) if path.is_dir() => {
            let mut files = Vec::new();
            collect(path, options.recursive, 0, &mut files)?;
            files.iter().map(|file| file_text(file)).collect()
        }
        Source::Path(path) => Ok(vec![read_text(path)?]),
    }
}

/// The text of one file that a folder holds or another file names. Only a regular one: a pipe or a
/// device there would be waited for without end, and nobody meant it.
pub(crate) fn file_text(path: &Path) -> Result<Text, Problem> {
    let name = path.display().to_string();
    let found = std::fs::metadata(path).map_err(|error| unreadable(&name, &error.to_string()))?;
    if !found.is_file() && !found.is_dir() {
        return Err(unreadable(&name, "it is a pipe or a device, not a file"));
    }
    read_text(path)
}

/// The text of what the caller named, which may be a pipe.
fn read_text(path: &Path) -> Result<Text, Problem> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error.to_string()))?;
    let bytes = file.metadata().map_err(|error| unreadable(&name, &error.to_string()))?;
    if !bytes.is_file() && bytes.is_dir() {
        return Err(unreadable(&name, "it is a folder"));
    }
    bounded(&name, bytes.len())?;
    let text = decoded(&name, bytes_of(&name, file)?)?;
    Ok(Text { name, path: Some(path.to_owned()), text })
}

fn bytes_of(name: &str, reader: impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    reader
        .take(SOURCE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(name, &error.to_string()))?;
    bounded(name, bytes.len() as u64)?;
    Ok(bytes)
}

fn bounded(name: &str, bytes: u64) -> Result<(), Problem> {
    if bytes > SOURCE_BYTES_MAX {
        let reason = format!("it has more than {SOURCE_BYTES_MAX} bytes, the bound for one source");
        return Err(problem(name, Fault::TooLarge, &reason));
    }
    Ok(())
}

/// A byte order mark is taken off, as Kubernetes' own reader does.
fn decoded(name: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    let text = String::from_utf8(bytes)
        .map_err(|_| problem(name, Fault::Syntax, "it is not text in UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn collect(
    folder: &Path,
    recursive: bool,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), Problem> {
    let name = folder.display().to_string();
    if depth > FOLDERS_DEEP_MAX {
        let reason = format!("more than {FOLDERS_DEEP_MAX} folders within folders");
        return Err(problem(&name, Fault::TooLarge, &reason));
    }
    let broken = |error: std::io::Error| unreadable(&name, &error.to_string());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        paths.push(entry.map_err(broken)?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if recursive {
                collect(&path, recursive, depth + 1, files)?;
            }
        } else if is_manifest(&path) {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            let reason = format!("more than {FILES_MAX} files in one folder");
            return Err(problem(&name, Fault::TooLarge, &reason));
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn unreadable(name: &str, why: &str) -> Problem {
    problem(name, Fault::Unreadable, &format!("cannot be read: {why}"))
}

fn problem(name: &str, fault: Fault, reason: &str) -> Problem {
    let origin = Origin::whole(name);
    Problem::new(fault, FieldPath::root(), reason).at(&origin)
}
