//! A command beside a container's own: started, spoken with, ended.
//!
//! Its folder lies beside the container's, and its processes are marked by it: so they are the
//! container's too, and end with the pod whatever becomes of the agent. The folder is locked while an
//! agent serves it; what a former one left is ended when the next one opens the state.
//! Guarantee: who stops listening ends the command and all that it started. A command that ends by
//! itself leaves what it started to the container, as on Docker.
//! Absent: a process that emptied its environment, left its session **and** lost its parent before the
//! command was ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use setpoint_actuators::ActuatorError;
use setpoint_actuators::session::{Ends, Input, Output, PIECE_BYTES_MAX, Session, not_running};
use setpoint_schemas::call::ExecOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::code;
use crate::container::{Cell, first_word};
use crate::disk::{self, Process, RunFile, SessionFile};
use crate::kin::Kin;
use crate::terminal::Terminal;
use crate::word::STARTED;

/// How often it is looked whether the container still runs, with which the command ends.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A program of ours starts in milliseconds; on a machine that swaps it takes seconds.
const START_MAX: Duration = Duration::from_secs(10);
/// What a command wrote in its last moment is in the pipe when it ends; who holds the other end
/// longer is another process, which the caller does not wait for. Bounds the waiting for bytes, never
/// that for the caller, who may be slow.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// The most that a pipe holds (`/proc/sys/fs/pipe-max-size`): what comes beyond it when the command has
/// ended is another's.
const PIPE_BYTES_MAX: usize = 1 << 20;
/// The kind of terminal where the container's environment names none, as Docker has it.
const TERMINAL_KIND: (&str, &str) = ("TERM", "xterm");

/// Counts the sessions of this process, for their folders.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Runs the command in this container.
pub(crate) async fn open(
    cell: Cell,
    name: &str,
    options: &ExecOptions,
    shim: &[OsString],
) -> Result<Session, ActuatorError> {
    let failed = |error: io::Error| {
        let message = format!("failed to run a command in container {name:?}: {error}");
        ActuatorError::transient("RunCommandError", message)
    };
    let life = cell.running().map_err(failed)?.ok_or_else(|| not_running(name))?;
    let place = Place::make(cell.dir()).map_err(failed)?;
    let running = begin(&place, cell.dir(), options, shim).await.map_err(failed)?;
    let (session, ends) = Session::pair();
    tokio::spawn(serve(running, ends, Container { cell, life }, place));
    Ok(session)
}

/// Ends what a former agent left of its sessions beside this container. What cannot be ended is told of
/// and ends with the pod: the agent's own work goes on.
pub(crate) fn end_leftovers(container: &Path) {
    let commands = disk::commands_path(container);
    let entries = match fs::read_dir(&commands) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let folders = entries.map(|entries| entries.into_iter().map(|entry| entry.path()));
    let ended = folders.and_then(|folders| {
        let end_each = folders.filter(|folder| disk::is_session(folder)).map(|f| end_leftover(&f));
        end_each.fold(Ok(()), io::Result::and)
    });
    if let Err(error) = ended {
        warn!(%error, folder = %commands.display(), "a former agent's command is not ended");
    }
}

