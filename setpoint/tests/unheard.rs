//! A role whose lines nobody reads any more: `setpoint up 2>&1 | tee log`, and the reader is gone.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// An agent drains within seconds; the machine may be slow.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Long enough for lines that nobody hears: the API of this agent never answers.
const UNHEARD: Duration = Duration::from_secs(3);

#[test]
fn a_role_whose_reader_is_gone_goes_on_and_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut agent = Command::new(env!("CARGO_BIN_EXE_setpoint"))
        .args(["agent", "--name", "n1", "--runtime", "process", "-s", "http://127.0.0.1:1"])
        .arg("--data-dir")
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the agent starts");
    let mut lines = BufReader::new(agent.stderr.take().expect("it is piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("it says something");
    drop(lines);
    std::thread::sleep(UNHEARD);
    let ended = agent.try_wait().expect("its state");
    assert_eq!(ended, None, "it goes on");
    let pid = Pid::from_raw(i32::try_from(agent.id()).expect("a process id"));
    kill(pid, Signal::SIGTERM).expect("it is told to end");
    let status = ended_within(&mut agent, ENDS_WITHIN);
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{status:?}");
}

/// How it ended; `None` when it did not, and then it is killed.
fn ended_within(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < within {
        if let Some(status) = child.try_wait().expect("its state") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    None
}
