use serde_json::{Value, json};
use setpoint_settings::{Flag, Sources, load};

use super::{Edit, edited_with, editor::Editor};
use crate::context::{Context, Printer};
use crate::failure::{Ended, Failure};
use crate::verbs::tests::Fake;

const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

fn web(replicas: i64, version: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "resourceVersion": version,
            "managedFields": [{"manager": "x"}]},
        "spec": {"replicas": replicas}})
}

fn refusal(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "code": code, "message": message})
}

/// Edits `deployment/web` with an editor that is a program.
async fn edit(fake: &Fake, editor: &str) -> Result<Ended, Failure> {
    let flags = vec![Flag::new("--server", "client.server", &fake.start().await)];
    let settings = load(&Sources { flags, ..Sources::default() }).expect("settings").settings;
    let mut cx = Context::new(settings).expect("a context");
    cx.out = Printer(Box::new(std::io::sink()));
    let verb = Edit { words: vec!["deployment/web".to_owned()], namespace: None };
    edited_with(&verb, &Editor(editor.to_owned()), &mut cx).await
}

/// What was asked for as patches.
fn patches(fake: &Fake) -> Vec<Value> {
    let call = format!("PATCH {WEB}?fieldManager=setpoint ");
    let asked = fake.asked();
    let bodies = asked.iter().filter_map(|asked| asked.strip_prefix(&call));
    bodies.map(|body| serde_json::from_str(body).expect("JSON")).collect()
}

/// The failure, and the text that it says was kept.
fn kept(ended: Result<Ended, Failure>) -> (String, String) {
    let shown = ended.expect_err("it fails").to_string();
    let path = shown.split_once("your text is in ").and_then(|(_, rest)| rest.split_once(';'));
    let (path, _) = path.expect("it says where");
    let text = std::fs::read_to_string(path).expect("it was kept");
    std::fs::remove_file(path).expect("it can be removed");
    (shown, text)
}

