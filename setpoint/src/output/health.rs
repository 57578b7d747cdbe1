//! How objects are, one a line.

use serde_json::Value;
use setpoint_api::{Health, health};

use crate::output::field::text;
use crate::output::table;

/// The table of objects and their health, with their namespaces when those of all are shown.
pub(crate) fn health_table(found: &[Value], namespaces: bool) -> String {
    let mut headers = vec!["OBJECT", "HEALTH", "MESSAGE"];
    if namespaces {
        headers.insert(0, "NAMESPACE");
    }
    let row = |one: &Value| {
        let object = format!("{}/{}", text(one, "/kind").to_lowercase(), text(one, "/name"));
        let mut row =
            vec![object, text(one, "/health").to_owned(), text(one, "/message").to_owned()];
        if namespaces {
            row.insert(0, text(one, "/namespace").to_owned());
        }
        row
    };
    table(&headers, &found.iter().map(row).collect::<Vec<_>>())
}

/// The health of an object in a line: its word, and why.
pub(crate) fn health_line(object: &Value) -> String {
    let Health { state, message } = health(text(object, "/kind"), Some(object));
    let colon = if message.is_empty() { "" } else { ": " };
    format!("{}{colon}{message}", state.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn objects_and_their_health_stand_in_a_table() {
        let row = |name: &str, health: &str, message: &str| {
            json!({"kind": "Deployment", "namespace": "shop", "name": name, "health": health,
                "message": message})
        };
        let found = [row("web", "Healthy", ""), row("api", "Missing", "it is not there")];
        expect![[r#"
            NAMESPACE   OBJECT           HEALTH    MESSAGE
            shop        deployment/web   Healthy
            shop        deployment/api   Missing   it is not there"#]]
        .assert_eq(&health_table(&found, true));
    }
}
