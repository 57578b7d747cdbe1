//! Why an agent cannot work at all. What may pass is not an error but retried.

use std::fmt;
use std::io;
use std::path::PathBuf;

use setpoint_schemas::{NodeName, SessionId};

/// Why an agent cannot work at all.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its state folder cannot be used.
    #[error("failed to use the agent's state in {path}")]
    State {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent works with the same state folder.
    #[error("another agent works with the state folder {path}")]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// The state folder belongs to another fleet or node.
    #[error("the state folder {path} belongs to fleet {fleet}, node {node}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        fleet: String,
        /// Whose it is.
        node: String,
    },
    /// Another agent took the node. Exit code 3: starting again would take it back.
    #[error(
        "another agent (session {by}) registered as node {node} after this one, which ends so that \
         the two do not fight; {pods}. Give each agent its own name"
    )]
    Superseded {
        /// The node.
        node: NodeName,
        /// The life of the agent that has it now.
        by: SessionId,
        /// What became of the pods that ran here.
        pods: PodsLeft,
    },
    /// A task of the agent broke, which is a fault in it. Its pods run on; started again it finds
    /// them.
    #[error("a part of the agent broke: {why}; its pods run on, start it again")]
    Broken {
        /// What it said.
        why: String,
    },
    /// Other nodes could not reach the pods of this one.
    #[error(
        "failed to listen for other nodes at {address}, port {port} (agent.services.ferry_port)"
    )]
    Ferry {
        /// The node's address.
        address: String,
        /// The port; 0 for any.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The settings of the client of the API cannot be used.
    #[error("failed to prepare the client of the API: {why}")]
    Client {
        /// Why.
        why: String,
    },
}

/// What became of the pods of an agent whose node another one took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodsLeft {
    /// The other agent works on the same containers, or does not say on which: they run on.
    Running,
    /// The other agent works elsewhere and runs them there: they were stopped here.
    Stopped,
    /// So they should have been, and this many still run.
    Remaining(usize),
}

impl fmt::Display for PodsLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PodsLeft::Running => f.write_str("its pods run on"),
            PodsLeft::Stopped => f.write_str("its pods are stopped, for they run elsewhere now"),
            PodsLeft::Remaining(pods) => {
                write!(f, "{pods} of its pods could not be stopped and run here as well as there")
            }
        }
    }
}
