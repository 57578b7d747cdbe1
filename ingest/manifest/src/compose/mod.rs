//! Compose files to objects that the engine manages.
//!
//! A service becomes a Deployment (or, with `mode: global`, a DaemonSet) and a Service, configs and secrets
//! become ConfigMaps and Secrets with volumes. What a service said stays in an annotation.
//! Guarantee: a field that we do not act upon and that changes what runs is named.
//! Absent: building images, networks that keep services apart, volumes that outlast their pods.

mod interpolate;
mod dotenv;
mod units;
mod tree;
mod merge;
mod files;
mod fields;
mod making;
mod project;
mod service;
mod environment;
mod ports;
mod network;
mod deploy;
mod waits;
mod depends;
mod retries;
mod updates;
mod health;
mod hooks;
mod devices;
mod placement;
mod mounts;
mod claims;
mod volumes;
mod rights;
mod naming;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::gate::Ignored;
use crate::problem::Problem;
use crate::source::{self, Text};

/// How Compose files are read.
#[derive(Debug, Clone, Default)]
pub struct ComposeOptions {
    /// Variables for interpolation; above those of the project's `.env`.
    pub variables: BTreeMap<String, String>,
    /// Active profiles; `*` activates all.
    pub profiles: Vec<String>,
    /// The project's name; otherwise the file's `name`, `COMPOSE_PROJECT_NAME`, its folder's.
    pub project: Option<String>,
    /// Fields that change what runs and that we do not act upon are listed, not refused.
    pub allow_ignored: bool,
}

/// A project as objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// ConfigMaps and Secrets first, then workloads, each ready for the gate.
    pub objects: Vec<Value>,
    /// Fields that change what runs and that are not acted upon, when that was allowed.
    pub ignored: Vec<Ignored>,
    /// What the asker should know.
    pub warnings: Vec<String>,
}

/// Whether a document is a Compose file: it has `services` or `include`, and no `apiVersion`.
#[must_use]
pub fn is_compose(value: &Value) -> bool {
    let Some(entries) = value.as_object() else { return false };
    let has = |name: &str| entries.contains_key(name);
    !has("apiVersion") && !has("kind") && (has("services") || has("include"))
}

/// Reads a project from its file and what that includes.
///
/// # Errors
/// Everything that is wrong with it, each with file, path and reason.
pub fn read_project(path: &Path, options: &ComposeOptions) -> Result<Project, Vec<Problem>> {
    let text = source::file_text(path).map_err(|problem| vec![problem])?;
    read_text(&text, options)
}

/// Reads a project from a text; files that it names are looked up beside it.
pub(crate) fn read_text(text: &Text, options: &ComposeOptions) -> Result<Project, Vec<Problem>> {
    project::made(text, options)
}
