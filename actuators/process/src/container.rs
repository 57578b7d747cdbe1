//! One container: start it under its supervisor, see how it goes, ask it to end, kill it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use setpoint_actuators::ActuatorError;
use setpoint_schemas::{ContainerObserved, ContainerState};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::disk::{self, ContainerFile, Process, RunFile, Status, is_damage};
use crate::kin::Kin;
use crate::machine::now_ms;
use crate::procfs;
use crate::word::{MARK, STARTED};

/// A supervisor starts a container in milliseconds; on a machine that swaps it takes seconds.
const START_MAX: Duration = Duration::from_secs(10);
/// How often we look whether something ended.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The code of a container whose supervisor was killed too: nobody knows how it ended.
const CODE_UNKNOWN: i32 = 255;

/// The folder of a container, and what is done with it.
pub(crate) struct Cell {
    dir: PathBuf,
}

/// What starting needs beside the container itself.
pub(crate) struct Starter {
    /// The program and arguments that become the supervisor.
    pub(crate) shim: Vec<OsString>,
    /// Told when a supervisor that we started ends.
    pub(crate) hints: broadcast::Sender<()>,
}

impl Cell {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Cell { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// How it goes; `None` when it was never started.
    pub(crate) fn status(&self) -> io::Result<Option<Status>> {
        match disk::read(&disk::status_path(&self.dir))? {
            Some(Status::Running(process)) => self.still(process).map(Some),
            other => Ok(other),
        }
    }

    /// Writes that it cannot be started, so that whoever observes sees why.
    pub(crate) fn refuse(&self, reason: &str, message: &str) -> io::Result<()> {
        let status = Status::Failed { reason: reason.into(), message: message.into() };
        disk::write(&disk::status_path(&self.dir), &status)
    }

    /// Starts it under a new supervisor. Returns when it runs.
    pub(crate) async fn start(
        &self,
        run: &RunFile,
        starter: &Starter,
    ) -> Result<(), ActuatorError> {
        self.settle().await.map_err(|error| self.failed(&error))?;
        disk::write(&disk::run_path(&self.dir), run).map_err(|error| self.failed(&error))?;
        self.start_again(starter).await
    }

    /// Starts it as it was started before.
    pub(crate) async fn start_again(&self, starter: &Starter) -> Result<(), ActuatorError> {
        self.forget_message();
        self.forget_status().map_err(|error| self.failed(&error))?;
        let mut supervisor = self.supervise(starter).map_err(|error| self.failed(&error))?;
        let said = timeout(START_MAX, first_word(&mut supervisor)).await;
        if said.is_err() {
            // What it may have started meanwhile must not run unknown.
            self.abandon(&mut supervisor).await;
        } else {
            reap(supervisor, starter.hints.clone());
        }
        match said {
            Ok(Ok((word, _))) if word == STARTED => Ok(()),
            Ok(Ok((word, _))) => Err(ActuatorError::transient("RunContainerError", word)),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.failed(&io::Error::other("its supervisor does not answer"))),
        }
    }

