//! A project: its name, its services in their order, what they need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::{Files, Loaded, origin};
use super::making::{Making, kubernetes_name};
use super::waits::{self, Waits};
use super::{ComposeOptions, Project, claims, fields, mounts, network, service};
use crate::gate::Ignored;
use crate::gate::cursor::Cursor;
use crate::problem::{Fault, FieldPath, Problem};
use crate::source::Text;

pub(crate) fn made(text: &Text, options: &ComposeOptions) -> Result<Project, Vec<Problem>> {
    let folder = text.path.as_deref().and_then(Path::parent).map_or_else(PathBuf::new, Into::into);
    let mut files = Files::new(options);
    let loaded = files.project(text, &folder).map_err(|problem| vec![problem])?;
    let mut making = Making {
        project: name(text, &loaded, options),
        folder: &loaded.folder,
        variables: &loaded.variables,
        tree: &loaded.tree,
        problems: Vec::new(),
        not_acted_on: Vec::new(),
        scopes: &loaded.scopes,
        unset: files.unset,
        warnings: Vec::new(),
        objects: Vec::new(),
        waits: Waits::default(),
    };
    let whole = Value::Object(loaded.tree.clone());
    making.check(&Cursor::new(&whole), fields::PROJECT);
    if making.problems.is_empty() {
        parts(&mut making, options);
    }
    finished(text, making, options)
}

fn parts(making: &mut Making<'_>, options: &ComposeOptions) {
    let services = making.section("services");
    let active = active(making, &services, options);
    dependencies(making, &services, &active);
    making.waits = Waits::of(&services, &active);
    mounts::objects(making, &services, &active);
    claims::objects(making, &services, &active);
    let aliases = network::aliases(making, &services);
    let mut names = BTreeMap::new();
    for (name, service) in services.entries() {
        if !active.contains(name) {
            making
                .warnings
                .push(format!("service {name} is left out: none of its profiles is active"));
            continue;
        }
        if let Some(other) = names.insert(making.object_name(name), name) {
            making
                .refuse(&service, format!("has the same name as {other} in Kubernetes' spelling"));
        }
        service::make(making, name, &service, &aliases[name]);
    }
}

fn finished(
    text: &Text,
    making: Making<'_>,
    options: &ComposeOptions,
) -> Result<Project, Vec<Problem>> {
    let mut problems = making.problems;
    let mut ignored = Vec::new();
    for (path, reason) in making.not_acted_on {
        if options.allow_ignored {
            ignored.push(Ignored { path, reason });
        } else {
            problems.push(crate::gate::refused(&path, &reason));
        }
    }
    if !problems.is_empty() {
        return Err(problems.into_iter().map(|problem| problem.at(&origin(text))).collect());
    }
    let mut warnings: Vec<String> = making.unset.iter().map(|name| unset(name)).collect();
    warnings.extend(making.warnings);
    let (name, objects) = (making.project, making.objects);
    Ok(Project { name, objects, ignored, warnings })
}

/// The option's, the file's, the variable's, the folder's; `compose` when there is none.
fn name(text: &Text, loaded: &Loaded, options: &ComposeOptions) -> String {
    let file = loaded.tree.get("name").and_then(Value::as_str).map(str::to_owned);
    let variable = loaded.variables.get("COMPOSE_PROJECT_NAME").cloned();
    let whole = text.path.as_deref().and_then(|path| path.canonicalize().ok());
    let folder = whole.as_deref().and_then(Path::parent).and_then(Path::file_name);
    let folder = folder.and_then(|name| name.to_str()).map(str::to_owned);
    let named = options.project.clone().or(file).or(variable).or(folder).unwrap_or_default();
    let name = kubernetes_name(&named);
    if name.is_empty() { "compose".to_owned() } else { name }
}

fn unset(name: &str) -> String {
    format!("the variable {name} is not set; a blank string stands in")
}

/// Services without profiles, and those with an active one.
fn active<'v>(
    making: &Making<'_>,
    services: &Cursor<'v>,
    options: &ComposeOptions,
) -> BTreeSet<&'v str> {
    let variable = making.variables.get("COMPOSE_PROFILES").filter(|_| options.profiles.is_empty());
    let named = variable.map(|text| text.split(',').map(|name| name.trim().to_owned()).collect());
    let wanted: Vec<String> = named.unwrap_or_else(|| options.profiles.clone());
    let is_active = |service: &Cursor<'_>| {
        let profiles = service.field("profiles").items();
        let wants = |profile: &Cursor<'_>| wanted.iter().any(|w| w == "*" || w == profile.text());
        profiles.is_empty() || profiles.iter().any(wants)
    };
    let entries = services.entries().into_iter();
    entries.filter(|(_, service)| is_active(service)).map(|(name, _)| name).collect()
}

/// Services that are waited for must exist, and not wait for each other in a circle.
fn dependencies(making: &mut Making<'_>, services: &Cursor<'_>, active: &BTreeSet<&str>) {
    let mut graph: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, service) in services.entries() {
        for (dependency, at) in waits::dependencies(&service) {
            let required = at.field("required").value != &Value::Bool(false);
            if services.get(&dependency).is_none() && required {
                making.refuse(&at, format!("there is no service {dependency:?}"));
            } else if !active.contains(dependency.as_str()) && active.contains(name) && required {
                making.refuse(&at, format!("the service {dependency:?} is not active"));
            }
            graph.entry(name.to_owned()).or_default().push(dependency);
        }
    }
    if let Some(circle) = circle(&graph) {
        let at = FieldPath::root().field("services").field(&circle[0]).field("depends_on");
        let reason = format!("services wait for each other in a circle: {}", circle.join(" -> "));
        making.tell(Problem::new(Fault::Value, at, reason));
    }
}

/// A circle of the graph, if there is one: takes away what waits for nothing, again and again.
fn circle(graph: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    let mut left: BTreeMap<&str, Vec<&str>> = graph
        .iter()
        .map(|(name, needs)| (name.as_str(), needs.iter().map(String::as_str).collect()))
        .collect();
    loop {
        let waiting: BTreeSet<&str> = left.keys().copied().collect();
        let before = left.len();
        left.retain(|_, needs| needs.iter().any(|need| waiting.contains(need)));
        if left.len() == before {
            break;
        }
    }
    let mut path = vec![*left.keys().next()?];
    loop {
        let last = *path.last()?;
        let next = *left.get(last)?.iter().find(|need| left.contains_key(**need))?;
        if let Some(start) = path.iter().position(|name| *name == next) {
            let mut circle: Vec<String> = path[start..].iter().map(|n| (*n).to_owned()).collect();
            circle.push(next.to_owned());
            return Some(circle);
        }
        path.push(next);
    }
}
