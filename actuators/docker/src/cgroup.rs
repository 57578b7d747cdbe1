//! What a container has used, from the kernel's own files: the engine reads the same, only slower.
//!
//! Knows cgroup v1 and v2, as systemd or the engine itself name them. Absent: anything that is not
//! there to read (an engine on another machine, a parent of the operator's own choice, an agent in
//! a container); the engine is asked then. Ids are unique, so nothing can be mistaken.
//! Source: the kernel's admin-guide, cgroup-v1/cpuacct, cgroup-v1/memory and cgroup-v2.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows its groups.
pub(crate) const ROOT: &str = "/sys/fs/cgroup";

/// A container's group below the root of its hierarchy: Docker under systemd and by itself, Podman
/// the same. `{}` stands for the id.
const GROUPS: &[&str] = &[
    "system.slice/docker-{}.scope",
    "docker/{}",
    "machine.slice/libpod-{}.scope",
    "libpod_parent/libpod-{}",
];
const NANOS_PER_MICRO: i64 = 1_000;

/// Processor time in nanoseconds and memory in bytes without page cache, of the container with this
/// id; `None` when there is nothing to read.
pub(crate) fn usage(root: &Path, id: &str) -> Option<(i64, i64)> {
    v2(root, id).or_else(|| v1(root, id))
}

/// One hierarchy of all controllers.
fn v2(root: &Path, id: &str) -> Option<(i64, i64)> {
    let group = group(root, id, "memory.current")?;
    let cpu_micros = field(&group.join("cpu.stat"), "usage_usec")?;
    let cache = field(&group.join("memory.stat"), "inactive_file").unwrap_or(0);
    let memory = number(&group.join("memory.current"))?;
    Some((cpu_micros.saturating_mul(NANOS_PER_MICRO), memory.saturating_sub(cache)))
}

/// A hierarchy a controller.
fn v1(root: &Path, id: &str) -> Option<(i64, i64)> {
    let cpu = group(&root.join("cpuacct"), id, "cpuacct.usage")?;
    let group = group(&root.join("memory"), id, "memory.usage_in_bytes")?;
    let cache = field(&group.join("memory.stat"), "total_inactive_file").unwrap_or(0);
    let memory = number(&group.join("memory.usage_in_bytes"))?;
    Some((number(&cpu.join("cpuacct.usage"))?, memory.saturating_sub(cache)))
}

/// The container's group, which has this file.
fn group(root: &Path, id: &str, file: &str) -> Option<PathBuf> {
    let folders = GROUPS.iter().map(|pattern| root.join(pattern.replace("{}", id)));
    folders.into_iter().find(|folder| folder.join(file).is_file())
}

fn number(path: &Path) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number behind a name, one a line.
fn field(path: &Path, name: &str) -> Option<i64> {
    let text = fs::read_to_string(path).ok()?;
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of files, each with its content.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("made");
            fs::write(path, content).expect("written");
        }
        root
    }

    #[test]
    fn one_hierarchy_tells_microseconds_and_bytes() {
        let files = [
            ("system.slice/docker-abc.scope/cpu.stat", "usage_usec 1500\nuser_usec 1000\n"),
            ("system.slice/docker-abc.scope/memory.current", "4096\n"),
            ("system.slice/docker-abc.scope/memory.stat", "anon 1\ninactive_file 96\n"),
        ];
        let root = tree(&files);
        assert_eq!(usage(root.path(), "abc"), Some((1_500_000, 4_000)));
        assert_eq!(usage(root.path(), "ab"), None, "another container");
    }

    #[test]
    fn a_hierarchy_a_controller_tells_nanoseconds_and_bytes() {
        let files = [
            ("cpuacct/docker/abc/cpuacct.usage", "123456789\n"),
            ("memory/docker/abc/memory.usage_in_bytes", "4096\n"),
            ("memory/docker/abc/memory.stat", "inactive_file 1\ntotal_inactive_file 96\n"),
        ];
        assert_eq!(usage(tree(&files).path(), "abc"), Some((123_456_789, 4_000)));
    }

    #[test]
    fn what_does_not_read_is_left_to_the_engine() {
        let half = [("docker/abc/memory.current", "4096\n")];
        let wrong =
            [("docker/abc/memory.current", "max\n"), ("docker/abc/cpu.stat", "usage_usec 1\n")];
        for files in [&half[..], &wrong[..], &[]] {
            assert_eq!(usage(tree(files).path(), "abc"), None, "{files:?}");
        }
    }
}
