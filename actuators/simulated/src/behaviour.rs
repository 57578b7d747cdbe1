//! How a simulated container behaves: as its command says, otherwise it runs until asked to end.

use setpoint_schemas::Container;

/// The program of a container that says how it behaves.
pub const PROGRAM: &str = "simulate";
/// `simulate last`: runs until it is asked to end.
pub const LAST: &str = "last";
/// `simulate stubborn`: runs and does not end when asked.
pub const STUBBORN: &str = "stubborn";
/// `simulate exit CODE AFTER_MS`: ends by itself.
pub const EXIT: &str = "exit";
/// `simulate unstartable`: cannot be started.
pub const UNSTARTABLE: &str = "unstartable";

/// How a container behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Lasts,
    Stubborn,
    Exits { code: i32, after_ms: i64 },
    Unstartable,
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
            _ => Behaviour::Lasts,
        }
    }
}
