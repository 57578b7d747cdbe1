//! `explain`: why a pod is where it is, or why it is nowhere.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::field::{is_true, list, number, text};
use crate::output::{Form, decision_lines, json, yaml};
use crate::verbs::object::one;
use crate::verbs::past::At;

/// Tell why a pod or workload is where it is, or why it is not placed; the latest decision last
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint explain pod/web-7d9f-x2
  setpoint explain deployment/web -n shop
  setpoint explain node/n1 -o json
  setpoint explain pod/web-7d9f-x2 --at 15m")]
pub(crate) struct Explain {
    /// KIND/NAME or KIND NAME
    #[arg(required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// The form of the answer
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
    #[command(flatten)]
    past: At,
}

pub(crate) async fn run(explain: Explain, cx: &mut Context) -> Result<Ended, Failure> {
    let _past = explain.past.turn_to(cx).await?;
    let (path, name) = one(cx, &explain.words).await?;
    let home =
        if path.namespaced { cx.namespace(explain.namespace.as_deref()) } else { String::new() };
    let shown = path.shown(&name);
    let query = [("kind", path.kind), ("namespace", home), ("name", name)];
    let answer = cx.client.get("/setpoint/v1/explain", &query).await;
    let answer = answer.map_err(|error| error.during(format!("failed to explain {shown}")))?;
    match explain.output {
        Form::Json => cx.out.line(json(&answer))?,
        Form::Yaml => cx.out.line(yaml(&answer))?,
        Form::Table => cx.out.line(told(&shown, &answer))?,
    }
    Ok(Ended::Well)
}

/// The answer for people: how it stands, what each node says when there is no place, and the
/// decisions that led there, the latest last as everywhere.
pub(crate) fn told(shown: &str, answer: &Value) -> String {
    let mut lines = vec![shown.to_owned(), format!("  {}", text(answer, "/reason"))];
    if answer.get("pods").is_some() {
        let count = |name: &str| number(answer, &format!("/pods/{name}"));
        lines.push(format!(
            "  pods: {} desired, {} placed, {} ready, {} available, {} stopping",
            count("desired"),
            count("live"),
            count("ready"),
            count("available"),
            count("stopping")
        ));
    }
    lines.extend(list(answer, "/nodes").iter().map(|node| format!("  {}", node_line(node))));
    match number(answer, "/nodesLeftOut") {
        0 => {}
        more => lines.push(format!("  and {more} more nodes")),
    }
    let decisions = list(answer, "/decisions");
    lines.push(match decisions.len() {
        0 => "  the kept ledger has no decision about it".to_owned(),
        _ => "  decided, the latest last:".to_owned(),
    });
    lines.extend(decisions.iter().rev().flat_map(decision_lines).map(|line| format!("    {line}")));
    lines.join("\n")
}

/// `node-1: Insufficient cpu (NodeResourcesFit)`, every filter that refuses.
fn node_line(node: &Value) -> String {
    let name = text(node, "/node");
    if is_true(node, "/fits") {
        let score = number(node, "/score");
        return format!("{name}: fits, score {}.{:02}", score / 100, score % 100);
    }
    let refusal = |refusal: &Value| {
        let reasons = list(refusal, "/reasons").iter().filter_map(Value::as_str);
        format!("{} ({})", reasons.collect::<Vec<_>>().join(", "), text(refusal, "/filter"))
    };
    let refusals: Vec<String> = list(node, "/refusals").iter().map(refusal).collect();
    format!("{name}: {}", refusals.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_pod_without_a_place_is_told_what_every_node_says() {
        let answer = json!({
            "kind": "Deployment", "reason": "0/2 nodes are available: 2 Insufficient cpu.",
            "pods": {"desired": 3, "live": 2, "ready": 2, "available": 2, "stopping": 0},
            "nodes": [
                {"node": "n1", "fits": false, "score": null, "refusals": [
                    {"filter": "resources", "reasons": ["Insufficient cpu", "Insufficient memory"]},
                    {"filter": "taints", "reasons": ["node(s) had untolerated taint {a: b}"]}]},
                {"node": "n2", "fits": true, "score": 9050, "refusals": []}
            ],
            "nodesLeftOut": 4, "decisions": [],
        });
        expect![[r#"
            deployment.apps/web
              0/2 nodes are available: 2 Insufficient cpu.
              pods: 3 desired, 2 placed, 2 ready, 2 available, 0 stopping
              n1: Insufficient cpu, Insufficient memory (resources); node(s) had untolerated taint {a: b} (taints)
              n2: fits, score 90.50
              and 4 more nodes
              the kept ledger has no decision about it"#]]
        .assert_eq(&told("deployment.apps/web", &answer));
    }
}
