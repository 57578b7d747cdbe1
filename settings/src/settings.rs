//! The whole tree of settings, with its defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use setpoint_schemas::FleetId;

use crate::{
    AgentSettings, ApiSettings, ClientSettings, EngineSettings, LogSettings, TraceSettings,
    UpSettings,
};

/// All settings. In a file these are the top-level keys; in the environment `SETPOINT_FLEET` and
/// `SETPOINT_DATA_DIR`, and `SETPOINT_SECTION__KEY` for what lies in a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The fleet. It is on every label that we write: what carries another id is not ours.
    pub fleet: FleetId,
    /// Where the embedded log, the checkpoint and the agents' memory lie.
    pub data_dir: PathBuf,
    /// The log.
    pub log: LogSettings,
    /// The HTTP API that an engine serves.
    pub api: ApiSettings,
    /// The engine.
    pub engine: EngineSettings,
    /// The agent of a node.
    pub agent: AgentSettings,
    /// Everything on one machine.
    pub up: UpSettings,
    /// The client verbs.
    pub client: ClientSettings,
    /// What the roles print about themselves.
    pub trace: TraceSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            fleet: FleetId::parse("setpoint").expect("the default follows the grammar"),
            data_dir: PathBuf::from("./.setpoint"),
            log: LogSettings::default(),
            api: ApiSettings::default(),
            engine: EngineSettings::default(),
            agent: AgentSettings::default(),
            up: UpSettings::default(),
            client: ClientSettings::default(),
            trace: TraceSettings::default(),
        }
    }
}
