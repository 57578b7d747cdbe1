//! Where settings come from. Reading the process's own environment happens here and nowhere else.

use std::path::{Path, PathBuf};

/// Where a settings file is looked for when none is named: the first that exists.
pub const FILES_DEFAULT: [&str; 2] = ["./setpoint.yaml", "/etc/setpoint/setpoint.yaml"];

/// What variables of ours begin with.
pub(crate) const PREFIX: &str = "SETPOINT_";
/// The variable that names the settings file.
const CONFIG_VARIABLE: &str = "SETPOINT_CONFIG";

/// A setting from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The key, such as `api.address`.
    pub key: String,
    /// The flag as the user wrote it, such as `--listen`.
    pub flag: String,
    /// The value, as written.
    pub value: String,
}

impl Flag {
    /// A flag that sets a key.
    #[must_use]
    pub fn new(flag: &str, key: &str, value: impl Into<String>) -> Self {
        Flag { key: key.to_owned(), flag: flag.to_owned(), value: value.into() }
    }
}

/// All that settings are made from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// From the command line, the latest last.
    pub flags: Vec<Flag>,
    /// Variables of the environment; others than ours may be among them.
    pub environment: Vec<(String, String)>,
    /// The file; `None` for none.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// The command line's flags, this process's environment, and the file: the one that
    /// `--config` or `SETPOINT_CONFIG` names, else the first of [`FILES_DEFAULT`] that exists.
    #[must_use]
    pub fn of_process(flags: Vec<Flag>, config: Option<PathBuf>) -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let environment: Vec<(String, String)> =
            std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        let named = environment.iter().find(|(name, _)| name == CONFIG_VARIABLE);
        let found = || FILES_DEFAULT.iter().map(PathBuf::from).find(|path| Path::exists(path));
        let file = config.or_else(|| named.map(|(_, path)| PathBuf::from(path))).or_else(found);
        Sources { flags, environment, file }
    }
}

/// All variables of this process, by name. What is not UTF-8 is replaced. For what must hand
/// variables on: interpolation in Compose files, `PATH` of the process runtime.
#[must_use]
pub fn process_environment() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let mut variables: Vec<(String, String)> =
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    variables.sort_unstable();
    variables
}
