//! Files of a project: variables, `include`, `extends`, one tree in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::interpolate::Variables;
use super::merge::{merge, unmarked};
use super::{ComposeOptions, dotenv, tree};
use crate::bounds::{COMPOSE_FILES_MAX, EXTENDS_MAX};
use crate::problem::{Fault, FieldPath, Origin, Problem};
use crate::source::{self, Text};
use crate::{read, yaml};

/// A project's tree with its variables.
pub(crate) struct Files<'o> {
    options: &'o ComposeOptions,
    read: usize,
    /// Variables that were asked for and not set.
    pub(crate) unset: BTreeSet<String>,
}

/// A tree, and the folder and variables that it was read with.
pub(crate) struct Loaded {
    pub(crate) tree: Map<String, Value>,
    pub(crate) folder: PathBuf,
    pub(crate) variables: BTreeMap<String, String>,
    /// The variables of included services: those of their own project's `.env`.
    pub(crate) scopes: BTreeMap<String, Rc<BTreeMap<String, String>>>,
}

const SECTIONS: &[&str] = &["services", "configs", "secrets", "networks", "volumes", "models"];

impl<'o> Files<'o> {
    pub(crate) fn new(options: &'o ComposeOptions) -> Self {
        Files { options, read: 0, unset: BTreeSet::new() }
    }

    /// The whole tree of a project file: what it includes below it, its services extended.
    pub(crate) fn project(&mut self, text: &Text, folder: &Path) -> Result<Loaded, Problem> {
        self.project_with(&[text], folder, &[])
    }

    fn project_with(
        &mut self,
        texts: &[&Text],
        folder: &Path,
        env_files: &[PathBuf],
    ) -> Result<Loaded, Problem> {
        let variables = self.variables(folder, env_files)?;
        let (mut whole, mut scopes) = (json!({}), BTreeMap::new());
        for text in texts {
            let Value::Object(mut tree) = self.tree(text, &variables)? else {
                return Err(problem(text, "", "expected a map"));
            };
            let included = tree.remove("include");
            self.extend_all(text, &mut tree, folder, &variables)?;
            for include in included.iter().flat_map(listed) {
                let below = self.include(text, include, folder)?;
                scopes.extend(scopes_of(&below));
                self.join(text, &mut tree, below)?;
            }
            whole = merge(&whole, &Value::Object(tree), "");
        }
        let tree = match unmarked(whole) {
            Value::Object(tree) => tree,
            _ => Map::new(),
        };
        Ok(Loaded { tree, folder: folder.to_owned(), variables, scopes })
    }

    /// The caller's variables above those of the project's `.env`.
    fn variables(
        &mut self,
        folder: &Path,
        env_files: &[PathBuf],
    ) -> Result<BTreeMap<String, String>, Problem> {
        let default = [folder.join(".env")];
        let files = if env_files.is_empty() { &default[..] } else { env_files };
        let mut variables = self.options.variables.clone();
        for file in files {
            if env_files.is_empty() && !file.is_file() {
                continue;
            }
            let text = source::file_text(file)?;
            let outer = &self.options.variables;
            let found = dotenv::parse(&text.text, outer, false, &mut self.unset)
                .map_err(|why| problem(&text, "", &why))?;
            for (name, value) in found {
                if let Some(value) = value {
                    variables.entry(name).or_insert(value);
                }
            }
        }
        Ok(variables)
    }

    fn tree(&mut self, text: &Text, values: &BTreeMap<String, String>) -> Result<Value, Problem> {
        self.read += 1;
        if self.read > COMPOSE_FILES_MAX {
            let reason = format!("the project reads more than {COMPOSE_FILES_MAX} files: a loop?");
            return Err(problem(text, "", &reason));
        }
        let parsed = yaml::parse(&text.text)
            .map_err(|(number, broken)| read::problem_of(&text.name, number, &broken))?;
        let [document] = &parsed[..] else {
            return Err(problem(text, "", "a Compose file is exactly one document"));
        };
        let mut variables = Variables { values, unset: std::mem::take(&mut self.unset) };
        let outcome = tree::value(&document.node, &FieldPath::root(), &mut variables);
        self.unset = variables.unset;
        outcome.map_err(|problem| problem.at(&origin(text)))
    }

