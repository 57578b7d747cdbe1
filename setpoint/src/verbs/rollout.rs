//! `rollout`: how an update goes, what there was before, and back to it.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{KindPath, Patch, escape};
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{condition, is_true, list, name, namespace, number, text};
use crate::output::{Form, json as as_json, table, yaml};
use crate::verbs::culprits;
use crate::verbs::object::{one, path_of};
use crate::verbs::progress::progress;
use crate::verbs::wait::{Look, duration, until};

/// What kubectl writes into a template to make it another one.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// The annotation that pauses the updates of a StatefulSet or a DaemonSet.
const PAUSED: &str = "setpoint.dev/update-paused";

/// Follow, list and undo updates of a workload
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint rollout status deployment/web
  setpoint rollout history deployment/web
  setpoint rollout pause deployment/web
  setpoint rollout undo deployment/web --to-revision 2")]
pub(crate) struct Rollout {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Wait until an update is complete
    #[command(after_help = "\
Examples:
  setpoint rollout status deployment web
  setpoint rollout status deployment/web --timeout 2m")]
    Status {
        #[command(flatten)]
        subject: Subject,
        /// How long to wait
        #[arg(long, value_parser = duration, default_value = "5m", value_name = "TIME")]
        timeout: Duration,
    },
    /// List the revisions
    #[command(after_help = "\
Examples:
  setpoint rollout history deployment web
  setpoint rollout history deployment/web --revision 2
  setpoint rollout history deployment/web -o yaml")]
    History {
        #[command(flatten)]
        subject: Subject,
        /// Only this one, with its template
        #[arg(long, value_name = "N")]
        revision: Option<i64>,
        /// The form of the answer
        #[arg(long, short, value_enum, default_value = "table")]
        output: Form,
    },
    /// Replace every pod, with the same template
    #[command(after_help = "\
Examples:
  setpoint rollout restart deployment web
  setpoint rollout restart daemonset/log -n shop")]
    Restart {
        #[command(flatten)]
        subject: Subject,
    },
    /// Let an update stand still
    #[command(after_help = "\
Examples:
  setpoint rollout pause deployment web
  setpoint rollout pause statefulset/db -n shop")]
    Pause {
        #[command(flatten)]
        subject: Subject,
    },
    /// Let an update that stands still go on
    #[command(after_help = "\
Examples:
  setpoint rollout resume deployment web
  setpoint rollout resume daemonset/log -n shop")]
    Resume {
        #[command(flatten)]
        subject: Subject,
    },
    /// Go back to an earlier revision, which stays until another template is applied
    #[command(after_help = "\
Examples:
  setpoint rollout undo deployment web
  setpoint rollout undo deployment/web --to-revision 2")]
    Undo {
        #[command(flatten)]
        subject: Subject,
        /// Which; the one before when not given
        #[arg(long, value_name = "N", default_value = "0")]
        to_revision: u64,
    },
}

