//! `drain`: empty a node, one pod after the other.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{list, name, namespace, text};
use crate::verbs::cordon::unschedulable;
use crate::verbs::wait::{Look, duration, until};

/// Empty a node: cordon it, then move its pods one by one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint drain n1
  setpoint drain n1 --timeout 10m
  setpoint drain n1 --dry-run")]
pub(crate) struct Drain {
    /// The node
    #[arg(value_name = "NODE")]
    node: String,
    /// How long to wait for each pod to be gone
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "TIME")]
    timeout: Duration,
    /// Only say which pods would move
    #[arg(long)]
    dry_run: bool,
    /// Accepted for kubectl's sake: pods of DaemonSets always stay
    #[arg(long)]
    ignore_daemonsets: bool,
}

pub(crate) async fn run(drain: Drain, cx: &mut Context) -> Result<Ended, Failure> {
    let node = &drain.node;
    if !drain.dry_run {
        unschedulable(cx, node, true).await?;
        cx.out.line(format!("node/{node} cordoned"))?;
    }
    let query = [("fieldSelector", format!("spec.nodeName={node}"))];
    let pods = cx.client.get("/api/v1/pods", &query).await;
    let pods = pods.map_err(|error| error.during(format!("failed to list the pods of {node}")))?;
    for pod in list(&pods, "/items").iter().filter(|pod| text(pod, "/spec/nodeName") == node) {
        if is_daemon(pod) {
            note(format!("pod/{} stays: it belongs to a DaemonSet", name(pod)));
        } else if drain.dry_run {
            cx.out.line(format!("pod/{} would move (dry run)", name(pod)))?;
        } else {
            evict(pod, drain.timeout, cx).await?;
            cx.out.line(format!("pod/{} evicted", name(pod)))?;
        }
    }
    if !drain.dry_run {
        cx.out.line(format!("node/{node} drained"))?;
    }
    Ok(Ended::Well)
}

fn is_daemon(pod: &Value) -> bool {
    list(pod, "/metadata/ownerReferences").iter().any(|owner| text(owner, "/kind") == "DaemonSet")
}

/// Deletes a pod and waits until this very pod is gone; another of its name is its replacement.
async fn evict(pod: &Value, timeout: Duration, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/v1/namespaces/{}/pods/{}", namespace(pod), name(pod));
    match cx.client.delete(&path).await {
        Ok(_) => {}
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.during(format!("failed to evict pod/{}", name(pod)))),
    }
    let uid = text(pod, "/metadata/uid");
    until(&format!("failed to see pod/{} gone", name(pod)), timeout, async || {
        Ok(match cx.client.find(&path).await? {
            Some(now) if text(&now, "/metadata/uid") == uid => {
                Look::NotYet(format!("pod/{} is still there", name(pod)))
            }
            _ => Look::Holds(()),
        })
    })
    .await
}