fn end_leftover(folder: &Path) -> io::Result<()> {
    let lock = disk::open_lock(folder)?;
    if lock.try_lock().is_ok() {
        Kin::of(folder, None).sweep();
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// The folder of a session, locked; removed when it is dropped.
struct Place {
    folder: PathBuf,
    _lock: File,
}

/// The container that the command is in.
struct Container {
    cell: Cell,
    life: Process,
}

/// A command that runs, and how one speaks with it.
struct Running {
    child: Child,
    terminal: Option<Terminal>,
    /// Behind the first word; `None` with a terminal.
    stdout: Option<BufReader<ChildStdout>>,
    has_stdin: bool,
}

impl Place {
    fn make(container: &Path) -> io::Result<Place> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = disk::session_folder(container, std::process::id(), number);
        // Of a pod that is removed meanwhile nothing comes back.
        disk::make_dir_in_place(&disk::commands_path(container))?;
        disk::make_dir_in_place(&folder)?;
        let lock = disk::open_lock(&folder)?;
        lock.try_lock().map_err(|_| io::Error::other("another agent is at it"))?;
        Ok(Place { folder, _lock: lock })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Of a pod that was removed meanwhile nothing is left.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Container {
    /// Waits until it has ended.
    async fn ended(&self) {
        while matches!(self.cell.running(), Ok(Some(life)) if life == self.life) {
            sleep(LOOK_EVERY).await;
        }
    }
}

async fn begin(
    place: &Place,
    container: &Path,
    options: &ExecOptions,
    shim: &[OsString],
) -> io::Result<Running> {
    let run = disk::read::<RunFile>(&disk::run_path(container))?;
    let mut run = run.ok_or_else(|| io::Error::other("it is not written how it starts"))?;
    run.argv.clone_from(&options.command);
    let terminal = options.tty.then(Terminal::open).transpose()?;
    if terminal.is_some() && !run.env.iter().any(|(name, _)| name == TERMINAL_KIND.0) {
        run.env.push((TERMINAL_KIND.0.to_owned(), TERMINAL_KIND.1.to_owned()));
    }
    let path = terminal.as_ref().map(|terminal| terminal.path.clone());
    disk::write(&disk::session_path(&place.folder), &SessionFile { terminal: path })?;
    disk::write(&disk::run_path(&place.folder), &run)?;
    let has_stdin = options.stdin && terminal.is_none();
    let mut child = spawn(&place.folder, shim, has_stdin, terminal.is_none())?;
    match timeout(START_MAX, first_word(&mut child)).await {
        Ok(Ok((word, stdout))) if word == STARTED => {
            let stdout = terminal.is_none().then_some(stdout);
            Ok(Running { child, terminal, stdout, has_stdin: options.stdin })
        }
        Ok(Ok((word, _))) => Err(io::Error::other(word)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the command does not begin")),
    }
}

fn spawn(folder: &Path, shim: &[OsString], stdin: bool, stderr: bool) -> io::Result<Child> {
    let (program, arguments) =
        shim.split_first().ok_or_else(|| io::Error::other("no supervisor is named"))?;
    let piped = |is_piped: bool| if is_piped { Stdio::piped() } else { Stdio::null() };
    let mut command = Command::new(program);
    command.args(arguments).arg(folder).env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(piped(stdin)).stdout(Stdio::piped()).stderr(piped(stderr)).spawn()
}

/// Serves the command until it ends, its container does, or nobody listens.
async fn serve(mut running: Running, ends: Ends, container: Container, place: Place) {
    let Ends { input, output } = ends;
    let ended = tokio::select! {
        status = spoken(&mut running, input, &output) => status.map(code::of),
        () = container.ended() => Err(io::Error::other("the container ended")),
        () = output.closed() => Err(io::Error::other("nobody listens")),
    };
    if ended.is_err() {
        end(&mut running.child, &place.folder).await;
    }
    drop((running, place));
    let ended = ended.map_err(|error| {
        ActuatorError::permanent("CommandKilled", format!("the command was killed: {error}"))
    });
    let _ = output.send(Output::Ended(ended)).await;
}

/// Speaks with the command until it has ended and what it wrote is told.
async fn spoken(
    running: &mut Running,
    input: mpsc::Receiver<Input>,
    output: &mpsc::Sender<Output>,
) -> io::Result<ExitStatus> {
    let Running { child, terminal, stdout, has_stdin } = running;
    let shown = terminal.as_mut().and_then(|terminal| terminal.shown.take());
    let (terminal, stdin, stderr) = (&*terminal, child.stdin.take(), child.stderr.take());
    let hear = async {
        match terminal {
            Some(terminal) => terminal.hear(input, *has_stdin).await,
            None => hear(stdin, input).await,
        }
        // Whatever it is told, it runs on.
        std::future::pending::<()>().await;
    };
    let late = CancellationToken::new();
    let tell = async {
        match terminal {
            Some(_) => tell(shown, output, Output::Stdout, &late).await,
            None => {
                let errors = tell(stderr, output, Output::Stderr, &late);
                tokio::join!(tell(stdout.take(), output, Output::Stdout, &late), errors);
            }
        }
    };
    let ended = async {
        let mut tell = std::pin::pin!(tell);
        let status = tokio::select! {
            () = &mut tell => return child.wait().await,
            status = child.wait() => status,
        };
        tokio::select! {
            () = &mut tell => {}
            () = sleep(DRAIN_MAX) => {
                late.cancel();
                tell.await;
            }
        }
        status
    };
    tokio::select! {
        () = hear => unreachable!("it never ends"),
        status = ended => status,
    }
}

/// Passes on what is said to the command, until there is nothing more.
async fn hear(mut stdin: Option<ChildStdin>, mut input: mpsc::Receiver<Input>) {
    while let Some(said) = input.recv().await {
        match (said, &mut stdin) {
            (Input::Bytes(bytes), Some(pipe)) => {
                // A command that reads no more is told nothing more, and keeps nobody waiting.
                if pipe.write_all(&bytes).await.is_err() {
                    stdin = None;
                }
            }
            (Input::End, _) => stdin = None,
            (Input::Bytes(_) | Input::Size(..), _) => {}
        }
    }
}

/// Tells what the command writes, until its end is closed; when it is late, what is there already.
async fn tell(
    from: Option<impl AsyncRead + Unpin>,
    output: &mpsc::Sender<Output>,
    as_said: impl Fn(Vec<u8>) -> Output,
    late: &CancellationToken,
) {
    let Some(mut from) = from else { return };
    let mut piece = vec![0; PIECE_BYTES_MAX];
    let mut left = PIPE_BYTES_MAX;
    while left > 0 {
        let read = tokio::select! {
            // What is there goes first.
            biased;
            read = from.read(&mut piece) => read,
            () = late.cancelled() => return,
        };
        let Ok(read @ 1..) = read else { return };
        if late.is_cancelled() {
            left = left.saturating_sub(read);
        }
        if output.send(as_said(piece[..read].to_vec())).await.is_err() {
            return;
        }
    }
}

/// Kills the command and all that it started.
async fn end(child: &mut Child, folder: &Path) {
    let session = child.id().and_then(|pid| i32::try_from(pid).ok());
    let mut kin = Kin::of(folder, None);
    // Before anything ends: what loses its parent by that is still known then.
    let looked = tokio::task::spawn_blocking(move || {
        kin.look_with(session);
        kin
    });
    let kin = looked.await;
    let _ = child.start_kill();
    if let Ok(mut kin) = kin {
        // Before it is reaped: until then nobody else can have its id, which is its session's.
        let _ = tokio::task::spawn_blocking(move || kin.sweep_with(session)).await;
    }
    let _ = child.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than the queue and the pipe hold together.
    const BYTES: usize = 600_000;

    /// What a shell's command writes to a caller who takes a while for each piece, and how it ended.
    async fn slowly(script: &str) -> (usize, ExitStatus) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("sh runs");
        let stdout = child.stdout.take().map(BufReader::new);
        let mut running = Running { child, terminal: None, stdout, has_stdin: false };
        let (_input, heard) = mpsc::channel(1);
        let (output, mut said) = mpsc::channel(setpoint_actuators::session::PIECES_MAX);
        let listens = async {
            let mut bytes = 0;
            while let Some(Output::Stdout(piece)) = said.recv().await {
                bytes += piece.len();
                sleep(DRAIN_MAX / 4).await;
            }
            bytes
        };
        let speaks = async {
            let ended = spoken(&mut running, heard, &output).await;
            drop(output);
            ended.expect("it ended")
        };
        let both = async { tokio::join!(listens, speaks) };
        timeout(Duration::from_secs(60), both).await.expect("it comes to its end")
    }

    #[tokio::test]
    async fn a_slow_caller_hears_all_that_a_command_wrote() {
        let (bytes, status) = slowly(&format!("head -c {BYTES} /dev/zero")).await;
        assert_eq!((bytes, status.code()), (BYTES, Some(0)));
    }

    #[tokio::test]
    async fn who_holds_a_commands_output_longer_is_not_waited_for() {
        for script in ["echo one; sleep 1000 & echo two", "echo one; yes & echo two"] {
            let began = std::time::Instant::now();
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = command.process_group(0).spawn().expect("sh runs");
            let group = child.id().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
            let stdout = child.stdout.take().map(BufReader::new);
            let mut running = Running { child, terminal: None, stdout, has_stdin: false };
            let (_input, heard) = mpsc::channel(1);
            let (output, mut said) = mpsc::channel(setpoint_actuators::session::PIECES_MAX);
            let listens = tokio::spawn(async move { while said.recv().await.is_some() {} });
            let spoken = timeout(DRAIN_MAX * 30, spoken(&mut running, heard, &output)).await;
            // Who writes to nobody may have ended by itself.
            let _ = nix::sys::signal::killpg(
                nix::unistd::Pid::from_raw(group),
                nix::sys::signal::Signal::SIGKILL,
            );
            let status = spoken.expect("it is not waited for").expect("it ended");
            assert_eq!(status.code(), Some(0), "{script} after {:?}", began.elapsed());
            drop(output);
            listens.await.expect("no panic");
        }
    }
}
