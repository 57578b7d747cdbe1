//! `delete`: what a manifest names, or what is named; each of it, whatever becomes of the others.
//!
//! The named volumes of a Compose file stay with their data, as with `docker compose down`, unless they
//! are asked for too.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use setpoint_ingest_manifest::LABEL_PROJECT;

use crate::client::{ApiError, KindPath};
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{list, name, namespace, shown, text};
use crate::verbs::manifest::Files;
use crate::verbs::object::{named, path_of};
use crate::verbs::wait::{Look, duration, until};

/// Delete objects by manifest, by name or by label
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint delete -f web.yaml
  setpoint delete -f compose.yaml --volumes
  setpoint delete deployment web
  setpoint delete deployment web --cascade=foreground --wait
  setpoint delete cronjob report --cascade=orphan
  setpoint delete deployment/web configmap/web --ignore-not-found
  setpoint delete pods -l app=web")]
pub(crate) struct Delete {
    /// KIND NAME..., KIND/NAME..., or KIND with -l or --all
    words: Vec<String>,
    /// A file, a folder, or `-` for standard input; may be repeated
    #[arg(long = "filename", short = 'f', value_name = "FILE", conflicts_with = "words")]
    files: Vec<std::path::PathBuf>,
    /// Folders within folders too
    #[arg(long, short = 'R')]
    recursive: bool,
    /// The named volumes of a Compose file too, with their data
    #[arg(long, short = 'v', requires = "files")]
    volumes: bool,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// Only objects with these labels
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,
    /// All objects of the kind in the namespace
    #[arg(long, conflicts_with = "selector")]
    all: bool,
    /// What is not there is no failure
    #[arg(long)]
    ignore_not_found: bool,
    /// What becomes of what they own: it goes after them, before them, or is let go and stays
    #[arg(long, value_enum, value_name = "HOW")]
    cascade: Option<Cascade>,
    /// Wait until they are gone
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "2m", value_name = "TIME")]
    timeout: Duration,
}

/// What becomes of what an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cascade {
    Background,
    Foreground,
    Orphan,
}

impl Cascade {
    /// As `DeleteOptions` say it.
    fn options(self) -> Value {
        let policy = match self {
            Cascade::Background => "Background",
            Cascade::Foreground => "Foreground",
            Cascade::Orphan => "Orphan",
        };
        json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy})
    }
}

/// One object to delete.
struct Target {
    path: KindPath,
    namespace: String,
    name: String,
    /// Whether it was found by a look and not named: it may have gone since.
    was_found: bool,
}

impl Target {
    fn shown(&self) -> String {
        self.path.shown(&self.name)
    }

    fn url(&self) -> String {
        self.path.object(&self.namespace, &self.name)
    }
}

pub(crate) async fn run(delete: Delete, cx: &mut Context) -> Result<Ended, Failure> {
    let targets = match delete.files.is_empty() {
        true => of_words(&delete, cx).await?,
        false => of_files(&delete, cx).await?,
    };
    if targets.is_empty() {
        note("No resources found");
    }
    let mut failed: Vec<(&Target, ApiError)> = Vec::new();
    for target in &targets {
        let may_be_gone = delete.ignore_not_found || target.was_found;
        match ask(&delete, target, cx).await {
            Ok(_) => cx.out.line(format!("{} deleted", target.shown()))?,
            Err(error) if error.is_not_found() && may_be_gone => {
                note(format!("{} is not there", target.shown()));
            }
            // Nobody hears the rest either.
            Err(error @ ApiError::Unreachable { .. }) => {
                failed.push((target, error));
                return refused(failed, targets.len());
            }
            Err(error) => failed.push((target, error)),
        }
    }
    if delete.wait {
        let is_refused = |target: &Target| failed.iter().any(|(one, _)| std::ptr::eq(*one, target));
        for target in targets.iter().filter(|target| !is_refused(target)) {
            gone(target, delete.timeout, cx).await?;
        }
    }
    refused(failed, targets.len())
}

/// A failure that tells of each that was not deleted; none when all are.
fn refused(mut failed: Vec<(&Target, ApiError)>, all: usize) -> Result<Ended, Failure> {
    match failed.len() {
        0 => Ok(Ended::Well),
        1 => {
            let (target, error) = failed.remove(0);
            Err(error.during(format!("failed to delete {}", target.shown())))
        }
        count => {
            let failure = Failure::new(format!("failed to delete {count} of {all} objects"));
            let each = failed.into_iter();
            Err(each.fold(failure, |failure, (target, error)| failure.at(target.shown(), error)))
        }
    }
}