#[derive(Debug, Args)]
struct Subject {
    /// KIND/NAME or KIND NAME
    #[arg(required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

pub(crate) async fn run(rollout: Rollout, cx: &mut Context) -> Result<Ended, Failure> {
    match rollout.verb {
        Verb::Status { subject, timeout } => {
            let (path, home, name) = subject.find(cx).await?;
            wait_at(cx, &path, &home, &name, timeout).await?;
            cx.out.line(format!("{} successfully rolled out", path.shown(&name)))?;
        }
        Verb::History { subject, revision, output } => {
            let found = subject.find(cx).await?;
            let told = told(cx, found, revision, output).await?;
            cx.out.line(told)?;
        }
        Verb::Restart { subject } => {
            let (path, home, name) = subject.find(cx).await?;
            if !["Deployment", "DaemonSet", "StatefulSet"].contains(&path.kind.as_str()) {
                let kind = &path.kind;
                let why = format!(
                    "a {kind} is not restarted; a Deployment, a DaemonSet or a StatefulSet is"
                );
                return Err(Failure::usage(why));
            }
            let annotations = json!({RESTARTED: restarted_at()});
            let template = json!({"metadata": {"annotations": annotations}});
            let body = json!({"spec": {"template": template}});
            let done = cx.client.patch(&path.object(&home, &name), Patch::Merge, &body).await;
            done.map_err(|e| e.during(format!("failed to restart {}", path.shown(&name))))?;
            cx.out.line(format!("{} restarted", path.shown(&name)))?;
        }
        Verb::Pause { subject } => pause(cx, &subject, true).await?,
        Verb::Resume { subject } => pause(cx, &subject, false).await?,
        Verb::Undo { subject, to_revision } => {
            let (path, home, name) = subject.find(cx).await?;
            let body = json!({"toRevision": to_revision});
            let to = match to_revision {
                0 => before(cx, &path, &home, &name).await?,
                number => Some(number.to_string()),
            };
            let done = cx.client.post(&ours(&path, &home, &name, "undo")?, &body).await;
            done.map_err(|e| e.during(format!("failed to undo {}", path.shown(&name))))?;
            let to = to.map(|number| format!(" to revision {number}")).unwrap_or_default();
            cx.out.line(format!("{} rolled back{to}", path.shown(&name)))?;
        }
    }
    Ok(Ended::Well)
}

/// Pauses the updates of a workload, or lets them go on: one that stood still because its pods failed as
/// well. Kubernetes has a field for it in Deployments only, others say it by an annotation.
async fn pause(cx: &mut Context, subject: &Subject, on: bool) -> Result<(), Failure> {
    let (path, home, name) = subject.find(cx).await?;
    let (verb, done) = if on { ("pause", "paused") } else { ("resume", "resumed") };
    let is_field = path.kind == "Deployment";
    if !is_field && !["StatefulSet", "DaemonSet"].contains(&path.kind.as_str()) {
        let why =
            format!("a {} is not {done}; a Deployment, a StatefulSet or a DaemonSet is", path.kind);
        return Err(Failure::usage(why));
    }
    let url = path.object(&home, &name);
    let set = async |on: bool| {
        let body = match is_field {
            true => json!({"spec": {"paused": on}}),
            // No pause is no annotation.
            false => json!({"metadata": {"annotations": {PAUSED: on.then_some("true")}}}),
        };
        let answer = cx.client.patch(&url, Patch::Merge, &body).await;
        answer.map_err(|e| e.during(format!("failed to {verb} {}", path.shown(&name))))
    };
    let object = cx.client.get(&url, &[]).await;
    let object = object.map_err(|e| e.during(format!("failed to {verb} {}", path.shown(&name))))?;
    if !on && !is_paused(&object) && has_failed(&object) {
        set(true).await?;
    }
    set(on).await?;
    cx.out.line(format!("{} {done}", path.shown(&name)))?;
    Ok(())
}

/// Whether an update stands still because its pods failed.
fn has_failed(object: &Value) -> bool {
    condition(object, "Progressing").is_some_and(|c| text(c, "/reason") == "UpdateFailed")
}

impl Subject {
    async fn find(&self, cx: &Context) -> Result<(KindPath, String, String), Failure> {
        let (path, name) = one(cx, &self.words).await?;
        Ok((path, cx.namespace(self.namespace.as_deref()), name))
    }
}

fn ours(path: &KindPath, home: &str, name: &str, verb: &str) -> Result<String, Failure> {
    let plural = match path.kind.as_str() {
        "Deployment" => "deployments",
        "StatefulSet" => "statefulsets",
        "DaemonSet" => "daemonsets",
        kind => {
            let why = format!(
                "a {kind} has no revisions; a Deployment, a StatefulSet or a DaemonSet has"
            );
            return Err(Failure::usage(why));
        }
    };
    Ok(format!("/setpoint/v1/namespaces/{}/{plural}/{}/{verb}", escape(home), escape(name)))
}

/// The revisions, or one of them, in the form that was asked for.
async fn told(
    cx: &Context,
    (path, home, name): (KindPath, String, String),
    revision: Option<i64>,
    output: Form,
) -> Result<String, Failure> {
    let answer = cx.client.get(&ours(&path, &home, &name, "history")?, &[]).await;
    let mut answer = answer.map_err(|e| e.during("failed to read the history"))?;
    let Some(wanted) = revision else {
        return Ok(match output {
            Form::Json => as_json(&answer),
            Form::Yaml => yaml(&answer),
            Form::Table => {
                // The latest has passed its deadline where the workload says so.
                let object = cx.client.find(&path.object(&home, &name)).await.ok().flatten();
                if object.is_some_and(|object| is_late(&object)) {
                    let rows = answer.pointer_mut("/revisions").and_then(Value::as_array_mut);
                    if let Some(latest) = rows.and_then(|rows| rows.last_mut()) {
                        latest["late"] = json!(true);
                    }
                }
                history(&answer)
            }
        });
    };
    let is_it = |row: &&Value| number(row, "/revision") == wanted;
    let row = list(&answer, "/revisions").iter().find(is_it).ok_or_else(|| {
        Failure::new(format!("failed to find revision {wanted} of {}", path.shown(&name)))
            .remedy("`setpoint rollout history` lists those that there are")
    })?;
    Ok(match output {
        Form::Json => as_json(row),
        Form::Yaml => yaml(row),
        Form::Table => format!("revision {wanted}, {}\n{}", standing(row), yaml(&row["template"])),
    })
}

/// The number of the revision that is gone back to when none is named: the latest that did not fail, before
/// the one that holds. Nothing where there is no history to see.
async fn before(
    cx: &Context,
    path: &KindPath,
    home: &str,
    name: &str,
) -> Result<Option<String>, Failure> {
    let answer = cx.client.get(&ours(path, home, name, "history")?, &[]).await;
    let answer = answer.unwrap_or_default();
    let earlier = list(&answer, "/revisions").split_last().map_or(&[][..], |(_, earlier)| earlier);
    let found = earlier.iter().rev().find(|revision| text(revision, "/failed").is_empty());
    Ok(found.map(|revision| number(revision, "/revision").to_string()))
}

fn is_late(object: &Value) -> bool {
    let late = "ProgressDeadlineExceeded";
    condition(object, "Progressing").is_some_and(|c| text(c, "/reason") == late)
}

fn history(answer: &Value) -> String {
    let row = |revision: &Value| {
        let images: Vec<&str> =
            list(revision, "/template/spec/containers").iter().map(|c| text(c, "/image")).collect();
        let cause = text(revision, "/changeCause");
        let cause = if cause.is_empty() { "<none>" } else { cause };
        let number = number(revision, "/revision").to_string();
        vec![number, standing(revision), cause.to_owned(), images.join(",")]
    };
    let rows: Vec<_> = list(answer, "/revisions").iter().map(row).collect();
    table(&["REVISION", "STATUS", "CHANGE-CAUSE", "IMAGES"], &rows)
}

/// What is known of a revision, in words.
fn standing(revision: &Value) -> String {
    let is = |name: &str| revision[name].as_bool() == Some(true);
    let mut words = Vec::new();
    if is("healthy") {
        words.push("healthy".to_owned());
    }
    if is("late") {
        words.push("past its deadline".to_owned());
    }
    match text(revision, "/failed") {
        "" if is("barred") => words.push("undone".to_owned()),
        "" => {}
        why => words.push(format!("failed ({why})")),
    }
    if words.is_empty() { "<none>".to_owned() } else { words.join(", ") }
}

/// Now, in whole seconds.
fn restarted_at() -> String {
    let seconds = Timestamp::now().as_second();
    Timestamp::from_second(seconds).map(|now| now.to_string()).unwrap_or_default()
}

/// Waits until an object of a manifest runs as asked; what runs nothing does so at once.
pub(crate) async fn wait_for(
    cx: &Context,
    object: &Value,
    timeout: Duration,
) -> Result<(), Failure> {
    let path = path_of(&cx.client, object).await;
    let path = path.map_err(|error| error.during("failed to wait"))?;
    wait_at(cx, &path, namespace(object), name(object), timeout).await
}

async fn wait_at(
    cx: &Context,
    path: &KindPath,
    home: &str,
    name: &str,
    timeout: Duration,
) -> Result<(), Failure> {
    let url = path.object(home, name);
    let shown = path.shown(name);
    let mut said = String::new();
    let seen = until(&format!("failed to see {shown} rolled out"), timeout, async || {
        let object = cx.client.get(&url, &[]).await?;
        let look = match progress(&object) {
            Look::NotYet(how_far) if is_paused(&object) => Look::NotYet(format!(
                "{how_far}; the update is paused until `setpoint rollout resume {shown}`"
            )),
            look => look,
        };
        // On a terminal the line that moves says so.
        if let Look::NotYet(how_far) = &look
            && *how_far != said
            && !stderr().is_terminal()
        {
            note(format!("{shown}: {how_far}"));
            said.clone_from(how_far);
        }
        Ok(look)
    })
    .await;
    let Err(failure) = seen else { return Ok(()) };
    let culprits = culprits::of(cx, path, home, name).await;
    Err(culprits.into_iter().fold(failure, |failure, why| failure.because(why)))
}

/// Whether the updates of a workload stand still because somebody said so.
fn is_paused(object: &Value) -> bool {
    is_true(object, "/spec/paused") || object["metadata"]["annotations"][PAUSED] == "true"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_says_what_was_healthy_and_what_failed() {
        let template = json!({"spec": {"containers": [{"image": "web:1"}]}});
        let mut rows = [1, 2, 3].map(|n| json!({"revision": n, "template": template}));
        rows[0]["healthy"] = json!(true);
        rows[1]["failed"] = json!("no image");
        rows[1]["barred"] = json!(true);
        let standing = rows.each_ref().map(standing);
        assert_eq!(standing, ["healthy", "failed (no image)", "<none>"]);
        rows[2]["late"] = json!(true);
        assert_eq!(super::standing(&rows[2]), "past its deadline");
        let undone = json!({"healthy": true, "barred": true});
        assert_eq!(super::standing(&undone), "healthy, undone");
    }
}
