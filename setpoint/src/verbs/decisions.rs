//! `decisions`: the ledger.

use clap::Args;
use serde_json::Value;

use crate::client::KindPath;
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::list;
use crate::output::{LedgerForm, decision_lines, decisions_table, json, yaml};
use crate::verbs::object::one;
use crate::verbs::past::At;

/// Show what was decided, and why, the latest last
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint decisions
  setpoint decisions --pod pod/web-7d9f-x2 -o wide
  setpoint decisions --resource deployment/web --limit 100
  setpoint decisions --since 1200 -o json")]
pub(crate) struct Decisions {
    /// Only about this pod, as NAME, pod/NAME or its uid; it may be gone
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Only about this object, as KIND/NAME
    #[arg(long, value_name = "KIND/NAME", conflicts_with = "pod")]
    resource: Option<String>,
    /// Only of this epoch and later
    #[arg(long, value_name = "EPOCH")]
    since: Option<i64>,
    /// At most so many, the latest
    #[arg(long, value_name = "N", default_value = "50")]
    limit: usize,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// The form of the answer; wide tells causes and alternatives
    #[arg(long, short, value_enum, default_value = "table")]
    output: LedgerForm,
    #[command(flatten)]
    past: At,
}

pub(crate) async fn run(verb: Decisions, cx: &mut Context) -> Result<Ended, Failure> {
    let _past = verb.past.turn_to(cx).await?;
    let home = cx.namespace(verb.namespace.as_deref());
    let mut query = vec![("limit", verb.limit.to_string())];
    if let Some(pod) = &verb.pod {
        query.extend([("pod", pod.clone()), ("namespace", home.clone())]);
    }
    if let Some(resource) = &verb.resource {
        let (path, name) = one(cx, std::slice::from_ref(resource)).await?;
        query.push(("resource", key_of(&path, &home, &name)));
    }
    query.extend(verb.since.map(|since| ("since", since.to_string())));
    let decisions = fetch(cx, query).await?;
    if decisions.is_empty() {
        note("no decision of this kind is in the kept ledger");
    }
    let shown = match verb.output {
        LedgerForm::Json => json(&decisions),
        LedgerForm::Yaml => yaml(&decisions),
        LedgerForm::Wide => {
            decisions.iter().flat_map(decision_lines).collect::<Vec<_>>().join("\n")
        }
        LedgerForm::Table => decisions_table(&decisions),
    };
    cx.out.line(shown)?;
    Ok(Ended::Well)
}

/// The key of an object on the log: `apps/Deployment/default/web`.
pub(crate) fn key_of(path: &KindPath, home: &str, name: &str) -> String {
    let group = if path.group.is_empty() { "core" } else { &path.group };
    let home = if path.namespaced { home } else { "-" };
    format!("{group}/{}/{home}/{name}", path.kind)
}

/// The decisions that the API finds, oldest first; it answers with the newest first.
pub(crate) async fn fetch(
    cx: &Context,
    query: Vec<(&'static str, String)>,
) -> Result<Vec<Value>, Failure> {
    let answer = cx.client.get("/setpoint/v1/decisions", &query).await;
    let answer = answer.map_err(|error| error.during("failed to read the ledger"))?;
    Ok(list(&answer, "/decisions").iter().rev().cloned().collect())
}
