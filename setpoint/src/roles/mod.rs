//! The roles: each runs until it is told to stop.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

mod signals;
mod files;

pub(crate) mod former;

pub mod up;
pub mod engine;
pub mod agent;

/// Makes a folder for data, and those above it, where they are not there: only who runs this may
/// look into it, for the log holds what people wrote.
pub(crate) fn data_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The first argument with which this program becomes the supervisor of a container.
const SHIM: &str = "container-shim";

/// What this program must be before it reads its command line: the supervisor of a container, when
/// the process runtime started it as one. `None` for everyone else.
#[must_use]
pub fn before_main() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let is_shim = arguments.next().is_some_and(|first| first == SHIM);
    let folder = arguments.next().filter(|_| is_shim)?;
    Some(setpoint_actuator_process::shim::run(Path::new(&folder)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_for_data_are_made_for_their_owner_alone() {
        let root = tempfile::tempdir().expect("a folder");
        let inner = root.path().join("data/agents");
        super::data_folder(&inner).expect("it is made");
        super::data_folder(&inner).expect("it is there");
        for folder in ["data", "data/agents"] {
            let found = std::fs::metadata(root.path().join(folder)).expect("it is there");
            assert_eq!(found.permissions().mode() & 0o777, 0o700, "{folder}");
        }
    }
}
