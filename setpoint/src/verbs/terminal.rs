//! The terminal in front of the user, handed over to a command.
//!
//! Guarantee: it is as it was on every way out that runs destructors; signals that would end the program
//! are waited for instead ([`crate::verbs::exec`]).

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// A terminal that passes on every key as it is typed, until this is dropped.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// From now on.
    pub(crate) fn begin() -> io::Result<Raw> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // What is still on its way to the screen is shown as it was meant.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Columns and rows; `None` where there is no terminal.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin())).ok()?;
    Some((size.ws_col, size.ws_row))
}
