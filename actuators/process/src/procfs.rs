//! Processes as Linux tells of them in `/proc`.
//!
//! Source: proc_pid_stat(5). Lossy by nature: a process may end while it is read.

use std::fs;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::disk::Process;

/// `/proc/<pid>/stat` counts in ticks of a hundredth of a second on every Linux we know.
const NANOS_PER_TICK: i64 = 10_000_000;

/// What `/proc/<pid>/stat` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// Its own time and that of its children that it has waited for.
    pub(crate) cpu_nanos: i64,
    pub(crate) start_ticks: u64,
    pub(crate) resident_pages: i64,
}

/// Reads one process; `None` when it is gone.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// All processes there are.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(pid).filter_map(stat).collect()
}

/// This boot of the machine; empty when the kernel does not say.
pub(crate) fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// Milliseconds since the boot, the machine's sleep included; the last of all times when the kernel
/// does not say.
pub(crate) fn since_boot_ms() -> i64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_whitespace().next().and_then(|seconds| seconds.parse::<f64>().ok());
    seconds.map_or(i64::MAX, |seconds| (seconds * 1_000.0) as i64)
}

/// Whether this very process still runs (a zombie has ended).
pub(crate) fn is_alive(process: &Process) -> bool {
    let same = |stat: Stat| stat.start_ticks == process.start_ticks && !stat.is_zombie();
    process.boot == boot() && stat(process.pid).is_some_and(same)
}

/// Whether the supervisor of this process still runs.
pub(crate) fn has_supervisor(process: &Process) -> bool {
    let same = |stat: &Stat| match process.supervisor_ticks {
        // An earlier version did not write it down.
        0 => true,
        ticks => stat.start_ticks == ticks,
    };
    let leads = |stat: Stat| stat.session == process.session && !stat.is_zombie() && same(&stat);
    process.boot == boot() && stat(process.session).is_some_and(leads)
}

/// Sends a signal to the group of this very process; nothing when it has ended.
pub(crate) fn signal(process: &Process, signal: Signal) {
    if is_alive(process) {
        // It may end between the look and the signal; then there is nothing to do.
        let _ = killpg(Pid::from_raw(process.pid), signal);
    }
}

impl Stat {
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

fn parse(text: &str) -> Option<Stat> {
    // The name may hold spaces and parentheses; the fields begin after the last one.
    let (head, rest) = text.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Field 3 of the manual page is the first one here.
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
    Some(Stat {
        pid,
        state: fields.first()?.chars().next()?,
        parent: i32::try_from(number(4)?).ok()?,
        session: i32::try_from(number(6)?).ok()?,
        cpu_nanos: ticks.saturating_mul(NANOS_PER_TICK),
        start_ticks: u64::try_from(number(22)?).ok()?,
        resident_pages: number(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = "42 (a (b) c) S 1 42 41 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 777 1000 25 0";
        let stat = parse(text).expect("it parses");
        assert_eq!(stat.pid, 42);
        assert_eq!((stat.state, stat.parent, stat.session), ('S', 1, 41));
        assert_eq!(stat.cpu_nanos, 10 * NANOS_PER_TICK);
        assert_eq!((stat.start_ticks, stat.resident_pages), (777, 25));
    }

    #[test]
    fn a_process_of_another_start_or_boot_is_not_this_one() {
        let pid = i32::try_from(std::process::id()).expect("it fits");
        let me = stat(pid).expect("this process runs");
        let process = Process {
            pid,
            start_ticks: me.start_ticks,
            session: me.session,
            supervisor_ticks: 0,
            boot: boot(),
            started_ms: 1,
        };
        assert!(is_alive(&process));
        assert!(!is_alive(&Process { start_ticks: me.start_ticks + 1, ..process.clone() }));
        assert!(!is_alive(&Process { boot: "another".into(), ..process }));
    }

    #[test]
    fn nonsense_is_no_process() {
        for text in ["", "42", "42 (a", "42 (a) S", "x (a) S 1 2 3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
