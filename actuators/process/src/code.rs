//! The codes by which a shell, and Docker, tell how a program ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// There is no such program.
const ABSENT: i32 = 127;
/// It cannot be run.
const NOT_RUN: i32 = 126;
/// This and the number of the signal that ended it.
const OF_SIGNALS: i32 = 128;

/// Of a program that ended.
pub(crate) fn of(status: ExitStatus) -> i32 {
    let of_signal = || status.signal().map_or(NOT_RUN, |signal| OF_SIGNALS + signal);
    status.code().unwrap_or_else(of_signal)
}

/// Of one that never ran.
pub(crate) fn of_not_run(error: &io::Error) -> i32 {
    if error.kind() == io::ErrorKind::NotFound { ABSENT } else { NOT_RUN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_of_as_a_shell_does() {
        // As wait(2) has them: the code in the second byte, or the signal in the first.
        let statuses = [0, 7 << 8, 9].map(ExitStatus::from_raw);
        assert_eq!(statuses.map(of), [0, 7, 137]);
        let errors = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied];
        assert_eq!(errors.map(|kind| of_not_run(&kind.into())), [127, 126]);
    }
}
