//! What the program becomes that a session starts: the command itself.
//!
//! It is this program, started anew with the session's folder as its last argument. It leads a
//! session of processes of its own, opens the terminal if it has one, and is replaced by the command:
//! so the command's id, its end and its terminal are those of the process that the agent has started.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::unistd::setsid;

use crate::disk::{self, RunFile, SessionFile};
use crate::word::{STARTED, say};
use crate::{code, kin};

/// Becomes the command of this session, or ends as a shell does that cannot. Returns only when it never began.
pub(crate) fn run(folder: &Path) -> ExitCode {
    match become_it(folder) {
        Ok((program, error)) => {
            eprintln!("failed to run {program:?}: {error}");
            // Whatever this program is: its end is the command's.
            std::process::exit(code::of_not_run(&error))
        }
        Err(error) => {
            say(&format!("failed to begin in {}: {error}", folder.display()));
            ExitCode::FAILURE
        }
    }
}

/// The program, and why it does not run.
fn become_it(folder: &Path) -> io::Result<(String, io::Error)> {
    let unwritten = || io::Error::other("it is not written how it starts");
    let session = disk::read::<SessionFile>(&disk::session_path(folder))?.ok_or_else(unwritten)?;
    let run = disk::read::<RunFile>(&disk::run_path(folder))?.ok_or_else(unwritten)?;
    let (program, arguments) =
        run.argv.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    // It fails only for a process that leads a group already, which then is as good.
    let _ = setsid();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(run.env.iter().map(|(name, value)| (name, value)));
    // Last, so that no manifest takes it away.
    command.env(kin::MARK, folder).current_dir(&run.dir);
    if let Some(terminal) = &session.terminal {
        // The first terminal that the leader of a session opens is the session's.
        let terminal = OpenOptions::new().read(true).write(true).open(terminal)?;
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    }
    if run.no_new_privileges {
        // What this program becomes has this from it, and cannot take it back.
        nix::sys::prctl::set_no_new_privs()?;
    }
    say(STARTED);
    Ok((program.clone(), command.exec()))
}
