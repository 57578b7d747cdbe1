//! `diff`: what an apply would change.
//!
//! Both sides are read for what they mean (`setpoint_ingest_manifest::in_words_of`): what is only written
//! otherwise is no difference, and what another manager owns stays as it is.

mod foreseen;
#[cfg(test)]
mod pair_tests;

use clap::Args;
use serde_json::Value;
use setpoint_ingest_manifest::in_words_of;
use setpoint_schemas::strip_server_fields;
use similar::TextDiff;

use crate::context::{Context, warn};
use crate::failure::{Ended, Failure};
use crate::output::field::{name, namespace, shown};
use crate::output::yaml;
use crate::verbs::apply::FIELD_MANAGER;
use crate::verbs::manifest::Files;
use crate::verbs::object::path_of;

/// Show what an apply would change: 0 nothing, 1 something, 2 failed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint diff -f web.yaml
  setpoint diff -f manifests/ -R && echo nothing would change
  setpoint diff -f web.yaml --ignore /spec/replicas")]
pub(crate) struct Diff {
    #[command(flatten)]
    files: Files,
    /// The namespace of objects that name none
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// Who would apply: what others own stays as it is
    #[arg(long, value_name = "NAME", default_value = FIELD_MANAGER)]
    field_manager: String,
    /// A field that is not compared, as a JSON pointer such as /spec/replicas; may be repeated
    #[arg(long, value_name = "POINTER", value_parser = pointer)]
    ignore: Vec<String>,
}

fn pointer(text: &str) -> Result<String, String> {
    match text.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("a JSON pointer begins with /, such as /spec/replicas".to_owned()),
    }
}

/// Lines around a change.
const CONTEXT_LINES: usize = 3;

pub(crate) async fn run(diff: Diff, cx: &mut Context) -> Result<Ended, Failure> {
    let mut ended = Ended::Well;
    let given = diff.namespace.as_deref();
    for item in diff.files.read("diff", &cx.namespace(given), given)? {
        let what = || format!("failed to compare {}", shown(&item.object));
        let path = path_of(&cx.client, &item.object).await.map_err(|e| e.during(what()))?;
        let path = path.object(namespace(&item.object), name(&item.object));
        let live = cx.client.find(&path).await.map_err(|e| e.during(what()))?;
        let (before, after) = match &live {
            Some(live) => {
                let (before, after) = both(live, &item.object, &diff);
                (Some(before), after)
            }
            None => (None, masked(own(item.object.clone()), &Value::Null)),
        };
        let text = compare(&shown(&item.object), before.as_ref(), &after);
        if !text.is_empty() {
            ended = Ended::Different;
            cx.out.line(text)?;
        }
    }
    Ok(ended)
}

/// What is there, and what an apply would make of it in the same words, both without what is ignored.
fn both(live: &Value, wanted: &Value, diff: &Diff) -> (Value, Value) {
    let mut before = own(live.clone());
    let foreseen = foreseen::applied(live, &before, &own(wanted.clone()), &diff.field_manager);
    let mut after = in_words_of(&own(foreseen.clone()), &before);
    if is_only_written_otherwise(&before, &after, &foreseen) {
        warn(format!(
            "{}: its pods would be replaced, for their template is written otherwise, though it means \
             the same",
            shown(wanted)
        ));
    }
    for pointer in &diff.ignore {
        remove(&mut before, pointer);
        remove(&mut after, pointer);
    }
    let before = masked(before, &after);
    let after = masked(after, &before);
    (before, after)
}

/// Revisions of a workload are told apart by their template's text: one of another text and the same
/// meaning is a new revision all the same.
fn is_only_written_otherwise(before: &Value, after: &Value, foreseen: &Value) -> bool {
    let template = |object: &Value| object.pointer(TEMPLATE).cloned();
    template(before) == template(after) && template(before) != template(foreseen)
}

const TEMPLATE: &str = "/spec/template";

fn remove(object: &mut Value, pointer: &str) {
    let Some((above, name)) = pointer.rsplit_once('/') else { return };
    match object.pointer_mut(above) {
        Some(Value::Object(fields)) => {
            fields.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Some(index) = name.parse().ok().filter(|index: &usize| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// The object without what the server adds.
fn own(mut object: Value) -> Value {
    strip_server_fields(&mut object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
    }
    object
}

/// A Secret's values are never shown; one that differs is marked as such.
fn masked(mut object: Value, other: &Value) -> Value {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return object;
    }
    // What kubectl applied last has the values in it.
    let applied = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
    if let Some(applied) = object.pointer_mut(applied) {
        *applied = Value::from(MASK);
    }
    for part in ["data", "stringData"] {
        let Some(values) = object.get_mut(part).and_then(Value::as_object_mut) else { continue };
        for (key, value) in values {
            let same = other.get(part).and_then(|o| o.get(key)) == Some(value);
            *value =
                Value::from(if same || is_mask(other, part, key) { MASK } else { MASK_CHANGED });
        }
    }
    object
}

const MASK: &str = "***";
const MASK_CHANGED: &str = "*** (differs)";

fn is_mask(other: &Value, part: &str, key: &str) -> bool {
    other.get(part).and_then(|o| o.get(key)).and_then(Value::as_str) == Some(MASK)
}

/// A unified diff of both as YAML; empty when they are the same.
fn compare(shown: &str, before: Option<&Value>, after: &Value) -> String {
    if before == Some(after) {
        return String::new();
    }
    let before = before.map(yaml).unwrap_or_default();
    TextDiff::from_lines(&before, yaml(after).as_str())
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header(&format!("live/{shown}"), &format!("applied/{shown}"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let mine = json!({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
        let mut live = mine.clone();
        live["metadata"]["uid"] = json!("u");
        live["metadata"]["generation"] = json!(3);
        live["status"] = json!({"x": 1});
        assert_eq!(compare("configmap/a", Some(&own(live)), &own(mine)), "");
    }

    #[test]
    fn a_change_is_shown_line_by_line() {
        let object = |replicas: i64| json!({"kind": "Deployment", "spec": {"replicas": replicas}});
        expect![[r#"
            --- live/deployment.apps/web
            +++ applied/deployment.apps/web
            @@ -1,3 +1,3 @@
             kind: Deployment
             spec:
            -  replicas: 2
            +  replicas: 3
        "#]]
        .assert_eq(&compare("deployment.apps/web", Some(&object(2)), &object(3)));
    }

    #[test]
    fn a_secrets_values_are_never_shown() {
        let secret = |value: &str| json!({"kind": "Secret", "data": {"password": value}});
        let before = masked(secret("aGlkZGVu"), &secret("b3RoZXI="));
        let after = masked(secret("b3RoZXI="), &secret("aGlkZGVu"));
        let shown = format!("{}{}", yaml(&before), yaml(&after));
        assert!(!shown.contains("aGlkZGVu") && !shown.contains("b3RoZXI="), "{shown}");
        assert!(shown.contains("differs"), "{shown}");
    }
}
