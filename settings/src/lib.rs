//! The settings of every role, and where each of them came from.
//!
//! Guarantee: flags win over the environment, the environment over the file, the file over the
//! defaults; a key that nobody knows is an error that names it and its source.
//! This is the only crate that reads the environment.
//! Absent: anything that acts on a setting.

mod properties;
mod secret;
mod section;
mod pressure;
mod settings;
mod token;

mod check;
mod coerce;
mod error;
mod load;
mod unknown;
mod source;

pub use error::{Problem, SettingsError};
pub use load::{Loaded, load};
pub use pressure::PressureSettings;
pub use properties::Properties;
pub use secret::Secret;
pub use section::{
    AgentSettings, ApiSettings, ClientSettings, DockerSettings, EngineSettings, LogKind,
    LogSettings, NO_DEVICES, PaceSettings, Runtime, SchemaRegistrySettings, ServicesSettings,
    SimulatedSettings, TraceFormat, TraceSettings, UpSettings,
};
pub use settings::Settings;
pub use source::{FILES_DEFAULT, Flag, Sources, process_environment};
pub use token::{Role, Token};
pub use unknown::Unknown;
