//! `describe`: one object in full, with what was decided about it.

use clap::Args;
use serde_json::Value;

use crate::client::KindPath;
use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::field::{list, text};
use crate::verbs::decisions;
use crate::verbs::object::one;

/// Show one object in full, with the decisions about it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint describe pod web-7d9f-x2
  setpoint describe deployment/web -n shop
  setpoint describe node n1")]
pub(crate) struct Describe {
    /// KIND NAME or KIND/NAME
    #[arg(required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// How many decisions are told.
const DECISIONS_MAX: usize = 10;

pub(crate) async fn run(describe: Describe, cx: &mut Context) -> Result<Ended, Failure> {
    let (path, name) = one(cx, &describe.words).await?;
    let home = cx.namespace(describe.namespace.as_deref());
    let object = cx.client.get(&path.object(&home, &name), &[]).await;
    let object = object
        .map_err(|error| error.during(format!("failed to describe {}", path.shown(&name))))?;
    let decisions = about(&path, &home, &name, &object, cx).await?;
    let pods = pods_on(&path, &name, cx).await?;
    cx.out.line(crate::output::describe(&object, pods.as_deref(), &decisions))?;
    Ok(Ended::Well)
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
