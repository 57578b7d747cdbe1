//! What the gate says of the scheduling gates of pods.

use setpoint_ingest_manifest::{LoadOptions, Source, load};

/// What is said of a Pod with these gates, and whatever else follows; nothing when it is taken.
fn said(gates: &str) -> String {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{name: a, image: \
         a}}], schedulingGates: {gates}}}\n"
    );
    let source = Source::Text { name: "web.yaml".into(), text };
    let problems = load(&[source], &LoadOptions::default()).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn gates_are_named_once_each_and_no_gated_pod_names_its_node() {
    let spelled = "schedulingGates[0].name: the key \"a b\" must be at most 63 letters, digits, '-', '_' and '.', and begin and \
                   end with a letter or digit";
    let table = [
        ("[{name: example.com/quota}, {name: licence}]", ""),
        ("[]", ""),
        ("[], nodeName: n1", ""),
        (
            "[{name: a.b/quota}, {name: a.b/quota}]",
            "schedulingGates[1].name: two gates have the same name",
        ),
        ("[{name: a b}]", spelled),
        (
            "[{name: quota}], nodeName: n1",
            "nodeName: cannot be set until all schedulingGates have been cleared",
        ),
    ];
    for (gates, expected) in table {
        let begin = if expected.is_empty() { "" } else { "web.yaml: document 1: spec." };
        assert_eq!(said(gates), format!("{begin}{expected}"), "{gates}");
    }
}