    /// Waits until a supervisor that is just starting has said how it goes.
    pub(crate) async fn settle(&self) -> io::Result<()> {
        let until = tokio::time::Instant::now() + START_MAX;
        while self.is_starting()? {
            if tokio::time::Instant::now() >= until {
                return Err(io::Error::other("its supervisor does not answer"));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The process, when it may still run or its supervisor has not yet written its end.
    pub(crate) fn running(&self) -> io::Result<Option<Process>> {
        Ok(match self.status()? {
            Some(Status::Running(process)) => Some(process),
            _ => None,
        })
    }

    /// How it was started.
    pub(crate) fn run(&self) -> io::Result<Option<RunFile>> {
        disk::read(&disk::run_path(&self.dir))
    }

    /// Asks the container to end.
    pub(crate) fn ask_to_end(&self) -> io::Result<()> {
        if let Some(process) = self.running()? {
            procfs::signal(&process, Signal::SIGTERM);
        }
        Ok(())
    }

    /// All its processes.
    pub(crate) fn family(&self) -> io::Result<Kin> {
        Ok(self.kin(self.running()?))
    }

    /// The container as the contract tells of it.
    pub(crate) fn observe(&self, file: &ContainerFile) -> io::Result<ContainerObserved> {
        let mut seen = ContainerObserved {
            name: file.name.clone(),
            id: String::new(),
            image: file.image.clone(),
            state: ContainerState::Waiting,
            ready: false,
            restarts: 0,
            exit_code: None,
            reason: "ContainerCreating".into(),
            message: String::new(),
            started_ms: 0,
            finished_ms: 0,
            started: true,
            last: None,
        };
        let status = match self.status() {
            // Of this container nothing is known; of the others everything.
            Err(error) if is_damage(&error) => Some(Status::Failed {
                reason: "StateDamaged".into(),
                message: format!(
                    "{} does not read: {error}",
                    disk::status_path(&self.dir).display()
                ),
            }),
            status => status?,
        };
        match status {
            None => {}
            Some(Status::Failed { reason, message }) => {
                (seen.reason, seen.message) = (reason, message)
            }
            Some(Status::Running(process)) => {
                seen.state = ContainerState::Running;
                seen.ready = true;
                seen.reason = String::new();
                tell(&mut seen, &process);
            }
            Some(Status::Ended { process, exit_code, finished_ms, reason }) => {
                seen.state = ContainerState::Terminated;
                seen.exit_code = Some(exit_code);
                seen.reason = reason;
                seen.finished_ms = finished_ms;
                tell(&mut seen, &process);
            }
        }
        Ok(seen)
    }

    /// A process that is written as running and does not run any more: its supervisor writes its
    /// end in a moment, or was killed as well and nobody knows how it ended.
    fn still(&self, process: Process) -> io::Result<Status> {
        if procfs::is_alive(&process) || procfs::has_supervisor(&process) {
            return Ok(Status::Running(process));
        }
        let path = disk::status_path(&self.dir);
        match disk::read(&path)? {
            Some(Status::Running(process)) => {
                // The supervisor would have ended what is left.
                self.kin(None).sweep();
                let finished_ms = now_ms().max(process.started_ms);
                let reason = "ExitCodeUnknown".to_owned();
                let status =
                    Status::Ended { process, exit_code: CODE_UNKNOWN, finished_ms, reason };
                disk::write(&path, &status)?;
                Ok(status)
            }
            Some(written) => Ok(written),
            None => Ok(Status::Running(process)),
        }
    }

    fn is_starting(&self) -> io::Result<bool> {
        if disk::read::<Status>(&disk::status_path(&self.dir))?.is_some() {
            return Ok(false);
        }
        Ok(disk::open_lock(&self.dir)?.try_lock().is_err())
    }

    fn forget_status(&self) -> io::Result<()> {
        absent(&disk::status_path(&self.dir))
    }

    /// What its former life left is not the next one's. Whatever it put there keeps nobody from starting.
    fn forget_message(&self) {
        let path = disk::message_path(&self.dir);
        let forgotten = match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(&path),
            _ => absent(&path),
        };
        if let Err(error) = forgotten {
            let path = path.display();
            warn!(%path, %error, "the last message of a former life cannot be taken away");
        }
    }

    fn supervise(&self, starter: &Starter) -> io::Result<Child> {
        let (program, args) =
            starter.shim.split_first().ok_or_else(|| io::Error::other("no supervisor is named"))?;
        // A supervisor lives as long as its container: it must not keep the agent's secrets.
        let mut command = Command::new(program);
        command.args(args).arg(&self.dir).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }

    async fn abandon(&self, supervisor: &mut Child) {
        let _ = supervisor.start_kill();
        // Before it is reaped: until then nobody else can have its id, which is its session's.
        let session = supervisor.id().and_then(|pid| i32::try_from(pid).ok());
        self.kin(None).sweep_with(session);
        let _ = supervisor.wait().await;
    }

    fn kin(&self, process: Option<Process>) -> Kin {
        Kin::of(&self.dir, process)
    }

    fn failed(&self, error: &io::Error) -> ActuatorError {
        let dir = self.dir.display();
        ActuatorError::transient("RunContainerError", format!("failed to start {dir}: {error}"))
    }
}

/// Takes away a file of ours; that it is not there is as good.
fn absent(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn tell(seen: &mut ContainerObserved, process: &Process) {
    seen.id = process.pid.to_string();
    seen.started_ms = process.started_ms;
}

/// What a program of ours says first, and what it says behind that.
pub(crate) async fn first_word(child: &mut Child) -> io::Result<(String, BufReader<ChildStdout>)> {
    let out = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    let (mut out, mut line) = (BufReader::new(out), String::new());
    while out.read_line(&mut line).await? > 0 {
        if let Some((_, word)) = line.trim_end_matches('\n').split_once(MARK) {
            return Ok((word.to_owned(), out));
        }
        line.clear();
    }
    Err(io::Error::other("its supervisor ended without a word"))
}

fn reap(mut supervisor: Child, hints: broadcast::Sender<()>) {
    tokio::spawn(async move {
        let _ = supervisor.wait().await;
        let _ = hints.send(());
    });
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn whatever_stands_where_the_message_goes_is_gone_before_the_next_life() {
        let dir = tempfile::tempdir().expect("a folder");
        let cell = Cell::new(dir.path().to_owned());
        let path = disk::message_path(cell.dir());
        let kept = dir.path().join("kept");
        fs::write(&kept, "of somebody else").expect("written");
        let makers: [fn(&Path); 4] = [
            |_| (),
            |path| fs::write(path, "why").expect("written"),
            |path| fs::create_dir_all(path.join("deep/down")).expect("made"),
            |path| std::os::unix::fs::symlink("kept", path).expect("linked"),
        ];
        for make in makers {
            make(&path);
            cell.forget_message();
            assert!(fs::symlink_metadata(&path).is_err(), "it is gone");
        }
        assert!(kept.exists(), "a link is not followed");
    }

    #[test]
    fn a_message_that_cannot_be_taken_away_is_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        fs::write(&file, "no folder").expect("written");
        Cell::new(file.join("cell")).forget_message();
        assert!(file.exists());
    }
}
