//! `describe`: objects in full, each with what was decided about it.

use clap::Args;
use serde_json::Value;

use crate::client::KindPath;
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{list, name, namespace, text};
use crate::verbs::decisions;
use crate::verbs::object::{named, one};
use crate::verbs::past::At;

/// Show objects in full, with the decisions about them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint describe pod web-7d9f-x2
  setpoint describe deployment/web -n shop
  setpoint describe pods -l app=web
  setpoint describe node n1")]
pub(crate) struct Describe {
    /// KIND NAME or KIND/NAME, or KIND with -l
    #[arg(required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// All objects of the kind with these labels
    #[arg(long, short = 'l', value_name = "SELECTOR")]
    selector: Option<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    past: At,
}

/// How many decisions are told.
const DECISIONS_MAX: usize = 10;

pub(crate) async fn run(describe: Describe, cx: &mut Context) -> Result<Ended, Failure> {
    let _past = describe.past.turn_to(cx).await?;
    let home = cx.namespace(describe.namespace.as_deref());
    if let Some(selector) = &describe.selector {
        return with_labels(&describe.words, selector, &home, cx).await;
    }
    let (path, name) = one(cx, &describe.words).await?;
    let object = cx.client.get(&path.object(&home, &name), &[]).await;
    let object = object
        .map_err(|error| error.during(format!("failed to describe {}", path.shown(&name))))?;
    tell(&path, &home, &name, &object, cx).await?;
    Ok(Ended::Well)
}

/// Each object of the kinds that has the labels.
async fn with_labels(
    words: &[String],
    selector: &str,
    home: &str,
    cx: &mut Context,
) -> Result<Ended, Failure> {
    let mut is_first = true;
    for meant in named(cx, words).await? {
        if meant.name.is_some() {
            return Err(Failure::usage("an object has a name, or is found by its labels"));
        }
        let path = meant.path;
        let query = [("labelSelector", selector.to_owned())];
        let answer = cx.client.get(&path.list(Some(home)), &query).await;
        let answer =
            answer.map_err(|error| error.during(format!("failed to list {}", path.plural)))?;
        for item in list(&answer, "/items") {
            // Items of a list leave out what the list says once.
            let mut object = item.clone();
            object["kind"] = path.kind.clone().into();
            if !std::mem::take(&mut is_first) {
                cx.out.line("")?;
            }
            tell(&path, namespace(item), name(item), &object, cx).await?;
        }
    }
    if is_first {
        note("No resources found");
    }
    Ok(Ended::Well)
}

async fn tell(
    path: &KindPath,
    home: &str,
    name: &str,
    object: &Value,
    cx: &mut Context,
) -> Result<(), Failure> {
    let decisions = about(path, home, name, object, cx).await?;
    let pods = pods_on(path, name, cx).await?;
    Ok(cx.out.line(crate::output::describe(object, pods.as_deref(), &decisions))?)
}

/// The pods of a node; `None` of anything else.
async fn pods_on(path: &KindPath, name: &str, cx: &Context) -> Result<Option<Vec<Value>>, Failure> {
    if path.kind != "Node" {
        return Ok(None);
    }
    let query = [("fieldSelector", format!("spec.nodeName={name}"))];
    let pods = cx.client.get("/api/v1/pods", &query).await;
    let pods = pods.map_err(|error| error.during(format!("failed to list the pods of {name}")))?;
    Ok(Some(list(&pods, "/items").to_vec()))
}

async fn about(
    path: &KindPath,
    home: &str,
    name: &str,
    object: &Value,
    cx: &Context,
) -> Result<Vec<Value>, Failure> {
    let filter = match path.kind.as_str() {
        "Pod" => ("pod", text(object, "/metadata/uid").to_owned()),
        _ => ("resource", decisions::key_of(path, home, name)),
    };
    decisions::fetch(cx, vec![filter, ("limit", DECISIONS_MAX.to_string())]).await
}
