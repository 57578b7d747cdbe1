//! Processes and mounts under a folder, as `/proc` tells of them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const POLL: Duration = Duration::from_millis(20);

/// What an engine consists of, by the names that the kernel keeps (15 bytes).
const PARTS: &[&str] = &["dockerd", "containerd", "containerd-shim", "runc"];

/// The parts of the engine in this folder, which their command lines name: the daemon, its
/// containerd, the shims of its containers. A client that names its socket is none of them.
pub(super) fn naming(folder: &Path) -> Vec<i32> {
    parts(folder, PARTS)
}

/// Whether the containerd of the engine in this folder runs; one that ended and was not yet reaped
/// names nothing any more.
pub(super) fn containerd_runs(folder: &Path) -> bool {
    !parts(folder, &["containerd"]).is_empty()
}

fn parts(folder: &Path, names: &[&str]) -> Vec<i32> {
    let needle = format!("{}/", folder.display());
    let is_part = |pid: &i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        names.contains(&name.trim_end()) && String::from_utf8_lossy(&line).contains(&needle)
    };
    all().into_iter().filter(is_part).collect()
}

/// The children of these processes, and theirs.
pub(super) fn descendants(of: &[i32]) -> Vec<i32> {
    let parents: Vec<(i32, i32)> =
        all().into_iter().filter_map(|p| Some((p, parent(p)?))).collect();
    let mut found = of.to_vec();
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.split_off(of.len())
}

/// Sends the signal to each; one that is gone already is gone.
pub(super) fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        let _gone = kill(Pid::from_raw(*pid), signal);
    }
}

/// Waits until none of them runs, at most this long; whether none does.
pub(super) fn ended(pids: &[i32], within: Duration) -> bool {
    let begin = Instant::now();
    while pids.iter().any(|pid| runs(*pid)) {
        if begin.elapsed() > within {
            return false;
        }
        sleep(POLL);
    }
    true
}

/// Takes away every mount under the folder, the innermost first.
pub(super) fn unmount(folder: &Path) {
    let needle = format!("{}/", folder.display());
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let mut ours: Vec<&str> = points.filter(|point| point.starts_with(&needle)).collect();
    ours.sort_by_key(|point| std::cmp::Reverse(point.len()));
    for point in ours {
        let _unmounted_already = Command::new("umount").args(["-l", point]).output();
    }
}

fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// A zombie has ended; its parent has yet to take notice.
fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z"))
}

/// The fields of `/proc/PID/stat` after the name: state, parent, and on.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}
