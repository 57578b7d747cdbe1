//! What a process that we started anew says of itself, once, on its standard output, before it becomes
//! what it is for.

use std::io::{self, Write};

/// Before what it says: the program that it is may have said something already.
pub(crate) const MARK: &str = "setpoint-shim: ";
/// What it says when all is well.
pub(crate) const STARTED: &str = "started";

/// Says it in a line.
pub(crate) fn say(line: &str) {
    // Whoever started us may be gone.
    let _ = writeln!(io::stdout(), "{MARK}{}", line.replace('\n', " "));
    let _ = io::stdout().flush();
}
