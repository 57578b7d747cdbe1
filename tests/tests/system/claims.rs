//! Data that stays, as a user has it: a claim whose folder outlasts its pods, files that follow their
//! ConfigMap, and a folder that goes with its claim.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::folders::of_claims;
use crate::house::{House, beside};

/// A pod is placed and started within a second; the machine may be busy.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// Files are looked up anew every minute.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(150);

const CLAIM: &str = "/api/v1/namespaces/default/persistentvolumeclaims/data";
const CONF: &str = "/api/v1/namespaces/default/configmaps/conf";

const MANIFEST: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {greeting: hello}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: none
        command: [sh, -c]
        args:
        - >-
          cd $SETPOINT_MOUNT_DATA && echo $POD >> pods
          && while true; do cat $SETPOINT_MOUNT_CONF/greeting > draft; mv draft greeting; sleep 1; done
        env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        volumeMounts: [{name: data, mountPath: /data}, {name: conf, mountPath: /conf}]
      volumes:
      - {name: data, persistentVolumeClaim: {claimName: data}}
      - {name: conf, configMap: {name: conf}}
"#;

/// The claim's only folder, on whichever node it is.
fn folder(below: &Path) -> Option<PathBuf> {
    let mut found = of_claims(below);
    assert!(found.len() <= 1, "one claim has one folder: {found:?}");
    found.pop()
}

async fn has_lines(house: &mut House, file: &str, wanted: usize) -> Vec<String> {
    let folder = folder(&house.path).expect("it is made");
    let lines = async || {
        let text = fs::read_to_string(folder.join(file)).map_err(|error| error.to_string())?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() == wanted { Ok(lines) } else { Err(text) }
    };
    house.until("the file has its lines", STARTS_WITHIN, lines).await
}

async fn claim(api: &Api) -> Value {
    api.get(CLAIM).await.expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn data_outlasts_its_pods_and_files_follow_their_source() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1", "node-2"]).await;
    house.applies(&api.base, "db.yaml", MANIFEST);
    let path = house.path.clone();
    let is_made = async || folder(&path).map(drop).ok_or_else(|| "no folder yet".to_owned());
    house.until("the claim has its folder", STARTS_WITHIN, is_made).await;
    let first = has_lines(&mut house, "pods", 1).await;
    let bound = claim(&api).await;
    assert_eq!(bound["status"]["phase"], "Bound", "{bound}");
    assert_eq!(bound["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    let volume = bound["spec"]["volumeName"].as_str().expect("it has a volume").to_owned();
    let home = &bound["metadata"]["annotations"]["volume.kubernetes.io/selected-node"];
    let mut pods = api.pods().await.expect("pods").into_values();
    let pod = pods.find(|pod| pod.name == first[0]).expect("it is the pod");
    assert_eq!(home, &json!(pod.node));

    // Its pod is deleted: the next one finds what the first has left.
    let path = format!("/api/v1/namespaces/default/pods/{}", first[0]);
    api.delete(&path).await.expect("it is deleted");
    let both = has_lines(&mut house, "pods", 2).await;
    assert_eq!(both[0], first[0]);
    assert_ne!(both[1], first[0]);

    // The pod that runs sees what its ConfigMap says now.
    api.patch(CONF, &json!({"data": {"greeting": "changed"}})).await.expect("it is changed");
    let folder_of = folder(&house.path).expect("it is there");
    let sees = async || {
        let text = fs::read_to_string(folder_of.join("greeting")).unwrap_or_default();
        if text == "changed" { Ok(()) } else { Err(text) }
    };
    house.until("the running pod sees the change", FOLLOWS_WITHIN, sees).await;
    let again = has_lines(&mut house, "pods", 2).await;
    assert_eq!(again, both, "it was not replaced for it");

    // The claim is asked to go while it is used, and does with its pod; so does its folder.
    api.delete(CLAIM).await.expect("it is deleted");
    assert!(!claim(&api).await["metadata"]["deletionTimestamp"].is_null());
    let path = "/apis/apps/v1/namespaces/default/deployments/db";
    api.delete(path).await.expect("it is deleted");
    let path = house.path.clone();
    let is_gone = async || {
        let volume = api.get(&format!("/api/v1/persistentvolumes/{volume}")).await;
        match (folder(&path), volume) {
            (None, Err(_)) => Ok(()),
            (folder, volume) => Err(format!("folder {folder:?}, volume {volume:?}")),
        }
    };
    house.until("claim, volume and folder are gone", STARTS_WITHIN, is_gone).await;
    api.get(CLAIM).await.expect_err("the claim is gone");
}
