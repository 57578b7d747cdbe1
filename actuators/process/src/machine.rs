//! What this machine has, and its clock.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use setpoint_actuators::RuntimeInfo;
use setpoint_schemas::Resources;

/// Kubernetes' default for pods of a node.
const PODS_MAX: i64 = 110;

/// The machine, its kernel and what it has. What the kernel does not tell is 0.
pub(crate) fn describe(state: &Path) -> RuntimeInfo {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    RuntimeInfo {
        runtime: "process".into(),
        version: if kernel.is_empty() { "unknown".into() } else { kernel.trim().into() },
        id: identity(state).unwrap_or_default(),
        capacity: Resources {
            cpu_milli: cores().saturating_mul(1_000),
            memory_bytes: memory_bytes(),
            ephemeral_bytes: disk_bytes(state),
            pods: PODS_MAX,
            ..Resources::default()
        },
    }
}

/// The folder's own id, made when it is asked for first: who shares the folder shares the pods.
fn identity(state: &Path) -> io::Result<String> {
    let path = state.join("runtime-id");
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known,
    }
    // The hasher's keys are the standard library's own random numbers.
    let random = || RandomState::new().build_hasher().finish();
    let id = format!("{:016x}{:016x}", random(), random());
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(id.as_bytes())?;
    fs::rename(&fresh, &path)?;
    Ok(id)
}

/// The machine's clock, milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The size of a page of memory, in bytes.
pub(crate) fn page_bytes() -> i64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.unwrap_or(4_096)
}

fn cores() -> i64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    i64::try_from(cores).unwrap_or(i64::MAX)
}

fn memory_bytes() -> i64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = kib.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<i64>().ok());
    kib.unwrap_or(0).saturating_mul(1_024)
}

fn disk_bytes(state: &Path) -> i64 {
    let Ok(disk) = nix::sys::statvfs::statvfs(state) else { return 0 };
    let bytes = disk.blocks_available().saturating_mul(disk.fragment_size());
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_id_and_shares_it_with_nobody() {
        let (one, two) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        let id = |folder: &tempfile::TempDir| describe(folder.path()).id;
        let first = id(&one);
        assert_eq!((first.len(), id(&one)), (32, first.clone()));
        assert_ne!(id(&two), first);
    }
}
