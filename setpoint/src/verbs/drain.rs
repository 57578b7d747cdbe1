//! `drain`: empty a node, one pod after the other.
//!
//! Each pod is evicted: where its workload can have one more, another is made in its place first, and
//! disruption budgets are kept. What an eviction waits for is said.
//!
//! Guarantee: a pod that nothing replaces goes only where that was asked for.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::client::ApiError;
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::{list, name, namespace, text};
use crate::verbs::cordon::unschedulable;
use crate::verbs::wait::{Look, duration, until};

/// An eviction that waits is asked for again so often, as by kubectl.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Empty a node: cordon it, then move its pods one by one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint drain n1
  setpoint drain n1 --timeout 30m
  setpoint drain n1 --force
  setpoint drain n1 --disable-eviction
  setpoint drain n1 --dry-run")]
pub(crate) struct Drain {
    /// The node
    #[arg(value_name = "NODE")]
    node: String,
    /// How long to wait for each pod to be gone
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "TIME")]
    timeout: Duration,
    /// Delete the pods at once: none is made in their place first, and no disruption budget is kept
    #[arg(long)]
    disable_eviction: bool,
    /// Also delete pods that belong to no workload: nothing replaces them
    #[arg(long)]
    force: bool,
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
    let is_here = |pod: &&Value| text(pod, "/spec/nodeName") == node;
    let pods: Vec<&Value> = list(&pods, "/items").iter().filter(is_here).collect();
    if !drain.force {
        keep_bare(node, pods.iter().copied().filter(|pod| is_bare(pod)))?;
    }
    for pod in pods {
        let name = name(pod);
        if is_daemon(pod) {
            note(format!("pod/{name} stays: it belongs to a DaemonSet"));
        } else if drain.dry_run {
            let becomes = if is_bare(pod) { "be deleted: nothing replaces it" } else { "move" };
            cx.out.line(format!("pod/{name} would {becomes} (dry run)"))?;
        } else {
            move_away(pod, &drain, cx).await?;
            let became = if is_bare(pod) { "deleted: nothing replaces it" } else { "evicted" };
            cx.out.line(format!("pod/{name} {became}"))?;
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

/// Whether a pod belongs to nobody who would make another one, and is not over.
fn is_bare(pod: &Value) -> bool {
    let owners = list(pod, "/metadata/ownerReferences");
    let replaces = |owner: &Value| owner.get("controller").and_then(Value::as_bool) != Some(false);
    let is_over = ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"));
    !is_over && !owners.iter().any(replaces)
}

/// Refuses while there are such pods, before any pod has gone.
fn keep_bare<'a>(node: &str, bare: impl Iterator<Item = &'a Value>) -> Result<(), Failure> {
    let place = |pod: &Value| format!("pod/{} in namespace {}", name(pod), namespace(pod));
    let why = "it belongs to no workload: nothing would replace it";
    let places: Vec<String> = bare.map(place).collect();
    if places.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(format!("failed to drain node/{node}"));
    let failure = places.into_iter().fold(failure, |failure, place| failure.at(place, why));
    Err(failure.remedy("no pod was evicted; --force deletes these too"))
}

/// Asks that a pod goes and waits until this very pod is gone; another of its name is its replacement.
async fn move_away(pod: &Value, drain: &Drain, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/v1/namespaces/{}/pods/{}", namespace(pod), name(pod));
    let uid = text(pod, "/metadata/uid");
    let mut eviction = Eviction::new(pod, &path, drain.disable_eviction);
    let what = format!("failed to see pod/{} gone", name(pod));
    until(&what, drain.timeout, async || {
        if eviction.is_due() && !eviction.ask(cx).await? {
            return Ok(Look::NotYet(eviction.waits_for.clone()));
        }
        Ok(match cx.client.find(&path).await? {
            Some(now) if text(&now, "/metadata/uid") == uid => Look::NotYet(eviction.how_far()),
            _ => Look::Holds(()),
        })
    })
    .await
}

/// An eviction, or a deletion, that is asked for until it is done.
struct Eviction<'a> {
    pod: &'a str,
    path: &'a str,
    body: Value,
    /// Whether the pod is deleted instead.
    deletes: bool,
    asked: Option<Instant>,
    is_done: bool,
    /// What it waits for, as it was said last.
    waits_for: String,
}

impl<'a> Eviction<'a> {
    fn new(pod: &'a Value, path: &'a str, deletes: bool) -> Self {
        let metadata = json!({"name": name(pod), "namespace": namespace(pod)});
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata});
        let (asked, waits_for) = (None, String::new());
        Eviction { pod: name(pod), path, body, deletes, asked, is_done: false, waits_for }
    }

    fn is_due(&self) -> bool {
        !self.is_done && self.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY)
    }

    /// Asks once; whether there is nothing more to ask. What it waits for is said when it is news.
    async fn ask(&mut self, cx: &Context) -> Result<bool, ApiError> {
        self.asked = Some(Instant::now());
        let answer = match self.deletes {
            true => cx.client.delete(self.path).await,
            false => cx.client.post(&format!("{}/eviction", self.path), &self.body).await,
        };
        match answer {
            Ok(_) => self.is_done = true,
            Err(error) if error.is_not_found() => self.is_done = true,
            Err(ApiError::Refused { code: 429, message, .. }) => self.note(message),
            Err(error) => return Err(error),
        }
        Ok(self.is_done)
    }

    fn note(&mut self, message: String) {
        // The seconds that are left are news to nobody.
        let without_numbers = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        if without_numbers(&self.waits_for) != without_numbers(&message) {
            note(format!("pod/{}: {message}", self.pod));
        }
        self.waits_for = message;
    }

    fn how_far(&self) -> String {
        match self.waits_for.as_str() {
            "" => format!("pod/{} is still there", self.pod),
            waits_for => waits_for.to_owned(),
        }
    }
}
