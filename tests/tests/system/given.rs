//! What a container is given, as a user has it: a manifest applied without leave, and what the
//! container found.

use std::fs;
use std::time::Duration;

use crate::house::{House, LEADS_WITHIN, beside};

/// A pod is placed and started within a second; the machine may be busy.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: told, labels: {app: shop}, annotations: {note: hello}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: none
    command: [sh, -c]
    args:
    - >-
      cd $SETPOINT_MOUNT_OUT && echo "$POD on $NODE at $(ADDRESS) of $CPU" > draft
      && cat $SETPOINT_MOUNT_TOLD/labels $SETPOINT_MOUNT_TOLD/note >> draft
      && ls $SETPOINT_MOUNT_CACHE >> draft && mv draft said
    resources: {limits: {cpu: 250m}}
    securityContext: {allowPrivilegeEscalation: false, seccompProfile: {type: RuntimeDefault}}
    env:
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    volumeMounts:
    - {name: out, mountPath: /out}
    - {name: told, mountPath: /told}
    - {name: cache, mountPath: /cache, subPathExpr: of-$(POD)}
  volumes:
  - {name: out, hostPath: {path: OUT, type: DirectoryOrCreate}}
  - {name: cache, emptyDir: {}}
  - name: told
    projected:
      sources:
      - downwardAPI:
          items:
          - {path: labels, fieldRef: {fieldPath: metadata.labels}}
          - {path: note, fieldRef: {fieldPath: "metadata.annotations['note']"}}
---
apiVersion: v1
kind: Pod
metadata: {name: refused}
spec:
  containers: [{name: main, image: none, command: [sleep, "1000"], tty: true}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_told_of_its_pod_and_finds_its_folders() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    let out = house.path.join("out");
    let text = MANIFEST.replace("path: OUT", &format!("path: {}", out.display()));
    house.applies(&api.base, "pods.yaml", &text);
    let said = out.join("said");
    let wrote = async || said.exists().then_some(()).ok_or_else(|| "not yet".to_owned());
    house.until("the container has said what it found", STARTS_WITHIN, wrote).await;
    let text = fs::read_to_string(&said).expect("it reads");
    let expected = "told on node-1 at 127.0.0.1 of 250\napp=\"shop\"helloof-told\n";
    assert_eq!(text, expected);

    let refused = async || {
        let pod = api.get("/api/v1/namespaces/default/pods/refused").await?.to_string();
        let is_told = pod.contains("Unsupported") && pod.contains("tty is asked for");
        is_told.then_some(()).ok_or(pod)
    };
    house.until("the pod says what its node cannot give", LEADS_WITHIN, refused).await;
}
