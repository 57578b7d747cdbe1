//! Compose files to objects that the engine manages.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::gate::Ignored;
use crate::problem::Problem;

/// The annotation that says that a workload's pods may end: they are not started anew.
pub const ANNOTATION_RUNS_ONCE: &str = "setpoint.dev/runs-once";
/// The annotation with the Compose source of a workload.
pub const ANNOTATION_SOURCE: &str = "setpoint.dev/compose-source";
/// The annotation that says which comes first in an update.
pub const ANNOTATION_UPDATE_ORDER: &str = "setpoint.dev/update-order";
/// The label with the project's name.
pub const LABEL_PROJECT: &str = "setpoint.dev/compose-project";
/// The label with the service's name.
pub const LABEL_SERVICE: &str = "setpoint.dev/compose-service";

/// How Compose files are read.
#[derive(Debug, Clone, Default)]
pub struct ComposeOptions {
    /// Variables for interpolation; above those of `.env`.
    pub variables: BTreeMap<String, String>,
    /// Active profiles.
    pub profiles: Vec<String>,
    /// The project's name; otherwise the file's `name`, otherwise its folder's.
    pub project: Option<String>,
    /// Fields that are not acted on are listed, not refused.
    pub allow_ignored: bool,
}

/// A project as objects.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its objects.
    pub objects: Vec<Value>,
    /// Fields that are not acted on.
    pub ignored: Vec<Ignored>,
    /// What the asker should know.
    pub warnings: Vec<String>,
}

/// Whether a document is a Compose file.
#[must_use]
pub fn is_compose(value: &Value) -> bool {
    let Some(entries) = value.as_object() else { return false };
    let has = |name: &str| entries.contains_key(name);
    !has("apiVersion") && !has("kind") && (has("services") || has("include"))
}

/// Reads a project.
///
/// # Errors
/// What is wrong.
pub fn read_project(_path: &Path, _options: &ComposeOptions) -> Result<Project, Vec<Problem>> {
    Err(Vec::new())
}

pub(crate) fn read_text(_name: &str, _text: &str, _path: &Path, _options: &ComposeOptions) -> Result<Project, Vec<Problem>> {
    Err(Vec::new())
}