    fn include(&mut self, text: &Text, include: &Value, folder: &Path) -> Result<Loaded, Problem> {
        let (paths, wanted_folder, env_files) = match include {
            Value::String(path) => (vec![path.clone()], None, Vec::new()),
            Value::Object(entries) => (
                strings(entries.get("path")),
                entries.get("project_directory").and_then(Value::as_str),
                strings(entries.get("env_file")),
            ),
            _ => (Vec::new(), None, Vec::new()),
        };
        let Some(first) = paths.first() else {
            return Err(problem(text, "include", "expected a path, or a map with a path"));
        };
        let first = folder.join(first);
        let inner = wanted_folder.map_or_else(|| parent(&first), |wanted| folder.join(wanted));
        let mut texts = Vec::new();
        for path in &paths {
            texts.push(source::file_text(&folder.join(path))?);
        }
        let env_files: Vec<PathBuf> = env_files.iter().map(|file| folder.join(file)).collect();
        let mut loaded =
            self.project_with(&texts.iter().collect::<Vec<_>>(), &inner, &env_files)?;
        rebase_all(&mut loaded.tree, &inner, folder);
        Ok(loaded)
    }

    /// What is included must not be defined twice, unless alike.
    fn join(
        &mut self,
        text: &Text,
        tree: &mut Map<String, Value>,
        below: Loaded,
    ) -> Result<(), Problem> {
        for section in SECTIONS {
            let Some(Value::Object(included)) = below.tree.get(*section) else { continue };
            let own = tree.entry(*section).or_insert_with(|| json!({}));
            let Some(own) = own.as_object_mut() else { continue };
            for (name, value) in included {
                if own.get(name).is_some_and(|own| own != value) {
                    let path = format!("{section}.{name}");
                    return Err(problem(text, &path, "is included and defined here, differently"));
                }
                own.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    fn extend_all(
        &mut self,
        text: &Text,
        tree: &mut Map<String, Value>,
        folder: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        let Some(Value::Object(services)) = tree.get("services").cloned() else { return Ok(()) };
        let mut extended = Map::new();
        let here = Here { text, folder, variables, services: &services };
        for name in services.keys() {
            extended.insert(name.clone(), self.extended(&here, name, 0)?);
        }
        tree.insert("services".into(), Value::Object(extended));
        Ok(())
    }

    fn extended(&mut self, here: &Here<'_>, name: &str, depth: usize) -> Result<Value, Problem> {
        let path = format!("services.{name}.extends");
        let Some(service) = here.services.get(name) else {
            let reason = format!("there is no service {name:?} to extend");
            return Err(problem(here.text, "services", &reason));
        };
        let Some(mut own) = service.as_object().cloned() else { return Ok(service.clone()) };
        let Some(extends) = own.remove("extends") else { return Ok(service.clone()) };
        if depth >= EXTENDS_MAX {
            let reason = format!("more than {EXTENDS_MAX} services extend each other: a loop?");
            return Err(problem(here.text, &path, &reason));
        }
        let (file, base) = match &extends {
            Value::String(base) => (None, Some(base.as_str())),
            other => (
                other.get("file").and_then(Value::as_str),
                other.get("service").and_then(Value::as_str),
            ),
        };
        let base = base.ok_or_else(|| problem(here.text, &path, "expected a service"))?;
        let below = match file {
            None => self.extended(here, base, depth + 1)?,
            Some(file) => self.extended_from(here, &here.folder.join(file), base, depth)?,
        };
        Ok(merge(&below, &Value::Object(own), ""))
    }

    fn extended_from(
        &mut self,
        here: &Here<'_>,
        file: &Path,
        base: &str,
        depth: usize,
    ) -> Result<Value, Problem> {
        let text = source::file_text(file)?;
        let folder = parent(file);
        let tree = self.tree(&text, here.variables)?;
        let empty = Map::new();
        let services = tree.get("services").and_then(Value::as_object).unwrap_or(&empty);
        let there = Here { text: &text, folder: &folder, variables: here.variables, services };
        let mut service = self.extended(&there, base, depth + 1)?;
        rebase(&mut service, &folder, here.folder);
        Ok(service)
    }
}

struct Here<'h> {
    text: &'h Text,
    folder: &'h Path,
    variables: &'h BTreeMap<String, String>,
    services: &'h Map<String, Value>,
}

/// Paths of an included file's services, configs and secrets, seen from the including folder.
fn rebase_all(tree: &mut Map<String, Value>, from: &Path, to: &Path) {
    for section in ["services", "configs", "secrets"] {
        let Some(Value::Object(entries)) = tree.get_mut(section) else { continue };
        for entry in entries.values_mut() {
            rebase(entry, from, to);
        }
    }
}

/// Paths of files that we read, `env_file` and `file` of configs and secrets, and of bind mounts.
fn rebase(entry: &mut Value, from: &Path, to: &Path) {
    if from == to {
        return;
    }
    if let Some(file) = entry.get_mut("file") {
        rebase_path(file, from, to);
    }
    match entry.get_mut("env_file") {
        Some(Value::Array(files)) => files.iter_mut().for_each(|file| match file.get_mut("path") {
            Some(path) => rebase_path(path, from, to),
            None => rebase_path(file, from, to),
        }),
        Some(file) => rebase_path(file, from, to),
        None => {}
    }
    for volume in entry.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        rebase_volume(volume, from, to);
    }
}

/// The folder of a bind mount. In the short form only its beginning tells it from a volume's name; the
/// long form says which of the two it is, and a folder may have any name.
fn rebase_volume(volume: &mut Value, from: &Path, to: &Path) {
    let is_bind = volume.get("type").and_then(Value::as_str) == Some("bind");
    if let Some(source) = volume.get_mut("source") {
        let is_relative = |path: &str| !path.is_empty() && !path.starts_with(['/', '~']);
        if is_bind && source.as_str().is_some_and(is_relative) {
            rebase_path(source, from, to);
        }
        return;
    }
    let Some((source, rest)) = volume.as_str().and_then(|text| text.split_once(':')) else {
        return;
    };
    if source.starts_with('.') {
        let (mut path, rest) = (Value::String(source.to_owned()), rest.to_owned());
        rebase_path(&mut path, from, to);
        let path = path.as_str().unwrap_or_default();
        let mark = if path.starts_with(['/', '.']) { "" } else { "./" };
        *volume = Value::String(format!("{mark}{path}:{rest}"));
    }
}

fn rebase_path(value: &mut Value, from: &Path, to: &Path) {
    if let Value::String(path) = value {
        let whole = from.join(&*path);
        let seen = whole.strip_prefix(to).unwrap_or(&whole);
        *path = seen.display().to_string();
    }
}

/// The variables of each service of an included project.
fn scopes_of(below: &Loaded) -> BTreeMap<String, Rc<BTreeMap<String, String>>> {
    let own = Rc::new(below.variables.clone());
    let services = below.tree.get("services").and_then(Value::as_object);
    let names = services.into_iter().flat_map(Map::keys);
    let scope = |name: &String| below.scopes.get(name).cloned().unwrap_or_else(|| own.clone());
    names.map(|name| (name.clone(), scope(name))).collect()
}

fn listed(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.map(listed).unwrap_or_default();
    items.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn parent(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

pub(crate) fn origin(text: &Text) -> Origin {
    Origin { file: text.name.clone(), document: 1, line: 1 }
}

fn problem(text: &Text, path: &str, reason: &str) -> Problem {
    Problem::new(Fault::Value, FieldPath::of(path), reason).at(&origin(text))
}
