//! Ending a command in a container, and all that it started, past the engine, which cannot.
//!
//! Guarantee: only processes that the kernel counts to this container are touched.
//! Absent: an engine on another machine, and processes that the agent may not see or signal: there the
//! command runs on until it ends by itself or its container does.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often it is looked for what was just forked: each time less is left that could.
const LOOKS_MAX: usize = 10;

/// Kills a process of this container, by the id that the machine has for it, and its descendants.
pub(crate) fn end(pid: i64, container: &str) {
    let Some(first) = i32::try_from(pid).ok().filter(|pid| *pid > 1 && is_in(*pid, container))
    else {
        return;
    };
    let mut frozen = BTreeSet::new();
    // Frozen from the top, so that nothing forks meanwhile.
    for _ in 0..LOOKS_MAX {
        let family = family(first, container);
        let fresh: Vec<i32> = family.difference(&frozen).copied().collect();
        if fresh.is_empty() {
            break;
        }
        fresh.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
        frozen.extend(fresh);
    }
    frozen.iter().for_each(|pid| signal(*pid, Signal::SIGKILL));
}

fn signal(pid: i32, signal: Signal) {
    // One that is gone is as good as told.
    let _ = kill(Pid::from_raw(pid), signal);
}

/// The process and its descendants, as far as they are the container's.
fn family(first: i32, container: &str) -> BTreeSet<i32> {
    let parents: Vec<(i32, i32)> =
        processes().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = BTreeSet::from([first]);
    loop {
        let is_more = |(pid, parent): &&(i32, i32)| {
            family.contains(parent) && !family.contains(pid) && is_in(*pid, container)
        };
        let more: Vec<i32> = parents.iter().filter(is_more).map(|(pid, _)| *pid).collect();
        if more.is_empty() {
            return family;
        }
        family.extend(more);
    }
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Field 4 of `/proc/<pid>/stat`, behind the name, which may hold spaces and parentheses.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether the kernel counts a process to this container, whose id is in its groups' names.
fn is_in(pid: i32, container: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    !container.is_empty() && groups.contains(container)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_the_containers_is_not_touched() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep runs");
        end(i64::from(child.id()), "0123456789abcdef");
        end(i64::from(child.id()), "");
        assert_eq!(child.try_wait().expect("its state"), None);
        child.kill().expect("it is killed");
        child.wait().expect("it ended");
    }

    #[test]
    fn a_process_has_its_parent() {
        let me = i32::try_from(std::process::id()).expect("it fits");
        assert_eq!(
            parent(me),
            Some(std::os::unix::process::parent_id().try_into().expect("it fits"))
        );
    }
}
