//! Init containers, sidecars, hooks and deadlines: what the gate takes and what it refuses.

use expect_test::{Expect, expect};
use setpoint_ingest_manifest::{LoadOptions, Source, load};

fn check(name: &str, text: &str, expected: &Expect) {
    let source = Source::Text { name: name.into(), text: text.into() };
    let said = match load(&[source], &LoadOptions::default()) {
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect::<String>(),
        Ok(accepted) => accepted
            .iter()
            .map(|(_, gated)| format!("{:?} {}\n", gated.standing, gated.key))
            .collect(),
    };
    expected.assert_eq(&said);
}

fn pod(spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers: [{{name: web, \
         image: web}}]\n{spec}"
    )
}

#[test]
fn a_whole_pod_passes() {
    let spec = r"
  activeDeadlineSeconds: 60
  initContainers:
  - {name: init, image: a}
  - name: side
    image: a
    restartPolicy: Always
    ports: [{name: admin, containerPort: 9000}]
    startupProbe: {httpGet: {port: admin}}
    lifecycle: {postStart: {sleep: {seconds: 1}}, preStop: {httpGet: {port: admin, path: /bye}}}
";
    check(
        "web.yaml",
        &pod(spec),
        &expect![[r#"
        Managed core/Pod/default/web
    "#]],
    );
}

#[test]
fn what_kubernetes_does_not_take_is_refused_by_its_path() {
    let spec = r"
  activeDeadlineSeconds: 0
  terminationGracePeriodSeconds: 5
  initContainers:
  - {name: web, image: a, livenessProbe: {exec: {command: [x]}}, lifecycle: {preStop: {sleep: {seconds: 6}}}}
  - {name: side, image: a, restartPolicy: OnFailure, resources: {limits: {nvidia.com/gpu: 1}}}
  - {name: tcp, image: a, restartPolicy: Always, lifecycle: {preStop: {tcpSocket: {port: 1}}, postStart: {}}}
";
    let text = pod(spec).replace("image: web}", "image: web, restartPolicy: Always}");
    check("web.yaml", &text, &expect![[r#""#]]);
}

#[test]
fn a_workload_that_keeps_its_pods_running_has_no_deadline() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: \
                {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
                spec: {activeDeadlineSeconds: 5, containers: [{name: web, image: web}]}\n";
    check("web.yaml", text, &expect![[r#""#]]);
}

#[test]
fn hooks_of_compose_are_hooks_of_the_container() {
    let text = r"
services:
  one: {image: 'a:1', post_start: [{command: ./warm.sh --fast}], pre_stop: [{command: [sh, -c, bye]}]}
  more: {image: 'a:1', pre_stop: [{command: a, user: root}, {command: b}]}
";
    check("compose.yaml", text, &expect![[r#""#]]);
}
