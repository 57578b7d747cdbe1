//! The supervisor beside each container: starts it, waits for it, writes down how it ended.
//!
//! It is the agent's own program, started anew with the container's folder as its last argument;
//! the program's `main` hands over to [`run`] before anything else. It outlives the agent, so that
//! the next one learns exit codes. It leads a session of its own, in which the container has a
//! process group: killing the container, or its whole group, does not touch its supervisor. It
//! adopts every process of the container that loses its parent, and ends what is left at the end. It
//! keeps what the container writes: one that somebody kills takes the container's output along, and the
//! container at its next line.
//! A container that may run at most once it ends by itself when its time is over, whatever became of the
//! agent.
//! Absent: decisions. It restarts nothing and takes no commands.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{getpid, setsid};

use crate::disk::{self, Process, RunFile, Status};
use crate::fence::Watchdog;
use crate::machine::now_ms;
use crate::output::Keeper;
use crate::word::{STARTED, say};
use crate::{command, kin, output, procfs};

/// Runs the container of this folder until it ends, or the command that a folder in it names. Meant to
/// be the whole life of a process.
#[must_use]
pub fn run(container: &Path) -> ExitCode {
    if disk::is_session(container) {
        return command::run(container);
    }
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
    output::begin(container)?;
    match spawn(container, &run) {
        Ok(child) => watch(container, child, run.fence.as_deref()),
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
    Command::new(program)
        .args(args)
        .env_clear()
        .envs(run.env.iter().map(|(name, value)| (name, value)))
        // Last, so that no manifest takes it away.
        .env(kin::MARK, container)
        .current_dir(&run.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
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

fn watch(container: &Path, mut child: Child, fence: Option<&Path>) -> io::Result<()> {
    let process = describe(&child);
    let path = disk::status_path(container);
    if let Err(error) = disk::write(&path, &Status::Running(process.clone())) {
        // Nobody would ever find it: better that it does not run.
        let _ = child.kill();
        return Err(error);
    }
    let keeper = match Keeper::of(container, &mut child) {
        Ok(keeper) => keeper,
        Err(error) => {
            // Nobody would read what it writes.
            let _ = child.kill();
            return Err(error);
        }
    };
    let watchdog = fence.map(|fence| Watchdog::begin(fence, process.pid));
    say(STARTED);
    let exit_code = wait(process.pid)?;
    // Before it is reaped: until then nobody else has its id.
    watchdog.iter().for_each(Watchdog::end);
    // As on Docker: what the container's own process leaves behind ends with it. What would not
    // end is found again when the pod is stopped.
    let _ = kin::sweep_descendants();
    child.wait()?;
    // Before the end is told: who follows the output reads all of it until then.
    keeper.drain();
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
