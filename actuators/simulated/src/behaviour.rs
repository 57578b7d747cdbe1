//! How a simulated container behaves: as its command says, otherwise it runs until asked to end. How
//! a command that is run in one ends: as it says, otherwise as the plant was told.

use setpoint_actuators::{ExecEnd, OUTPUT_BYTES_MAX};
use setpoint_schemas::Container;

/// The program of a container that says how it behaves; its `args` are the lines that it writes, one each
/// hundredth of a second. Also of a command beside it.
pub const PROGRAM: &str = "simulate";
/// `simulate last`: runs until it is asked to end.
pub const LAST: &str = "last";
/// `simulate stubborn`: runs and does not end when asked.
pub const STUBBORN: &str = "stubborn";
/// `simulate exit CODE AFTER_MS`: ends by itself. Of a command: `simulate exit CODE`, at once.
pub const EXIT: &str = "exit";
/// `simulate leave TEXT CODE`: leaves this as its last message and ends by itself with this code.
pub const LEAVE: &str = "leave";
/// `simulate unstartable`: cannot be started.
pub const UNSTARTABLE: &str = "unstartable";

/// `simulate echo`, of a command: writes back what it reads, until that ends.
pub const ECHO: &str = "echo";
/// `simulate write BYTES`, of a command: writes so many.
pub const WRITE: &str = "write";
/// `simulate say TEXT CODE`: a command that writes this and ends with this code.
pub const SAY: &str = "say";
/// `simulate variable NAME`: a command that writes the value of the container's variable.
pub const VARIABLE: &str = "variable";
/// `simulate hang`: a command that does not end.
pub const HANG: &str = "hang";

/// How a command ends that is run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Ends(ExecEnd),
    Hangs,
}

impl Answer {
    /// Of a command, in a container of this environment that answers with this code otherwise.
    pub(crate) fn of(command: &[String], env: &[(String, String)], code: i32) -> Self {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let (exit_code, text) = match words.as_slice() {
            [PROGRAM, HANG] => return Answer::Hangs,
            [PROGRAM, SAY, text, code] => (code.parse().unwrap_or(1), *text),
            [PROGRAM, VARIABLE, name] => {
                let value = env.iter().rev().find(|(known, _)| known == name);
                (0, value.map_or("", |(_, value)| value))
            }
            _ => (code, ""),
        };
        let kept = text.bytes().take(OUTPUT_BYTES_MAX);
        Answer::Ends(ExecEnd { exit_code, output: kept.collect() })
    }
}

/// How a container behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Lasts,
    Stubborn,
    Exits { code: i32, after_ms: i64 },
    Unstartable,
}

/// The lines that a container writes, if it says how it behaves.
pub(crate) fn lines(container: &Container) -> Vec<String> {
    let is_ours = container.command.first().is_some_and(|program| program == PROGRAM);
    if is_ours { container.args.clone() } else { Vec::new() }
}

/// What a container leaves as its last message; nothing where it does not say.
pub(crate) fn left(container: &Container) -> String {
    match container.command.as_slice() {
        [program, leave, text, _] if program == PROGRAM && leave == LEAVE => text.clone(),
        _ => String::new(),
    }
}

impl Behaviour {
    pub(crate) fn of(container: &Container) -> Self {
        let words: Vec<&str> = container.command.iter().map(String::as_str).collect();
        match words.as_slice() {
            [PROGRAM, STUBBORN] => Behaviour::Stubborn,
            [PROGRAM, UNSTARTABLE] => Behaviour::Unstartable,
            [PROGRAM, EXIT, code, after_ms] => Behaviour::Exits {
                code: code.parse().unwrap_or(1),
                after_ms: after_ms.parse().unwrap_or(0),
            },
            [PROGRAM, LEAVE, _, code] => {
                Behaviour::Exits { code: code.parse().unwrap_or(1), after_ms: 0 }
            }
            _ => Behaviour::Lasts,
        }
    }
}
