//! Paths of the machine that a pod is given: what must be there is looked for, what may be made is
//! made.
//!
//! Source: Kubernetes' `hostPath` and its types. Where no type is said, a folder is made of what is
//! absent, as runtimes do.
//! Absent: which paths someone may be given. Who may apply a pod may have every path of its node.

use std::fs::{DirBuilder, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The kubelet's mode of a folder that it makes.
const MODE_FOLDER: u32 = 0o755;
/// The kubelet's mode of a file that it makes.
const MODE_FILE: u32 = 0o644;

/// Makes sure that the path is what this type says, and answers where it lies, links followed.
///
/// # Errors
/// When it is something else, is not there and may not be made, or cannot be looked at.
pub fn ready(path: &Path, kind: &str) -> io::Result<PathBuf> {
    match (kind, path.metadata()) {
        (_, Ok(found)) => must_be(path, kind, &found)?,
        ("" | "DirectoryOrCreate", Err(error)) if is_absent(&error) => {
            DirBuilder::new().recursive(true).mode(MODE_FOLDER).create(path)?;
        }
        ("FileOrCreate", Err(error)) if is_absent(&error) => {
            OpenOptions::new().append(true).create(true).mode(MODE_FILE).open(path)?;
        }
        (_, Err(error)) if is_absent(&error) => return Err(not(path, kind)),
        (_, Err(error)) => return Err(error),
    }
    path.canonicalize()
}

fn must_be(path: &Path, kind: &str, found: &Metadata) -> io::Result<()> {
    let is = found.file_type();
    let fits = match kind {
        "DirectoryOrCreate" | "Directory" => is.is_dir(),
        "FileOrCreate" | "File" => is.is_file(),
        "Socket" => is.is_socket(),
        "CharDevice" => is.is_char_device(),
        "BlockDevice" => is.is_block_device(),
        _ => true,
    };
    if fits { Ok(()) } else { Err(not(path, kind)) }
}

/// In the kubelet's words.
fn not(path: &Path, kind: &str) -> io::Error {
    let what = match kind {
        "DirectoryOrCreate" | "Directory" => "directory",
        "FileOrCreate" | "File" => "file",
        "Socket" => "socket file",
        "CharDevice" => "character device",
        _ => "block device",
    };
    io::Error::other(format!("hostPath type check failed: {} is not a {what}", path.display()))
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_there_is_looked_for_and_what_may_be_made_is_made() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().canonicalize().expect("it is there").join(name);
        std::fs::write(at("file"), "x").expect("written");
        std::fs::create_dir(at("dir")).expect("made");
        std::os::unix::fs::symlink(at("dir"), at("link")).expect("made");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("bound");
        // (path, type, what comes of it: the path it is, or what it is not)
        let table = [
            ("file", "", Ok("file")),
            ("link", "Directory", Ok("dir")),
            ("dir", "DirectoryOrCreate", Ok("dir")),
            ("dir", "File", Err("not a file")),
            ("file", "FileOrCreate", Ok("file")),
            ("file", "Directory", Err("not a directory")),
            ("socket", "Socket", Ok("socket")),
            ("file", "Socket", Err("not a socket file")),
            ("file", "CharDevice", Err("not a character device")),
            ("absent", "BlockDevice", Err("not a block device")),
            ("absent", "Directory", Err("not a directory")),
            ("absent", "File", Err("not a file")),
            ("made/deep", "", Ok("made/deep")),
            ("more/deep", "DirectoryOrCreate", Ok("more/deep")),
            ("fresh", "FileOrCreate", Ok("fresh")),
            ("nowhere/fresh", "FileOrCreate", Err("No such file")),
        ];
        for (path, kind, expected) in table {
            match (ready(&at(path), kind), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, at(expected), "{path} {kind}"),
                (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
                (found, _) => panic!("{path} {kind}: {found:?}"),
            }
        }
        assert!(at("made/deep").is_dir() && at("fresh").is_file());
        assert!(ready(Path::new("/dev/null"), "CharDevice").is_ok());
    }
}
