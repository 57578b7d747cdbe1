//! `status`: the fleet at a glance, or how objects of it are.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::age::clock;
use crate::output::field::{is_true, list, number, text};
use crate::output::{Form, health_table, json, yaml};
use crate::verbs::health::healths;
use crate::verbs::object::named;

/// Show the fleet at a glance, or the health of objects
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint status
  setpoint status -o json
  setpoint status deployment/web
  setpoint status all -n shop")]
pub(crate) struct Status {
    /// KIND [NAME...], KIND/NAME..., several kinds as KIND,KIND, or `all`; without them, the fleet
    words: Vec<String>,
    /// The form of the answer
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
    /// The namespace
    #[arg(long, short, value_name = "NAME", requires = "words", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(long, short = 'A', requires = "words")]
    all_namespaces: bool,
}

pub(crate) async fn run(status: Status, cx: &mut Context) -> Result<Ended, Failure> {
    if !status.words.is_empty() {
        return of_objects(status, cx).await;
    }
    let answer = cx.client.get("/setpoint/v1/status", &[]).await;
    let answer = answer.map_err(|error| error.during("failed to read the fleet's status"))?;
    cx.out.line(match status.output {
        Form::Json => json(&answer),
        Form::Yaml => yaml(&answer),
        Form::Table => glance(&answer),
    })?;
    Ok(Ended::Well)
}

/// How the objects are that the words name, each in a line.
async fn of_objects(status: Status, cx: &mut Context) -> Result<Ended, Failure> {
    let meant = named(cx, &status.words).await?;
    let home = (!status.all_namespaces).then(|| cx.namespace(status.namespace.as_deref()));
    let found = healths(cx, &meant, home.as_deref()).await?;
    cx.out.line(match status.output {
        Form::Json => json(&Value::Array(found)),
        Form::Yaml => yaml(&Value::Array(found)),
        Form::Table => health_table(&found, status.all_namespaces),
    })?;
    Ok(Ended::Well)
}

/// What matters first: who answers, how far it is, what there is, what is held.
fn glance(status: &Value) -> String {
    let count = |pointer: &str| number(status, pointer);
    let ready = if is_true(status, "/ready") { "ready" } else { "not ready" };
    let [lost, not_ready] = ["/nodes/lost", "/nodes/notReady"].map(count);
    let holds: Vec<&str> = list(status, "/holds").iter().filter_map(Value::as_str).collect();
    let holds = if holds.is_empty() { "none".to_owned() } else { holds.join("; ") };
    let [placed, running] = ["/pods/placed", "/pods/ready"].map(count);
    let [waiting, stopping] = ["/pods/waiting", "/pods/stopping"].map(count);
    let lines = [
        ("fleet", format!("{}, version {}", text(status, "/fleet"), text(status, "/version"))),
        ("engine", format!("{}, {ready}, term {}", text(status, "/role"), count("/term"))),
        ("epoch", format!("{} at {}", count("/epoch"), clock(count("/timeMs")))),
        ("nodes", format!("{} known, {lost} lost, {not_ready} not ready", count("/nodes/total"))),
        (
            "pods",
            format!("{placed} placed, {running} ready, {waiting} waiting, {stopping} stopping"),
        ),
        ("holds", holds),
        ("log", behind(count("/behind/records"))),
    ];
    lines.map(|(name, value)| format!("{:<8}{value}", format!("{name}:"))).join("\n")
}

/// How far the engine is behind the log, in words.
pub(crate) fn behind(records: i64) -> String {
    match records {
        0 => "everything on it is taken in".to_owned(),
        records => format!("{records} records are not taken in yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn the_fleet_is_told_at_a_glance() {
        let status = json!({
            "fleet": "f", "version": "0.1.0", "term": 3, "epoch": 70, "timeMs": 0, "role": "leader",
            "ready": true, "nodes": {"total": 3, "lost": 1, "notReady": 1},
            "pods": {"placed": 5, "ready": 4, "waiting": 1, "stopping": 0}, "holds": [],
            "behind": {"records": 12}
        });
        expect![[r#"
            fleet:  f, version 0.1.0
            engine: leader, ready, term 3
            epoch:  70 at 1970-01-01T00:00:00.000Z
            nodes:  3 known, 1 lost, 1 not ready
            pods:   5 placed, 4 ready, 1 waiting, 0 stopping
            holds:  none
            log:    12 records are not taken in yet"#]]
        .assert_eq(&glance(&status));
    }
}
