//! `explain`: why a pod is where it is, or why it is nowhere.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::field::{list, text};
use crate::output::{Format, decision_lines, json, yaml};
use crate::verbs::object::one;

/// Tell why a pod or workload is where it is, or why it is not placed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint explain pod/web-7d9f-x2
  setpoint explain deployment/web -n shop
  setpoint explain node/n1 -o json")]
pub(crate) struct Explain {
    /// KIND/NAME or KIND NAME
    #[arg(required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// The form of the answer
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
}

pub(crate) async fn run(explain: Explain, cx: &mut Context) -> Result<Ended, Failure> {
    let (path, name) = one(cx, &explain.words).await?;
    let home =
        if path.namespaced { cx.namespace(explain.namespace.as_deref()) } else { String::new() };
    let shown = path.shown(&name);
    let query = [("kind", path.kind), ("namespace", home), ("name", name)];
    let answer = cx.client.get("/setpoint/v1/explain", &query).await;
    let answer = answer.map_err(|error| error.during(format!("failed to explain {shown}")))?;
    match explain.output {
        Format::Json => cx.out.line(json(&answer))?,
        Format::Yaml => cx.out.line(yaml(&answer))?,
        Format::Table | Format::Wide | Format::Name => cx.out.line(told(&shown, &answer))?,
    }
    Ok(Ended::Well)
}

/// The answer for people: what holds, then the decisions that led there.
pub(crate) fn told(shown: &str, answer: &Value) -> String {
    let mut lines = vec![shown.to_owned()];
    for (key, value) in answer.as_object().into_iter().flatten() {
        match value {
            Value::String(text) if !text.is_empty() => lines.push(format!("  {key}: {text}")),
            Value::Number(number) => lines.push(format!("  {key}: {number}")),
            Value::Bool(value) => lines.push(format!("  {key}: {value}")),
            Value::Array(values) if key != "decisions" => {
                let texts =
                    values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
                lines.extend(texts.map(|text| format!("  {key}: {text}")));
            }
            Value::Object(_) => {
                let inner = crate::output::yaml(value);
                lines.push(format!("  {key}:"));
                lines.extend(inner.lines().map(|line| format!("    {line}")));
            }
            _ => {}
        }
    }
    let decisions = list(answer, "/decisions");
    if decisions.is_empty() && text(answer, "/message").is_empty() {
        lines.push("  nothing was decided about it yet".to_owned());
    }
    lines.extend(decisions.iter().flat_map(decision_lines).map(|line| format!("  {line}")));
    lines.join("\n")
}
