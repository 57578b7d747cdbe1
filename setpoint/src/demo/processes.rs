//! Processes of this machine that belong to the demo, found in `/proc` by the demo's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    /// Its arguments, separated by spaces.
    command: String,
    /// Whether its arguments, its working directory or its environment name the folder.
    names_folder: bool,
}

/// All processes of the demo but this one: those that name its folder, and their descendants.
pub(crate) fn all(folder: &Path) -> BTreeSet<i32> {
    let processes = scan(folder);
    let mut ours: BTreeSet<i32> = processes
        .iter()
        .filter(|process| process.names_folder)
        .map(|process| process.pid)
        .collect();
    loop {
        let child = |p: &&Process| ours.contains(&p.parent) && !ours.contains(&p.pid);
        let more: Vec<i32> = processes.iter().filter(child).map(|p| p.pid).collect();
        if more.is_empty() {
            break;
        }
        ours.extend(more);
    }
    ours.remove(&own_pid());
    ours
}

/// The containers' processes by pod uid: the children of the supervisors, whose arguments name the
/// pod's folder.
pub(crate) fn by_pod(folder: &Path) -> BTreeMap<String, BTreeSet<i32>> {
    let processes = scan(folder);
    let mut pods: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for supervisor in &processes {
        if let Some(uid) = pod_of(&supervisor.command, folder) {
            let children = processes.iter().filter(|process| process.parent == supervisor.pid);
            let children: BTreeSet<i32> = children.map(|process| process.pid).collect();
            if !children.is_empty() {
                pods.entry(uid).or_default().extend(children);
            }
        }
    }
    pods
}

/// Whether the environment of a process holds this variable with this value.
pub(crate) fn has_variable(pid: i32, name: &str, value: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let wanted = format!("{name}={value}");
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// Kills a process with -9. One that is gone already is as good.
pub(crate) fn kill_9(pid: i32) {
    signal(pid, Signal::SIGKILL);
}

/// Asks a process to end.
pub(crate) fn terminate(pid: i32) {
    signal(pid, Signal::SIGTERM);
}

fn signal(pid: i32, signal: Signal) {
    if pid > 1 {
        // The only error that can be expected is that it is gone.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

/// The uid in `FOLDER…/pods/pod-UID/…`.
fn pod_of(command: &str, folder: &Path) -> Option<String> {
    let (_, rest) = command.split_once(folder.to_str()?)?;
    let (_, rest) = rest.split_once("/pods/pod-")?;
    Some(rest.split(['/', ' ']).next()?.to_owned())
}

fn scan(folder: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    entries.flatten().filter_map(pid).filter_map(|pid| read(pid, folder)).collect()
}

/// One process; `None` when it is gone, or has ended and only waits to be reaped.
fn read(pid: i32, folder: &Path) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; what follows the last is plain.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let dir = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let text = folder.to_str()?;
    let names_folder = dir.starts_with(folder)
        || command.contains(text)
        || String::from_utf8_lossy(&environment).contains(text);
    Some(Process { pid, parent, command, names_folder })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_found_by_the_folder_that_it_works_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("its path");
        let mut child =
            Command::new("sleep").arg("60").current_dir(&path).spawn().expect("sleep runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        assert_eq!(all(&path), BTreeSet::from([pid]));
        kill_9(pid);
        child.wait().expect("it ended");
        assert_eq!(all(&path), BTreeSet::new());
    }

    #[test]
    fn a_supervisor_names_its_pod() {
        let command = "/bin/setpoint --x /tmp/demo/a/pods/pod-web-1.abc/c0 ";
        assert_eq!(pod_of(command, Path::new("/tmp/demo")).as_deref(), Some("web-1.abc"));
        assert_eq!(pod_of("sleep infinity", Path::new("/tmp/demo")), None);
    }
}
