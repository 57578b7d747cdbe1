//! `cordon` and `uncordon`: whether a node takes new pods.

use clap::Args;
use serde_json::json;

use crate::client::{Patch, escape};
use crate::context::Context;
use crate::failure::{Ended, Failure};

/// Let a node take no new pods
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint cordon n1
  setpoint cordon n1 n2")]
pub(crate) struct Cordon {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Let a node take pods again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint uncordon n1")]
pub(crate) struct Uncordon {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

pub(crate) async fn cordon(verb: Cordon, cx: &mut Context) -> Result<Ended, Failure> {
    for node in &verb.nodes {
        unschedulable(cx, node, true).await?;
        cx.out.line(format!("node/{node} cordoned"))?;
    }
    Ok(Ended::Well)
}

pub(crate) async fn uncordon(verb: Uncordon, cx: &mut Context) -> Result<Ended, Failure> {
    for node in &verb.nodes {
        unschedulable(cx, node, false).await?;
        cx.out.line(format!("node/{node} uncordoned"))?;
    }
    Ok(Ended::Well)
}

/// Says whether a node takes new pods.
pub(crate) async fn unschedulable(cx: &Context, node: &str, closed: bool) -> Result<(), Failure> {
    let what = if closed { "cordon" } else { "uncordon" };
    let path = format!("/api/v1/nodes/{}", escape(node));
    let body = json!({"spec": {"unschedulable": closed}});
    let done = cx.client.patch(&path, Patch::Merge, &body).await;
    done.map(drop).map_err(|error| error.during(format!("failed to {what} node/{node}")))
}
