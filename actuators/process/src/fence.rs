//! Until when pods may run that may run at most once, and the watchdog in each supervisor of theirs.
//!
//! Guarantee: what is written is for this boot of the machine only; a file that is missing, damaged or of
//! another boot means that the time is over. The watchdog needs no agent. Whoever kills a supervisor
//! alone takes the watchdog along.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use setpoint_actuators::{Fence, Until};

use crate::{disk, procfs};

/// How often a watchdog looks: the time may have been brought forward.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct FenceFile {
    boot: String,
    /// `None`: without an end.
    until: Option<Until>,
}

/// Writes until when they may run.
pub(crate) fn write(path: &Path, until: Option<Until>) -> io::Result<()> {
    disk::write(path, &FenceFile { boot: procfs::boot(), until })
}

/// Whether they may run now.
fn read(path: &Path) -> Fence {
    let file = disk::read::<FenceFile>(path).ok().flatten();
    let file = file.filter(|file| file.boot == procfs::boot());
    match file {
        Some(FenceFile { until: None, .. }) => Fence::Open,
        Some(FenceFile { until: Some(until), .. }) => until.at(procfs::since_boot_ms()),
        None => Until::default().at(0),
    }
}

/// Ends a process when its time is over.
pub(crate) struct Watchdog {
    /// Whether the process has ended: whoever has its id then is another.
    has_ended: Arc<Mutex<bool>>,
}

impl Watchdog {
    /// Watches over this process, in a thread of its own.
    pub(crate) fn begin(path: &Path, pid: i32) -> Watchdog {
        let has_ended = Arc::new(Mutex::new(false));
        let (path, ended) = (path.to_owned(), has_ended.clone());
        std::thread::spawn(move || watch(&path, pid, &ended));
        Watchdog { has_ended }
    }

    /// The process has ended, and is not reaped yet.
    pub(crate) fn end(&self) {
        *self.has_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

fn watch(path: &Path, pid: i32, has_ended: &Mutex<bool>) {
    let mut is_asked = false;
    loop {
        std::thread::sleep(LOOK_EVERY);
        let signal = match read(path) {
            Fence::Open => continue,
            Fence::Closed { grace } if grace.is_zero() => Signal::SIGKILL,
            Fence::Closed { .. } if is_asked => continue,
            Fence::Closed { .. } => Signal::SIGTERM,
        };
        let has_ended = has_ended.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_ended {
            return;
        }
        // One that is gone meanwhile needs no signal.
        let _ = kill(Pid::from_raw(pid), signal);
        is_asked = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_for_this_boot_is_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("fence.json");
        let over = Fence::Closed { grace: Duration::ZERO };
        assert_eq!(read(&path), over, "nothing is written");
        write(&path, None).expect("writable");
        assert_eq!(read(&path), Fence::Open, "without an end");
        let later_ms = procfs::since_boot_ms() + 60_000;
        write(&path, Some(Until { ask_ms: later_ms, end_ms: later_ms })).expect("writable");
        assert_eq!(read(&path), Fence::Open);
        write(&path, Some(Until::default())).expect("writable");
        assert_eq!(read(&path), over);
        let other = FenceFile { boot: "another".to_owned(), until: None };
        disk::write(&path, &other).expect("writable");
        assert_eq!(read(&path), over, "another boot's");
        std::fs::write(&path, "{").expect("writable");
        assert_eq!(read(&path), over, "damaged");
    }
}
