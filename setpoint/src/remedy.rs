//! What to do about a role that did not start, by what kept it.

use std::io;

use setpoint_ingest::LogError;

/// What the chain of causes says, all words of a row, and what helps; the first row that fits.
const REMEDIES: &[(&[&str], &str)] = &[
    (
        &["failed to reach the Docker engine"],
        "start Docker, or name its socket with --docker-host; without Docker pods run as plain processes \
         with --runtime process",
    ),
    (
        &["failed to listen on", "in use"],
        "another program has this port, perhaps a setpoint that runs already (`setpoint status` tells); end \
         it, or choose another port, such as --listen 127.0.0.1:7000",
    ),
    (
        &["failed to listen on", "requested address"],
        "the address is none of this machine's; choose another, such as --listen 127.0.0.1:7000",
    ),
    (
        &["/lock"],
        "another setpoint uses this folder; end it, or choose another folder with --data-dir",
    ),
    (
        &["in use by another process"],
        "end the other setpoint, or choose another folder with --data-dir",
    ),
];

/// What helps where a folder cannot be made.
const FOLDER: &str = "choose a folder that you may write with --data-dir";

/// What to do; nothing where it is not known.
pub(crate) fn of(error: &anyhow::Error) -> Option<String> {
    let mut causes = error.chain();
    if let Some(remedy) = causes.find_map(|cause| cause.downcast_ref::<LogError>()?.remedy()) {
        return Some(remedy.to_owned());
    }
    let told = error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let lower = told.to_lowercase();
    let fits = |words: &&[&str]| words.iter().all(|word| lower.contains(&word.to_lowercase()));
    if let Some((_, remedy)) = REMEDIES.iter().find(|(words, _)| fits(words)) {
        return Some((*remedy).to_owned());
    }
    let is_folder =
        ["failed to make", "failed to open the log"].iter().any(|what| told.contains(what));
    let system = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    let is_refused = system.is_some_and(|system| {
        use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
        [NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem].contains(&system.kind())
    });
    // The log's and the checkpoint's own errors have the system's words only.
    let says = ["No such file", "Permission denied", "Not a directory", "Read-only file system"];
    let is_refused = is_refused || says.iter().any(|words| told.contains(words));
    (is_folder && is_refused).then(|| FOLDER.to_owned())
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn what_keeps_a_role_from_starting_has_its_remedy() {
        let failed = |what: &'static str, kind: io::ErrorKind, why: &'static str| {
            Err::<(), _>(io::Error::new(kind, why)).context(what).expect_err("it failed")
        };
        let other = io::ErrorKind::Other;
        for (error, begins) in [
            (
                failed("failed to reach the Docker engine at unix:///x", other, "Socket not found"),
                "start Docker",
            ),
            (
                failed(
                    "failed to listen on 127.0.0.1:6440",
                    io::ErrorKind::AddrInUse,
                    "Address already in use (os error 98)",
                ),
                "another program",
            ),
            (
                failed("failed to open the log in x/log", other, "While lock file: x/log/LOCK"),
                "another setpoint",
            ),
            (
                failed("failed to make /proc/nope/log", io::ErrorKind::NotFound, "No such file"),
                "choose a folder",
            ),
        ] {
            let told = of(&error).unwrap_or_default();
            assert!(told.starts_with(begins), "{error:#}: {told}");
        }
        assert_eq!(of(&failed("the agent stopped", other, "so it is")), None);
    }
}
