//! How many files this process may have open, and how many of them may be connections.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Connections at once: a long poll and a report of each of ten thousand nodes, and as many watches.
const CONNECTIONS_MAX: usize = 32_768;
/// What is not for connections: 256 files each of the log and of the checkpoint, their write-ahead
/// logs, the runtimes' and a Kafka client's.
const FILES_KEPT: usize = 768;
/// What a system gives when it does not say.
const FILES_USUAL: usize = 1_024;

/// Raises the limit on open files as far as the system lets this process, as servers do, and says how
/// many connections that leaves: what the rest needs is kept, where the limit is low a half.
pub(crate) fn connections() -> usize {
    let files = raised().unwrap_or_else(|error| {
        warn!(%error, "the limit on open files is not known");
        FILES_USUAL
    });
    share_of(files)
}

fn raised() -> nix::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(usize::try_from(hard).unwrap_or(usize::MAX))
}

fn share_of(files: usize) -> usize {
    files.saturating_sub(FILES_KEPT).max(files / 2).min(CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        let shares = [256, 1_024, 4_096, 1 << 20].map(share_of);
        assert_eq!(shares, [128, 512, 3_328, CONNECTIONS_MAX]);
    }
}