async fn of_files(delete: &Delete, cx: &mut Context) -> Result<Vec<Target>, Failure> {
    let mut files = Files::only(delete.files.clone());
    files.recursive = delete.recursive;
    files.allow_ignored = true;
    let mut targets = Vec::new();
    // The last first: what came later may need what came before, such as its namespace.
    let given = delete.namespace.as_deref();
    for item in files.read("delete", &cx.namespace(given), given)?.iter().rev() {
        if is_volume_of_compose(&item.object) && !delete.volumes {
            let kept = shown(&item.object);
            cx.out.line(format!("{kept} kept with its data; --volumes deletes it too"))?;
            continue;
        }
        let path = path_of(&cx.client, &item.object).await;
        targets.push(Target {
            path: path
                .map_err(|error| error.during(format!("failed to delete {}", item.origin)))?,
            namespace: namespace(&item.object).to_owned(),
            name: name(&item.object).to_owned(),
            was_found: false,
        });
    }
    Ok(targets)
}

/// Whether an object is a named volume of a Compose project: data that outlives its containers.
fn is_volume_of_compose(object: &Value) -> bool {
    let labels = object.pointer("/metadata/labels");
    text(object, "/kind") == "PersistentVolumeClaim"
        && labels.is_some_and(|labels| labels.get(LABEL_PROJECT).is_some())
}

async fn of_words(delete: &Delete, cx: &Context) -> Result<Vec<Target>, Failure> {
    let home = cx.namespace(delete.namespace.as_deref());
    let mut targets = Vec::new();
    for found in named(cx, &delete.words).await? {
        match found.name {
            Some(name) => {
                let (path, namespace) = (found.path, home.clone());
                targets.push(Target { path, namespace, name, was_found: false });
            }
            None if delete.all || delete.selector.is_some() => {
                targets.extend(listed(delete, found.path, &home, cx).await?);
            }
            None => {
                return Err(Failure::usage("nothing to delete was named")
                    .remedy("name it, or say --all or -l SELECTOR"));
            }
        }
    }
    Ok(targets)
}

async fn listed(
    delete: &Delete,
    path: KindPath,
    home: &str,
    cx: &Context,
) -> Result<Vec<Target>, Failure> {
    let query: Vec<_> =
        delete.selector.iter().map(|selector| ("labelSelector", selector.clone())).collect();
    let answer = cx.client.get(&path.list(Some(home)), &query).await;
    let answer = answer.map_err(|error| error.during(format!("failed to list {}", path.plural)))?;
    let target = |object| Target {
        path: path.clone(),
        namespace: namespace(object).to_owned(),
        name: name(object).to_owned(),
        was_found: true,
    };
    Ok(list(&answer, "/items").iter().map(target).collect())
}

async fn ask(delete: &Delete, target: &Target, cx: &Context) -> Result<Value, ApiError> {
    match delete.cascade {
        Some(cascade) => cx.client.delete_with(&target.url(), &cascade.options()).await,
        None => cx.client.delete(&target.url()).await,
    }
}

async fn gone(target: &Target, timeout: Duration, cx: &Context) -> Result<(), Failure> {
    let (shown, path) = (target.shown(), target.url());
    until(&format!("failed to see {shown} gone"), timeout, async || {
        Ok(match cx.client.find(&path).await? {
            None => Look::Holds(()),
            Some(object) => Look::NotYet(format!("{shown} is still there{}", held_by(&object))),
        })
    })
    .await
}

/// What holds an object that is being deleted.
fn held_by(object: &Value) -> String {
    let names: Vec<&str> =
        list(object, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    if names.is_empty() || text(object, "/metadata/deletionTimestamp").is_empty() {
        return String::new();
    }
    format!(", held by {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_an_object_is_said_while_it_is_being_deleted() {
        let metadata = json!({"finalizers": ["a.b/c", "orphan"],
            "deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(held_by(&json!({"metadata": metadata})), ", held by a.b/c, orphan");
        assert_eq!(held_by(&json!({"metadata": {"finalizers": ["a.b/c"]}})), "");
        assert_eq!(held_by(&json!({"metadata": {}})), "");
    }

    #[test]
    fn a_cascade_is_said_in_the_words_of_delete_options() {
        let policy = |cascade: Cascade| cascade.options()["propagationPolicy"].clone();
        assert_eq!(policy(Cascade::Background), "Background");
        assert_eq!(policy(Cascade::Foreground), "Foreground");
        assert_eq!(policy(Cascade::Orphan), "Orphan");
    }
}
