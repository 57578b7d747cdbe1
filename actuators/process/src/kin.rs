//! Which processes are a container's, whatever session or parent they have, and ending them.
//!
//! A process is a container's when its environment names the container's folder or that of a command
//! beside it ([`MARK`], which children inherit), when it is in the container's session, or when its parent is the container's.
//! What loses its parent becomes the supervisor's child, which adopts it ([`adopt`]).
//! Guarantee: found through `/proc` alone, so by a new agent too. Only the same process is
//! signalled that was found: a reused id has another start. A mark counts only in processes of our
//! own user, and a session only while someone who is known to be of it lives.
//! Absent: a process that emptied its environment, left its session **and** lost its supervisor to
//! someone else's kill before anybody looked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::disk::{COMMANDS, Process};
use crate::procfs::{self, Stat};

/// The variable that names the container's folder to all its processes.
pub(crate) const MARK: &str = "SETPOINT_CONTAINER_FOLDER";
/// How often we look for what a dying process may just have forked: more often than anything but a
/// runaway needs, and short enough to be tried again by the next stop.
const SWEEPS_MAX: usize = 40;
/// A killed process takes about this long to be gone.
const SWEEP_PAUSE: Duration = Duration::from_millis(5);

/// All processes at one instant.
pub(crate) struct Table {
    stats: Vec<Stat>,
    marks: BTreeMap<i32, Vec<u8>>,
}

/// The processes of one container.
pub(crate) struct Kin {
    folder: Vec<u8>,
    process: Option<Process>,
    /// What was found so far, by id with its start: it stays ours when its parent ends.
    seen: BTreeMap<i32, u64>,
}

/// From now on this process is the parent of each descendant that loses its own.
pub(crate) fn adopt() -> io::Result<()> {
    prctl::set_child_subreaper(true).map_err(io::Error::from)
}

/// Kills all descendants of this process, which has adopted them. Returns whether none is left.
pub(crate) fn sweep_descendants() -> bool {
    let me = Pid::this().as_raw();
    let mut seen = BTreeMap::new();
    sweep(|| {
        let table = Table { stats: procfs::all(), marks: BTreeMap::new() };
        table.family(|stat| stat.parent == me || stat.session == me, me, &mut seen)
    })
}

impl Table {
    /// Reads the table; one that does not answer is an empty one.
    pub(crate) fn read() -> Table {
        let stats = procfs::all();
        let me = geteuid().as_raw();
        let marks = stats.iter().filter_map(|stat| Some((stat.pid, mark_of(stat.pid, me)?)));
        Table { marks: marks.collect(), stats }
    }

    /// Those that are ours by themselves, those that were, and the descendants of both.
    fn family(
        &self,
        is_ours: impl Fn(&Stat) -> bool,
        supervisor: i32,
        seen: &mut BTreeMap<i32, u64>,
    ) -> Vec<Stat> {
        let running = || self.stats.iter().filter(|s| s.pid != supervisor && !s.is_zombie());
        let known = |s: &&Stat| seen.get(&s.pid) == Some(&s.start_ticks);
        let mut ours: BTreeSet<i32> =
            running().filter(|s| is_ours(s) || known(s)).map(|s| s.pid).collect();
        loop {
            let more = running().filter(|s| ours.contains(&s.parent) && !ours.contains(&s.pid));
            let more: Vec<i32> = more.map(|s| s.pid).collect();
            if more.is_empty() {
                break;
            }
            ours.extend(more);
        }
        let family: Vec<Stat> = running().filter(|s| ours.contains(&s.pid)).cloned().collect();
        *seen = family.iter().map(|s| (s.pid, s.start_ticks)).collect();
        family
    }
}

impl Kin {
    /// The processes of the container of this folder, whose own process is or was this one.
    pub(crate) fn of(folder: &Path, process: Option<Process>) -> Kin {
        let folder = folder.as_os_str().as_bytes().to_vec();
        Kin { folder, process, seen: BTreeMap::new() }
    }

    /// Those that run, the supervisor left out.
    pub(crate) fn look(&mut self, table: &Table) -> Vec<Stat> {
        // Judged after the table was read: a session that is still held now was held then.
        let held = |p: &&Process| procfs::is_alive(p) || procfs::has_supervisor(p);
        self.family(table, self.process.as_ref().filter(held).map(|p| p.session))
    }

    /// Finds those of this session, which is held: what loses its parent is still known then.
    pub(crate) fn look_with(&mut self, session: Option<i32>) {
        self.family(&Table::read(), session);
    }

    /// Kills them all. Returns whether none is left.
    pub(crate) fn sweep(&mut self) -> bool {
        sweep(|| self.look(&Table::read()))
    }

    /// The same for a container of which only this session is known, which is held.
    pub(crate) fn sweep_with(&mut self, session: Option<i32>) -> bool {
        sweep(|| self.family(&Table::read(), session))
    }

