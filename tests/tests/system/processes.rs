//! Processes of this machine that belong to a test, found in `/proc` by its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

struct Process {
    pid: i32,
    parent: i32,
    command: String,
    names_folder: bool,
}

/// The processes that name the folder, and their descendants; never this one.
pub(crate) fn all(folder: &Path) -> BTreeSet<i32> {
    let processes = scan(folder);
    let named = processes.iter().filter(|process| process.names_folder);
    let mut ours: BTreeSet<i32> = named.map(|process| process.pid).collect();
    loop {
        let is_more = |p: &&Process| ours.contains(&p.parent) && !ours.contains(&p.pid);
        let more: Vec<i32> = processes.iter().filter(is_more).map(|p| p.pid).collect();
        if more.is_empty() {
            break;
        }
        ours.extend(more);
    }
    ours.remove(&nix::unistd::getpid().as_raw());
    ours
}

/// The containers' processes by pod uid: children of the supervisors, which name the pod's folder.
pub(crate) fn by_pod(folder: &Path) -> BTreeMap<String, BTreeSet<i32>> {
    let processes = scan(folder);
    let mut pods: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for supervisor in &processes {
        let Some(uid) = pod_of(&supervisor.command, folder) else { continue };
        let children = processes.iter().filter(|process| process.parent == supervisor.pid);
        let children: Vec<i32> = children.map(|process| process.pid).collect();
        if !children.is_empty() {
            pods.entry(uid).or_default().extend(children);
        }
    }
    pods
}

/// How many pods' processes are `sleep` for so many seconds.
pub(crate) fn sleeping(folder: &Path, seconds: &str) -> usize {
    let ours: BTreeSet<i32> = by_pod(folder).into_values().flatten().collect();
    let asleep = format!("sleep {seconds}");
    let processes = scan(folder).into_iter();
    processes.filter(|p| ours.contains(&p.pid) && p.command.trim_end().ends_with(&asleep)).count()
}

/// Sends a signal; a process that is gone is gone.
pub(crate) fn signal(pid: i32, signal: Signal) {
    assert!(pid > 1, "a process of ours");
    let _gone = kill(Pid::from_raw(pid), signal);
}

/// The uid in `FOLDER…/pods/pod-UID/…`.
fn pod_of(command: &str, folder: &Path) -> Option<String> {
    let (_, rest) = command.split_once(folder.to_str()?)?;
    let (_, rest) = rest.split_once("/pods/pod-")?;
    Some(rest.split(['/', ' ']).next()?.to_owned())
}

fn scan(folder: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| read(pid, folder)).collect()
}

/// One process; `None` when it is gone, or has ended and only waits to be reaped.
fn read(pid: i32, folder: &Path) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let text = |name: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let command = text("cmdline");
    let dir = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let name = folder.to_str()?;
    let names_folder =
        dir.starts_with(folder) || command.contains(name) || text("environ").contains(name);
    Some(Process { pid, parent, command, names_folder })
}
