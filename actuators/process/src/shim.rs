//! The supervisor beside each container: starts it, waits for it, writes down how it ended.
//!
//! It is the agent's own program, started anew with the container's folder as its last argument;
//! the program's `main` hands over to [`run`] before anything else. It outlives the agent, so that
//! the next one learns exit codes. It leads a session of its own, in which the container has a
//! process group: killing the container, or its whole group, does not touch its supervisor. It
//! adopts every process of the container that loses its parent, and ends what is left at the end.
//! Absent: decisions. It restarts nothing and takes no commands.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{getpid, setsid};

use crate::disk::{self, Process, RunFile, Status};
use crate::machine::now_ms;
use crate::{kin, procfs};

/// A container's output is cut at this size: what stands in the file is kept beside it (as
/// `out.log.1`, replacing the former one) and the file begins anew, so at most about twice this
/// is kept. Lines written in the instant of the cut are lost.
pub const LOG_BYTES_MAX: u64 = 5 << 20;
/// How often the size of the output is looked at; a container may exceed the bound for this long.
const LOG_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Before what the supervisor says, once, on its standard output: the program that it is may have
/// said something already.
pub(crate) const MARK: &str = "setpoint-shim: ";
/// What the supervisor says once the container runs.
pub(crate) const STARTED: &str = "started";

/// Runs the container of this folder until it ends. Meant to be the whole life of a process.
#[must_use]
pub fn run(container: &Path) -> ExitCode {
    // It fails only for a process that leads a group already, which then is as good.
    let _ = setsid();
    match supervise(container) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed to supervise {}: {error}", container.display()));
            ExitCode::FAILURE
        }
    }
}

fn supervise(container: &Path) -> io::Result<()> {
    let _lock = lock(container)?;
    kin::adopt()?;
    let run = disk::read::<RunFile>(&disk::run_path(container))?;
    let run = run.ok_or_else(|| io::Error::other("it is not written how it starts"))?;
    if run.no_new_privileges {
        // What it starts has this from it, and cannot take it back.
        nix::sys::prctl::set_no_new_privs()?;
    }
    match spawn(container, &run) {
        Ok(child) => watch(container, child),
        Err(error) => refuse(container, &run, &error),
    }
}

/// At most one supervisor a container, even when an agent died between starting it and hearing
/// from it. The lock ends with the process.
fn lock(container: &Path) -> io::Result<File> {
    let file = disk::open_lock(container)?;
    file.try_lock().map_err(|_| io::Error::other("another supervisor is at it"))?;
    Ok(file)
}

fn spawn(container: &Path, run: &RunFile) -> io::Result<Child> {
    let (program, args) =
        run.argv.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let log = open_log(container)?;
    Command::new(program)
        .args(args)
        .env_clear()
        .envs(run.env.iter().map(|(name, value)| (name, value)))
        // Last, so that no manifest takes it away.
        .env(kin::MARK, container)
        .current_dir(&run.dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
}

fn open_log(container: &Path) -> io::Result<File> {
    let path = disk::log_path(container);
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn refuse(container: &Path, run: &RunFile, error: &io::Error) -> io::Result<()> {
    let program = run.argv.first().map_or("", String::as_str);
    let message = format!("failed to run {program:?} in {}: {error}", run.dir.display());
    let reason = "RunContainerError".to_owned();
    disk::write(
        &disk::status_path(container),
        &Status::Failed { reason, message: message.clone() },
    )?;
    say(&message);
    Ok(())
}

fn watch(container: &Path, mut child: Child) -> io::Result<()> {
    let process = describe(&child);
    let path = disk::status_path(container);
    if let Err(error) = disk::write(&path, &Status::Running(process.clone())) {
        // Nobody would ever find it: better that it does not run.
        let _ = child.kill();
        return Err(error);
    }
    say(STARTED);
    keep_log_short(container);
    let exit_code = wait(process.pid)?;
    // As on Docker: what the container's own process leaves behind ends with it. What would not
    // end is found again when the pod is stopped.
    let _ = kin::sweep_descendants();
    child.wait()?;
    let finished_ms = now_ms().max(process.started_ms);
    let reason = if exit_code == 0 { "Completed" } else { "Error" }.to_owned();
    disk::write(&path, &Status::Ended { process, exit_code, finished_ms, reason })
}

fn describe(child: &Child) -> Process {
    let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
    let start_ticks = procfs::stat(pid).map_or(0, |stat| stat.start_ticks);
    let session = getpid().as_raw();
    let supervisor_ticks = procfs::stat(session).map_or(0, |stat| stat.start_ticks);
    let (boot, started_ms) = (procfs::boot(), now_ms());
    Process { pid, start_ticks, session, supervisor_ticks, boot, started_ms }
}

/// Waits without reaping: until then nobody else can have the process' id, nor that of its group.
/// What was adopted meanwhile is reaped as it ends.
fn wait(pid: i32) -> io::Result<i32> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::All, flags) {
            Ok(WaitStatus::Exited(who, code)) if who.as_raw() == pid => return Ok(code),
            // As a shell and Docker tell it.
            Ok(WaitStatus::Signaled(who, signal, _)) if who.as_raw() == pid => {
                return Ok(128 + signal as i32);
            }
            Ok(WaitStatus::Exited(orphan, _) | WaitStatus::Signaled(orphan, ..)) => {
                let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn keep_log_short(container: &Path) {
    let path = disk::log_path(container);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(LOG_LOOK_EVERY);
            // A full disk must not end the container; the next look tries again.
            let _ = cut(&path, LOG_BYTES_MAX);
        }
    });
}

/// Keeps what stands in the file beside it and empties the file, when it is longer than this.
fn cut(path: &Path, bytes_max: u64) -> io::Result<()> {
    if fs::metadata(path)?.len() <= bytes_max {
        return Ok(());
    }
    let mut from = File::open(path)?;
    // A burst beyond the bound keeps its end, which tells more than its beginning.
    io::Seek::seek(&mut from, io::SeekFrom::End(-i64::try_from(bytes_max).unwrap_or(0)))?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    io::copy(&mut from, &mut options.open(path.with_extension("log.1"))?)?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

fn say(line: &str) {
    // Whoever started us may be gone.
    let _ = writeln!(io::stdout(), "{MARK}{}", line.replace('\n', " "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_end_and_begins_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("out.log");
        fs::write(&path, b"0123456789").expect("writable");
        cut(&path, 10).expect("nothing to do");
        assert_eq!(fs::read(&path).expect("readable"), b"0123456789");
        cut(&path, 4).expect("it is cut");
        assert_eq!(fs::read(&path).expect("readable"), b"");
        assert_eq!(fs::read(dir.path().join("out.log.1")).expect("readable"), b"6789");
    }
}
