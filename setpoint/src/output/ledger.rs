//! Decisions: as a table, and in full with causes and alternatives.

use serde_json::Value;

use crate::output::age::clock;
use crate::output::field::{list, number, text};
use crate::output::table;

const HEADERS: [&str; 8] = ["EPOCH", "TIME", "ACTION", "POD", "RESOURCE", "NODE", "RULE", "REASON"];

/// One line a decision.
pub(crate) fn decisions_table(decisions: &[Value]) -> String {
    let row = |d: &Value| {
        let mut row = vec![number(d, "/epoch").to_string(), clock(number(d, "/time_ms"))];
        let texts = [text(d, "/action"), pod(d)];
        let rest = ["/resource", "/node", "/rule", "/reason"].map(|pointer| text(d, pointer));
        row.extend(texts.into_iter().chain(rest).map(dash));
        row
    };
    table(&HEADERS, &decisions.iter().map(row).collect::<Vec<_>>())
}

/// A decision in full.
pub(crate) fn decision_lines(d: &Value) -> Vec<String> {
    let on = match text(d, "/node") {
        "" => String::new(),
        node => format!(" on {node}"),
    };
    let about = [pod(d), text(d, "/resource")].into_iter().find(|t| !t.is_empty());
    let about = about.map(|about| format!(" {about}")).unwrap_or_default();
    let mut lines = vec![
        format!("{}  {}{about}{on}", clock(number(d, "/time_ms")), text(d, "/action")),
        format!("  because: {} (rule {})", text(d, "/reason"), text(d, "/rule")),
    ];
    lines.extend(list(d, "/causes").iter().map(cause));
    lines.extend(list(d, "/alternatives").iter().map(alternative));
    lines.push(format!("  decided: epoch {}, term {}", number(d, "/epoch"), number(d, "/term")));
    lines
}

/// The pod's name; its uid when the name is not known any more.
fn pod(d: &Value) -> &str {
    match text(d, "/podName") {
        "" => text(d, "/pod"),
        name => name,
    }
}

fn cause(c: &Value) -> String {
    let place = (text(c, "/topic"), number(c, "/partition"), number(c, "/offset"));
    format!("  caused by: {} ({}/{}@{})", text(c, "/text"), place.0, place.1, place.2)
}

fn alternative(a: &Value) -> String {
    let score = a.get("score").and_then(Value::as_i64);
    let score = score.map(|s| format!(", score {}.{:02}", s / 100, s % 100)).unwrap_or_default();
    format!("  looked at: {}: {}{score}", text(a, "/node"), text(a, "/verdict"))
}

fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_decision_is_told_with_its_causes_and_alternatives() {
        let decision = json!({
            "epoch": 7, "term": 2, "time_ms": 0, "action": "Place", "pod": "f00-1", "podName": "web-1-a",
            "resource": "apps/Deployment/default/web", "node": "n2", "rule": "replace_lost",
            "reason": "its node n1 is lost",
            "causes": [{"topic": "setpoint.leases", "partition": 0, "offset": 41, "text": "lease of n1, 12"}],
            "alternatives": [
                {"node": "n2", "verdict": "spread=50 free=40", "score": 9050},
                {"node": "1 node", "verdict": "Insufficient cpu", "score": null}
            ]
        });
        expect![[r#"
            1970-01-01T00:00:00.000Z  Place web-1-a on n2
              because: its node n1 is lost (rule replace_lost)
              caused by: lease of n1, 12 (setpoint.leases/0@41)
              looked at: n2: spread=50 free=40, score 90.50
              looked at: 1 node: Insufficient cpu
              decided: epoch 7, term 2"#]]
        .assert_eq(&decision_lines(&decision).join("\n"));
    }
}
