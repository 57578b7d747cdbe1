//! The roles: each runs until it is told to stop.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

use setpoint_agent::AgentError;

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

/// Whether a role ended because another agent took its node: started again it would take that back.
pub(crate) fn is_taken(error: &anyhow::Error) -> bool {
    let taken = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(AgentError::Superseded { .. }))
    };
    error.chain().any(taken)
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

    use anyhow::Context as _;
    use setpoint_agent::{AgentError, PodsLeft};
    use setpoint_schemas::{NodeName, SessionId};

    #[test]
    fn an_agent_whose_node_another_took_is_told_from_one_that_failed() {
        let node = NodeName::parse("node-2").expect("a name");
        let by = SessionId::parse("later").expect("an id");
        let taken = AgentError::Superseded { node, by, pods: PodsLeft::Stopped };
        let taken = Err::<(), _>(taken).context("the agent stopped").expect_err("it ended");
        assert!(super::is_taken(&taken), "{taken:#}");
        let broken = AgentError::Broken { why: "a panic".to_owned() };
        let broken = Err::<(), _>(broken).context("the agent stopped").expect_err("it ended");
        assert!(!super::is_taken(&broken), "{broken:#}");
    }

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
