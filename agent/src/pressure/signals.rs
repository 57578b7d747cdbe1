//! How much is left, by the kernel's own account.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;

/// What is left, of all that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) available: i64,
    pub(crate) all: i64,
}

/// Memory that a program could have without others being paged out, in bytes.
pub(crate) fn memory() -> Option<Left> {
    of_meminfo(&fs::read_to_string("/proc/meminfo").ok()?)
}

/// Processes and threads that may still be started.
pub(crate) fn pids() -> Option<Left> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<i64>().ok();
    let all = number("/proc/sys/kernel/pid_max")?.min(number("/proc/sys/kernel/threads-max")?);
    of_loadavg(&fs::read_to_string("/proc/loadavg").ok()?, all)
}

/// Bytes and files of the disk of a folder; of files nothing where the file system does not count them.
pub(crate) fn disk(folder: &Path) -> Option<(Left, Option<Left>)> {
    let disk = statvfs(folder).ok()?;
    // File systems keep some blocks for root.
    let free = if geteuid().is_root() { disk.blocks_free() } else { disk.blocks_available() };
    let bytes = |blocks: u64| {
        i64::try_from(blocks.saturating_mul(disk.fragment_size())).unwrap_or(i64::MAX)
    };
    let count = |files: u64| i64::try_from(files).unwrap_or(i64::MAX);
    let files = Left { available: count(disk.files_free()), all: count(disk.files()) };
    let bytes = Left { available: bytes(free), all: bytes(disk.blocks()) };
    Some((bytes, (files.all > 0).then_some(files)))
}

fn of_meminfo(text: &str) -> Option<Left> {
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let number = line.trim_start_matches(':').split_whitespace().next()?;
        number.parse::<i64>().ok()?.checked_mul(1 << 10)
    };
    Some(Left { available: kib("MemAvailable")?, all: kib("MemTotal")? })
}

/// The fourth field tells how many run, and how many there are.
fn of_loadavg(text: &str, all: i64) -> Option<Left> {
    let (_, there) = text.split_whitespace().nth(3)?.split_once('/')?;
    let there: i64 = there.parse().ok()?;
    Some(Left { available: (all - there).max(0), all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_and_what_is_not_there_is_not_claimed() {
        let text = "MemTotal:       24684384 kB\nMemFree:  1 kB\nMemAvailable:   14801920 kB\n";
        let left = Left { available: 14_801_920 << 10, all: 24_684_384 << 10 };
        assert_eq!(of_meminfo(text), Some(left));
        assert_eq!(of_meminfo("MemTotal: 1 kB\n"), None, "an old kernel");
        assert_eq!(
            of_loadavg("0.20 0.18 0.12 1/80 11206", 100),
            Some(Left { available: 20, all: 100 })
        );
        assert_eq!(of_loadavg("", 100), None);
        assert!(memory().is_some_and(|left| left.available > 0 && left.available <= left.all));
        assert!(pids().is_some_and(|left| left.available <= left.all));
        assert!(disk(&std::env::temp_dir()).is_some_and(|(bytes, _)| bytes.all > 0));
        assert!(disk(Path::new("/not/there")).is_none());
    }
}
