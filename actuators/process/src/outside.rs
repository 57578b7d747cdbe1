//! The processes of a folder as anyone on the machine sees them, by `/proc` alone.
//!
//! Guarantee: nothing that an actuator says is believed here; so who looks this way can hold it to
//! account.
//! Absent: processes of other users, whose environment and folder are not shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nix::sys::signal::{self, Signal};
use nix::unistd::{Pid, getpid};

use crate::procfs;

/// The processes that name the folder by argument, working directory or environment, and their
/// descendants; never this one.
#[must_use]
pub fn all(folder: &Path) -> BTreeSet<i32> {
    let running = running();
    let named = running.keys().copied().filter(|pid| names(*pid, folder));
    let mut ours: BTreeSet<i32> = named.collect();
    loop {
        let is_more = |(pid, parent): &(&i32, &i32)| ours.contains(parent) && !ours.contains(pid);
        let more: Vec<i32> = running.iter().filter(is_more).map(|(pid, _)| *pid).collect();
        if more.is_empty() {
            break;
        }
        ours.extend(more);
    }
    ours.remove(&getpid().as_raw());
    ours
}

/// The containers' processes by pod uid: the children of the supervisors, whose arguments name the
/// pod's folder.
#[must_use]
pub fn by_pod(folder: &Path) -> BTreeMap<String, BTreeSet<i32>> {
    let running = running();
    let mut pods: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for supervisor in running.keys() {
        let Some(uid) = pod_of(&command(*supervisor), folder) else { continue };
        let children = running.iter().filter(|(_, parent)| *parent == supervisor);
        let children: BTreeSet<i32> = children.map(|(pid, _)| *pid).collect();
        if !children.is_empty() {
            pods.entry(uid).or_default().extend(children);
        }
    }
    pods
}

/// The arguments of a process, separated by spaces; empty when it is gone.
#[must_use]
pub fn command(pid: i32) -> String {
    text(pid, "cmdline").trim_end().to_owned()
}

/// Whether the environment of a process holds this variable with this value.
#[must_use]
pub fn has_variable(pid: i32, name: &str, value: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let wanted = format!("{name}={value}");
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// Sends a signal to one process; one that is gone is as good as told.
pub fn signal(pid: i32, signal: Signal) {
    // 0 and below mean groups, and 1 is nobody's to end.
    if pid > 1 {
        let _gone = signal::kill(Pid::from_raw(pid), signal);
    }
}

/// Every process that has not ended, with its parent.
fn running() -> BTreeMap<i32, i32> {
    let alive = procfs::all().into_iter().filter(|stat| !stat.is_zombie());
    alive.map(|stat| (stat.pid, stat.parent)).collect()
}

fn names(pid: i32, folder: &Path) -> bool {
    let name = folder.to_string_lossy();
    let works_in = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    works_in.starts_with(folder)
        || text(pid, "cmdline").contains(&*name)
        || text(pid, "environ").contains(&*name)
}

/// What `/proc` says of a process in texts that end with a zero byte each.
fn text(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// The uid in `FOLDER…/pods/pod-UID/…`.
fn pod_of(command: &str, folder: &Path) -> Option<String> {
    let (_, rest) = command.split_once(folder.to_str()?)?;
    let (_, rest) = rest.split_once("/pods/pod-")?;
    Some(rest.split(['/', ' ']).next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    /// For what comes in moments.
    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_process_is_found_by_the_folder_that_it_works_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("its path");
        let mut child =
            Command::new("sleep").arg("60").current_dir(&path).spawn().expect("sleep runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        assert_eq!(all(&path), BTreeSet::from([pid]));
        // A process is there for a moment before the kernel has its arguments in place.
        let deadline = Instant::now() + PATIENCE;
        while command(pid).is_empty() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(command(pid), "sleep 60");
        signal(pid, Signal::SIGKILL);
        child.wait().expect("it ended");
        assert_eq!(all(&path), BTreeSet::new());
    }

    #[test]
    fn a_supervisor_names_its_pod() {
        let command = "/bin/setpoint --x /tmp/demo/a/pods/pod-web-1.abc/c0";
        assert_eq!(pod_of(command, Path::new("/tmp/demo")).as_deref(), Some("web-1.abc"));
        assert_eq!(pod_of("sleep infinity", Path::new("/tmp/demo")), None);
    }
}