    fn family(&mut self, table: &Table, session: Option<i32>) -> Vec<Stat> {
        let Kin { folder, seen, .. } = self;
        let is_ours = |stat: &Stat| {
            table.marks.get(&stat.pid).is_some_and(|mark| is_of(mark, folder))
                || session.is_some_and(|id| stat.session == id || stat.parent == id)
        };
        table.family(is_ours, session.unwrap_or(0), seen)
    }
}

/// Freezes what is found until nothing new is, so that nothing forks meanwhile; then kills it.
fn sweep(mut look: impl FnMut() -> Vec<Stat>) -> bool {
    let mut frozen = BTreeSet::new();
    for _ in 0..SWEEPS_MAX {
        let left = look();
        if left.is_empty() {
            return true;
        }
        let is_frozen = left.iter().all(|stat| frozen.contains(&(stat.pid, stat.start_ticks)));
        let signal = if is_frozen { Signal::SIGKILL } else { Signal::SIGSTOP };
        left.iter().for_each(|stat| send(stat, signal));
        frozen.extend(left.iter().map(|stat| (stat.pid, stat.start_ticks)));
        if is_frozen {
            std::thread::sleep(SWEEP_PAUSE);
        }
    }
    look().is_empty()
}

fn send(to: &Stat, signal: Signal) {
    if procfs::stat(to.pid).is_some_and(|now| now.start_ticks == to.start_ticks) {
        // It may end between the look and the signal; then there is nothing to do.
        let _ = kill(Pid::from_raw(to.pid), signal);
    }
}

/// Whether a folder is this one, or that of a command beside the container of this one.
fn is_of(mark: &[u8], folder: &[u8]) -> bool {
    let is_commands = |rest: &[u8]| {
        rest.strip_prefix(COMMANDS.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
    };
    mark.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || is_commands(rest))
}

/// The folder that a process of this user names as its container's.
fn mark_of(pid: i32, user: u32) -> Option<Vec<u8>> {
    let path = format!("/proc/{pid}/environ");
    if fs::metadata(&path).ok()?.uid() != user {
        return None;
    }
    let environment = fs::read(path).ok()?;
    let value = |variable: &[u8]| {
        let rest = variable.strip_prefix(MARK.as_bytes())?;
        rest.strip_prefix(b"=").map(<[u8]>::to_vec)
    };
    environment.split(|byte| *byte == 0).find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPERVISOR: i32 = 10;

    fn stat(pid: i32, parent: i32, session: i32) -> Stat {
        let (cpu_nanos, resident_pages, start_ticks) = (0, 0, 100);
        Stat { pid, state: 'S', parent, session, cpu_nanos, start_ticks, resident_pages }
    }

    fn table(stats: Vec<Stat>, marked: &[i32]) -> Table {
        let marks = marked.iter().map(|pid| (*pid, b"/c0".to_vec())).collect();
        Table { stats, marks }
    }

    fn pids(family: &[Stat]) -> Vec<i32> {
        family.iter().map(|stat| stat.pid).collect()
    }

    #[test]
    fn a_process_is_the_containers_by_its_mark_its_session_or_its_parent() {
        let stats = vec![
            stat(1, 0, 1),
            stat(SUPERVISOR, 1, SUPERVISOR),
            stat(11, SUPERVISOR, SUPERVISOR),
            stat(12, SUPERVISOR, 12),
            stat(13, 12, 13),
            stat(14, 1, 14),
            stat(15, 14, 15),
            stat(16, 1, 16),
        ];
        let mut kin = Kin::of(Path::new("/c0"), None);
        let family = kin.family(&table(stats.clone(), &[14]), Some(SUPERVISOR));
        assert_eq!(pids(&family), [11, 12, 13, 14, 15], "not the supervisor, not the others");
        let mut kin = Kin::of(Path::new("/c0"), None);
        assert_eq!(pids(&kin.family(&table(stats, &[14]), None)), [14, 15]);
    }

    #[test]
    fn a_command_beside_a_container_is_the_containers_and_not_the_other_way_round() {
        for (mark, folder, wanted) in [
            ("/p/c1", "/p/c1", true),
            ("/p/c1-commands/s-7-0", "/p/c1", true),
            ("/p/c1-commands/s-7-0", "/p/c1-commands/s-7-0", true),
            ("/p/c1", "/p/c1-commands/s-7-0", false),
            ("/p/c10", "/p/c1", false),
            ("/p/c10-commands/s-7-0", "/p/c1", false),
        ] {
            assert_eq!(is_of(mark.as_bytes(), folder.as_bytes()), wanted, "{mark} of {folder}");
        }
    }

    #[test]
    fn what_was_found_stays_ours_without_its_parent_and_a_reused_id_does_not() {
        let mut kin = Kin::of(Path::new("/c0"), None);
        let before = vec![stat(11, 1, 11), stat(12, 11, 12), stat(13, 11, 13)];
        assert_eq!(pids(&kin.family(&table(before, &[11]), None)), [11, 12, 13]);
        let reused = Stat { start_ticks: 101, ..stat(13, 1, 13) };
        let after = vec![stat(12, 1, 12), reused, Stat { state: 'Z', ..stat(11, 1, 11) }];
        assert_eq!(pids(&kin.family(&table(after, &[]), None)), [12]);
    }
}
