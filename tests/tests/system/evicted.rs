//! What volumes leave behind, as a user has it: a claim that is made with its pod goes with it, and a pod that
//! fills its folder beyond the limit is evicted and says so.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{House, beside};

/// A pod is placed and started within a second, and measured every ten; the machine may be busy.
const HAPPENS_WITHIN: Duration = Duration::from_secs(90);

const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: large}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: none
    command: [sh, -c]
    args: ['head -c 8388608 /dev/zero > $SETPOINT_MOUNT_CACHE/x; exec sleep 1000000']
    volumeMounts:
    - {name: cache, mountPath: /cache}
    - {name: scratch, mountPath: /scratch}
  volumes:
  - {name: cache, emptyDir: {sizeLimit: 1Mi}}
  - name: scratch
    ephemeral:
      volumeClaimTemplate:
        spec:
          accessModes: [ReadWriteOnce]
          resources: {requests: {storage: 1Gi}}
"#;

const POD: &str = "/api/v1/namespaces/default/pods/large";
const CLAIM: &str = "/api/v1/namespaces/default/persistentvolumeclaims/large-scratch";

async fn is_evicted(house: &mut House, api: &Api) -> Value {
    let look = async || {
        let pod = api.get(POD).await?;
        let is_so = pod["status"]["phase"] == "Failed" && pod["status"]["reason"] == "Evicted";
        if is_so { Ok(pod) } else { Err(pod["status"].to_string()) }
    };
    house.until("the pod is evicted", HAPPENS_WITHIN, look).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_beyond_its_limit_is_evicted_and_its_own_claim_goes_with_it() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &["node-1"]).await;
    house.applies(&api.base, "large.yaml", MANIFEST);
    let pod = is_evicted(&mut house, &api).await;
    let words = "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Mi\". ";
    assert_eq!(pod["status"]["message"], words);
    let claim = api.get(CLAIM).await.expect("it is there as long as its pod");
    assert_eq!(claim["status"]["phase"], "Bound", "{claim}");
    let owner = &claim["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["name"]), (&json!("Pod"), &json!("large")));
    assert_eq!(owner["uid"], pod["metadata"]["uid"]);

    api.delete(POD).await.expect("it is deleted");
    let is_gone = async || match api.get(CLAIM).await {
        Err(_) => Ok(()),
        Ok(claim) => Err(claim.to_string()),
    };
    house.until("its claim goes with it", HAPPENS_WITHIN, is_gone).await;
}
