//! Data of a StatefulSet's identities, as a user has it: each pod has a folder of its own and finds it again,
//! and the folders go with the set that says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::folders::of_claims;
use crate::house::{House, beside};

/// A pod is placed and started within a second; the machine may be busy.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

const MANIFEST: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: none
        command: [sh, -c]
        args: ['echo $POD >> $SETPOINT_MOUNT_DATA/pods; exec sleep 1000000']
        env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
"#;

/// Who wrote into each folder of a claim, on whichever node it is.
fn written(below: &Path) -> Vec<String> {
    let text = |folder: PathBuf| fs::read_to_string(folder.join("pods")).unwrap_or_default();
    let line = |text: String| text.lines().collect::<Vec<_>>().join(" ");
    let mut found: Vec<String> = of_claims(below).into_iter().map(text).map(line).collect();
    found.sort();
    found
}

async fn has(house: &mut House, expected: &[&str]) {
    let path = house.path.clone();
    let is_so = async || {
        let found = written(&path);
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    };
    house.until("each folder is its pod's", STARTS_WITHIN, is_so).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_identity_finds_its_own_folder_again_and_they_go_with_the_set() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1", "node-2"]).await;
    house.applies(&api.base, "db.yaml", MANIFEST);
    has(&mut house, &["db-0", "db-1"]).await;
    let listed = house.verb(&api.base, "get pvc");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("data-db-0") && listed.contains("data-db-1"), "{listed}");

    let path = "/api/v1/namespaces/default/pods/db-0";
    api.delete(path).await.expect("it is deleted");
    has(&mut house, &["db-0 db-0", "db-1"]).await;

    let path = "/apis/apps/v1/namespaces/default/statefulsets/db";
    api.delete(path).await.expect("it is deleted");
    has(&mut house, &[]).await;
}
