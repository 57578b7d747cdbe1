//! What can be wrong with settings.

use std::fmt;
use std::path::PathBuf;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that was named, or found, cannot be read.
    #[error("failed to read settings file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is neither `.yaml`, `.yml` nor `.toml`.
    #[error("failed to read settings file {path}: its name ends in none of .yaml, .yml, .toml")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// One or more settings are invalid; all are named.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// One setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `api.address`; empty when the whole source is meant.
    pub key: String,
    /// Where the value came from, such as `environment variable SETPOINT_API__ADDRESS`.
    pub origin: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "invalid settings from {}: {}", self.origin, self.why),
            key => write!(f, "invalid setting {key} from {}: {}", self.origin, self.why),
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
