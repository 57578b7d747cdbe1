//! Init containers, sidecars, hooks and deadlines: what the gate takes and what it refuses.

use expect_test::{Expect, expect};
use setpoint_ingest_manifest::{LoadOptions, Source, load};

fn check(text: &str, expected: &Expect) {
    let source = Source::Text { name: "web.yaml".into(), text: text.into() };
    let said = match load(&[source], &LoadOptions::default()) {
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect::<String>(),
        Ok(accepted) => {
            accepted.iter().map(|(_, gated)| format!("{:?}\n", gated.standing)).collect()
        }
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
        &pod(spec),
        &expect![[r"
        Managed
    "]],
    );
}

#[test]
fn what_kubernetes_does_not_take_is_refused_by_its_path() {
    let spec = r"
  activeDeadlineSeconds: 0
  terminationGracePeriodSeconds: 5
  initContainers:
  - name: web
    image: a
    livenessProbe: {exec: {command: [x]}}
    lifecycle: {preStop: {sleep: {seconds: 6}}}
  - {name: side, image: a, restartPolicy: OnFailure, resources: {limits: {nvidia.com/gpu: 1}}}
  - name: tcp
    image: a
    restartPolicy: Always
    lifecycle: {preStop: {tcpSocket: {port: 1}}, postStart: {}}
";
    let text = pod(spec).replace("image: web}", "image: web, restartPolicy: Always}");
    check(
        &text,
        &expect![[r#"
        web.yaml: document 1: spec.initContainers[0].lifecycle.preStop.sleep.seconds: must be from 0 to the pod's terminationGracePeriodSeconds, 5
        web.yaml: document 1: spec.initContainers[2].lifecycle.postStart: must specify a handler type
        web.yaml: document 1: spec.containers[0].name: two containers have the same name
        web.yaml: document 1: spec.initContainers[0].livenessProbe: is for init containers with restartPolicy Always alone
        web.yaml: document 1: spec.initContainers[0].lifecycle: is for init containers with restartPolicy Always alone
        web.yaml: document 1: spec.initContainers[1].restartPolicy: "OnFailure" is none of Always
        web.yaml: document 1: spec.containers[0].restartPolicy: is for init containers; others have the pod's
        web.yaml: document 1: spec.initContainers[1].resources: an init container has no devices: give them to a container
        web.yaml: document 1: spec.activeDeadlineSeconds: must be from 1 to 2147483647
        web.yaml: document 1: spec.initContainers[2].lifecycle.preStop.tcpSocket: no such hook is run; Kubernetes deprecates it; it changes what runs (--allow-ignored accepts it without effect)
    "#]],
    );
}

#[test]
fn a_workload_that_keeps_its_pods_running_has_no_deadline() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: \
                {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
                spec: {activeDeadlineSeconds: 5, containers: [{name: web, image: web}]}\n";
    check(
        text,
        &expect![[r"
        web.yaml: document 1: spec.template.spec.activeDeadlineSeconds: is not allowed in a Deployment, which keeps its pods running
    "]],
    );
}
