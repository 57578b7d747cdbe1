//! `label` and `annotate`: what is written on objects, beside their specs.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::client::Patch;
use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::field::text;
use crate::verbs::object::named;

/// Set or take away labels of objects
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint label node n1 disk=ssd
  setpoint label deployment/web tier=front --overwrite
  setpoint label pod web-1 canary-")]
pub(crate) struct Label {
    #[command(flatten)]
    mark: Mark,
}

/// Set or take away annotations of objects
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint annotate deployment web setpoint.dev/update-failure-action=rollback
  setpoint annotate deployment/web note-")]
pub(crate) struct Annotate {
    #[command(flatten)]
    mark: Mark,
}

#[derive(Debug, Args)]
struct Mark {
    /// KIND/NAME... or KIND NAME..., then KEY=VALUE to set, KEY- to take away
    #[arg(required = true, num_args = 2..)]
    words: Vec<String>,
    /// Also where there is another value already
    #[arg(long)]
    overwrite: bool,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

pub(crate) async fn label(verb: Label, cx: &mut Context) -> Result<Ended, Failure> {
    mark(&verb.mark, "labels", "labeled", cx).await
}

pub(crate) async fn annotate(verb: Annotate, cx: &mut Context) -> Result<Ended, Failure> {
    mark(&verb.mark, "annotations", "annotated", cx).await
}

async fn mark(mark: &Mark, field: &str, done: &str, cx: &mut Context) -> Result<Ended, Failure> {
    // No name of an object has a `=` or ends with a `-`.
    let (changes, words): (Vec<String>, Vec<String>) =
        mark.words.iter().cloned().partition(|word| word.contains('=') || word.ends_with('-'));
    let changes = changes_of(&changes);
    if changes.is_empty() {
        return Err(Failure::usage(format!("no {field} to set or to take away were named"))
            .remedy("write KEY=VALUE, or KEY- to take one away"));
    }
    let home = cx.namespace(mark.namespace.as_deref());
    for found in named(cx, &words).await? {
        let name = found.name.ok_or_else(|| Failure::usage("name the object"))?;
        let (shown, url) = (found.path.shown(&name), found.path.object(&home, &name));
        let what = format!("failed to set {field} of {shown}");
        if !mark.overwrite {
            let object = cx.client.get(&url, &[]).await.map_err(|error| error.during(&what))?;
            keep(&object, field, &changes, &what)?;
        }
        let body = json!({"metadata": {field: changes}});
        let answer = cx.client.patch(&url, Patch::Merge, &body).await;
        answer.map_err(|error| error.during(&what))?;
        cx.out.line(format!("{shown} {done}"))?;
    }
    Ok(Ended::Well)
}

/// As a merge patch says it: `null` takes away.
fn changes_of(words: &[String]) -> Map<String, Value> {
    let change = |word: &String| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), json!(value)),
        None => (word.trim_end_matches('-').to_owned(), Value::Null),
    };
    words.iter().map(change).collect()
}

/// Refuses where a key has another value already.
fn keep(
    object: &Value,
    field: &str,
    changes: &Map<String, Value>,
    what: &str,
) -> Result<(), Failure> {
    let present = &object["metadata"][field];
    let other = |(key, value): &(&String, &Value)| {
        value.is_string() && present.get(key.as_str()).is_some_and(|is| is != *value)
    };
    let mut others = changes.iter().filter(other).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    let told = |failure: Failure, (key, _): (&String, &Value)| {
        let is = present.get(key.as_str()).unwrap_or(&Value::Null);
        failure.at(key.as_str(), format!("it is {:?} already", text(is, "")))
    };
    Err(others.fold(Failure::new(what), told).remedy("--overwrite changes it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_there_is_kept_unless_it_is_the_same() {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        let words =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let judged = |said: &[&str]| keep(&object, "labels", &changes_of(&words(said)), "failed");
        assert_eq!(judged(&["a=1", "c=3", "b-"]), Ok(()));
        let shown = judged(&["a=2"]).expect_err("it is another one").to_string();
        assert!(shown.contains("where: a\n  why:   it is \"1\" already"), "{shown}");
        assert_eq!(
            changes_of(&words(&["x=a=b", "y-"])),
            *json!({"x": "a=b", "y": null}).as_object().expect("a map")
        );
    }
}
