//! A volume that somebody wrote, as a user has it: data that was there before, on one node, which the pod of a
//! claim goes to and which outlasts both.

use std::fs;
use std::time::Duration;

use reqwest::Method;

use crate::api::Api;
use crate::house::{House, alone};

/// A pod is placed and started within a second; the machine may be busy.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

const CLAIM: &str = "/api/v1/namespaces/default/persistentvolumeclaims/data";
const VOLUME: &str = "/api/v1/persistentvolumes/disk";
const APP: &str = "/apis/apps/v1/namespaces/default/deployments/db";

const MANIFEST: &str = r#"
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  storageClassName: manual
  accessModes: [ReadWriteOnce]
  capacity: {storage: 2Gi}
  local: {path: FOLDER}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: kubernetes.io/hostname, operator: In, values: [node-2]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  storageClassName: manual
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
        args: ["cd $SETPOINT_MOUNT_DATA && cat before > draft && mv draft seen && sleep 600"]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes:
      - {name: data, persistentVolumeClaim: {claimName: data}}
"#;

async fn delete(api: &Api, path: &str) {
    let deleted = api.call(Method::DELETE, path, "application/json", String::new()).await;
    assert!(deleted.is_ok(), "{path}: {deleted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_there_for_the_pod_and_after_it() {
    let _alone = alone();
    let (mut house, api) = House::with_nodes(&[], &["node-1", "node-2"]).await;
    let (file, disk) = (house.path.join("db.yaml"), house.path.join("disk"));
    fs::write(&file, MANIFEST.replace("FOLDER", &disk.to_string_lossy())).expect("it is written");
    let applied = house.verb(&api.base, &format!("apply -f {}", file.display()));
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    // The folder is not there yet: nobody makes it but who wrote the volume.
    fs::create_dir(&disk).expect("the folder of the volume");
    fs::write(disk.join("before"), "kept").expect("it is written");

    let seen = disk.join("seen");
    let has_seen = async || match fs::read_to_string(&seen) {
        Ok(text) if text == "kept" => Ok(()),
        other => Err(format!("{other:?}")),
    };
    house.until("the pod sees what was there before", STARTS_WITHIN, has_seen).await;
    let pods = api.pods().await.expect("pods");
    assert!(pods.values().all(|pod| pod.node == "node-2"), "it is where its volume is");
    let bound = api.get(CLAIM).await.expect("it is there");
    assert_eq!(bound["spec"]["volumeName"], "disk", "{bound}");
    assert_eq!(bound["status"]["capacity"]["storage"], "2Gi");
    let told = house.verb(&api.base, "get pv");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for word in ["RECLAIM POLICY", "RWO", "Retain", "Bound", "default/data", "manual"] {
        assert!(told.contains(word), "{word}: {told}");
    }

    delete(&api, APP).await;
    delete(&api, CLAIM).await;
    let is_released = async || {
        let volume = api.get(VOLUME).await?;
        match volume["status"]["phase"] == "Released" {
            true => Ok(()),
            false => Err(volume.to_string()),
        }
    };
    house.until("the volume is released", STARTS_WITHIN, is_released).await;
    assert_eq!(fs::read_to_string(disk.join("before")).expect("it stays"), "kept");
}