#[tokio::test]
async fn only_what_was_changed_is_sent_and_nothing_when_nothing_was() {
    let get = format!("GET {WEB}");
    let patch = format!("PATCH {WEB}?fieldManager=setpoint");
    let fake = Fake::default().answer(&get, 200, web(1, "7")).answer(&patch, 200, json!({}));
    let ended = edit(&fake, "sed -i 's/replicas: 1/replicas: 3/'").await;
    assert_eq!(ended, Ok(Ended::Well));
    let wanted = json!({"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 3}});
    assert_eq!(patches(&fake), [wanted]);
    for (editor, code) in [("true", true), ("truncate -s 0", true), ("false", false)] {
        let fake = Fake::default().answer(&get, 200, web(1, "7"));
        let ended = edit(&fake, editor).await;
        assert_eq!(ended.is_ok(), code, "{editor}");
        assert_eq!(patches(&fake), Vec::<Value>::new(), "{editor}");
        if !code {
            drop(kept(ended));
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_opened_again_and_kept_when_it_is_saved_as_it_was() {
    let patch = format!("PATCH {WEB}?fieldManager=setpoint");
    let fake = Fake::default()
        .answer(&format!("GET {WEB}"), 200, web(1, "7"))
        .answer(&patch, 422, refusal(422, "spec.replicas: -1 is below 0"))
        .answer(&patch, 200, json!({}));
    let first_wrong =
        "sed -i -e 's/replicas: 1$/replicas: -1/;t' -e 's/replicas: -1$/replicas: 5/'";
    assert_eq!(edit(&fake, first_wrong).await, Ok(Ended::Well));
    let sent: Vec<Value> = patches(&fake).iter().map(|p| p["spec"]["replicas"].clone()).collect();
    assert_eq!(sent, [json!(-1), json!(5)]);

    let fake = Fake::default().answer(&format!("GET {WEB}"), 200, web(1, "7")).answer(
        &patch,
        422,
        refusal(422, "spec.replicas: -1 is below 0"),
    );
    let (shown, text) = kept(edit(&fake, "sed -i 's/replicas: 1$/replicas: -1/'").await);
    assert!(shown.contains("saved as it was refused"), "{shown}");
    assert!(text.contains("# ") && text.contains("-1 is below 0"), "{text}");
    // Another name is no change of this object, and what is no YAML is none at all.
    for editor in ["sed -i 's/name: web/name: other/'", "sed -i 's/spec:$/spec: [/'"] {
        let fake = Fake::default().answer(&format!("GET {WEB}"), 200, web(1, "7"));
        drop(kept(edit(&fake, editor).await));
        assert_eq!(patches(&fake), Vec::<Value>::new(), "{editor}");
    }
}

#[tokio::test]
async fn a_field_that_both_changed_is_a_conflict_and_other_fields_are_not() {
    let (get, patch) = (format!("GET {WEB}"), format!("PATCH {WEB}?fieldManager=setpoint"));
    let mut labelled = web(1, "9");
    labelled["metadata"]["labels"] = json!({"a": "b"});
    let fake = Fake::default()
        .answer(&get, 200, web(1, "7"))
        .answer(&get, 200, labelled)
        .answer(&patch, 409, refusal(409, "the object has been modified"))
        .answer(&patch, 200, json!({}));
    let editor = "sed -i 's/replicas: 1/replicas: 3/'";
    assert_eq!(edit(&fake, editor).await, Ok(Ended::Well));
    let sent = patches(&fake);
    let versions: Vec<&Value> = sent.iter().map(|p| &p["metadata"]["resourceVersion"]).collect();
    assert_eq!(versions, [&json!("7"), &json!("9")]);

    let fake = Fake::default()
        .answer(&get, 200, web(1, "7"))
        .answer(&get, 200, web(2, "9"))
        .answer(&patch, 409, refusal(409, "the object has been modified"));
    let (shown, text) = kept(edit(&fake, editor).await);
    assert!(shown.contains("where: spec.replicas"), "{shown}");
    assert!(text.contains("replicas: 3"), "{text}");
    assert_eq!(patches(&fake).len(), 1);
}

#[tokio::test]
async fn a_conflict_that_nobody_else_made_is_told_and_not_sent_again() {
    let fake = Fake::default().answer(&format!("GET {WEB}"), 200, web(1, "7")).answer(
        &format!("PATCH {WEB}?fieldManager=setpoint"),
        409,
        refusal(409, "spec.replicas is owned by another"),
    );
    let (shown, _) = kept(edit(&fake, "sed -i 's/replicas: 1/replicas: 3/'").await);
    assert!(shown.contains("is owned by another"), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
    assert_eq!(patches(&fake).len(), 1);
}

#[tokio::test]
async fn that_nothing_was_changed_is_said_only_where_that_is_certain() {
    for (code, told, untold) in [
        (403, "nothing was changed", "is not known"),
        (404, "nothing was changed", "is not known"),
        (500, "whether anything was changed is not known", "nothing was"),
        (504, "whether anything was changed is not known", "nothing was"),
    ] {
        let fake = Fake::default().answer(&format!("GET {WEB}"), 200, web(1, "7")).answer(
            &format!("PATCH {WEB}?fieldManager=setpoint"),
            code,
            refusal(code, "no"),
        );
        let (shown, text) = kept(edit(&fake, "sed -i 's/replicas: 1/replicas: 3/'").await);
        assert!(shown.contains(told) && !shown.contains(untold), "{code}: {shown}");
        assert!(text.contains("replicas: 3"), "{code}: {text}");
    }
}

/// Ctrl-\, because other tests of this process listen for Ctrl-C.
#[tokio::test]
async fn signals_while_the_editor_is_open_end_the_editor_at_most() {
    let (get, patch) = (format!("GET {WEB}"), format!("PATCH {WEB}?fieldManager=setpoint"));
    let fake = Fake::default().answer(&get, 200, web(1, "7")).answer(&patch, 200, json!({}));
    let editor = "kill -QUIT $PPID; sleep 0.2; sed -i 's/replicas: 1/replicas: 3/'";
    assert_eq!(edit(&fake, editor).await, Ok(Ended::Well));
    assert_eq!(patches(&fake).len(), 1);
    // The shell around the editor is no deafer than any other program.
    let fake = Fake::default().answer(&get, 200, web(1, "7"));
    let (shown, _) = kept(edit(&fake, "kill -INT $$ #").await);
    assert!(shown.contains("ended with signal"), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
}
