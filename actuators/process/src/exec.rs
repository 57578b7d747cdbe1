//! A command in a container that runs: with its environment, in its working directory, as a process
//! group of its own.
//!
//! Guarantee: when the command is cancelled, its whole group is killed. Its processes carry the
//! container's mark, so that what it leaves behind goes with the container.
//! Absent: input, terminals.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use setpoint_actuators::session::not_running;
use setpoint_actuators::{ActuatorError, ExecEnd, OUTPUT_BYTES_MAX};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::container::Cell;
use crate::disk::RunFile;
use crate::{code, kin};

/// What a command wrote last is there when it ends; what it left running may hold its output open.
const OUTPUT_MAX: Duration = Duration::from_millis(100);
/// What is read at once.
const CHUNK_BYTES: usize = 4 << 10;

/// Runs the command in the container of this folder.
pub(crate) async fn exec(
    cell: &Cell,
    name: &str,
    command: &[String],
    cancel: &CancellationToken,
) -> Result<ExecEnd, ActuatorError> {
    let run = match cell.running().map_err(|e| failed(&e))? {
        Some(_) => cell.run().map_err(|e| failed(&e))?,
        None => None,
    };
    let Some(run) = run else {
        return Err(not_running(name));
    };
    let (reader, writer) = io::pipe().map_err(|e| failed(&e))?;
    let other = writer.try_clone();
    let made = other.and_then(|other| command_of(cell, &run, command, [writer, other]));
    let spawned = made.and_then(|command| match run.no_new_privileges {
        true => spawn_without_new_privileges(command),
        false => spawn(command),
    });
    let mut group = match spawned {
        Ok(child) => Group(child),
        Err(error) => return Ok(not_run(command, &error)),
    };
    let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(|e| failed(&e))?;
    tokio::select! {
        end = group.ends(reader) => end.map_err(|e| failed(&e)),
        () = cancel.cancelled() => {
            group.kill();
            let _ = group.0.wait().await;
            Err(ActuatorError::Cancelled)
        }
    }
}

fn spawn(mut command: Command) -> io::Result<Child> {
    command.spawn()
}

/// Starts it in a thread of its own: what starts a program that may gain no rights may gain none itself
/// from then on, and cannot take that back.
fn spawn_without_new_privileges(command: Command) -> io::Result<Child> {
    let runtime = tokio::runtime::Handle::current();
    let starting = std::thread::Builder::new().spawn(move || {
        let _runtime = runtime.enter();
        nix::sys::prctl::set_no_new_privs()?;
        spawn(command)
    });
    starting?.join().map_err(|_| io::Error::other("the thread that starts it panicked"))?
}

fn command_of(
    cell: &Cell,
    run: &RunFile,
    command: &[String],
    [out, err]: [io::PipeWriter; 2],
) -> io::Result<Command> {
    let (program, args) =
        command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(run.env.iter().map(|(name, value)| (name, value)))
        .env(kin::MARK, cell.dir())
        .current_dir(&run.dir)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0);
    Ok(command)
}

/// A process that leads a group; the group ends with it when nobody waits for it any more.
struct Group(Child);

impl Group {
    /// Waits for its end, reading what it writes meanwhile.
    async fn ends(&mut self, mut from: pipe::Receiver) -> io::Result<ExecEnd> {
        let mut output = Vec::new();
        let status = tokio::select! {
            status = self.0.wait() => status?,
            read = read(&mut from, &mut output) => {
                read?;
                self.0.wait().await?
            }
        };
        let _ = timeout(OUTPUT_MAX, read(&mut from, &mut output)).await;
        Ok(ExecEnd { exit_code: code::of(status), output })
    }

    /// Until it was waited for nobody else can have its id.
    fn kill(&self) {
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads to the end, and keeps what there is room for. Cancel-safe.
async fn read(from: &mut pipe::Receiver, output: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let bytes = from.read(&mut chunk).await?;
        if bytes == 0 {
            return Ok(());
        }
        let room = OUTPUT_BYTES_MAX - output.len();
        output.extend_from_slice(&chunk[..bytes.min(room)]);
    }
}

fn not_run(command: &[String], error: &io::Error) -> ExecEnd {
    let program = command.first().map_or("", String::as_str);
    ExecEnd {
        exit_code: code::of_not_run(error),
        output: format!("failed to run {program:?}: {error}").into_bytes(),
    }
}

fn failed(error: &io::Error) -> ActuatorError {
    ActuatorError::transient("ExecFailed", format!("failed to run a command: {error}"))
}
