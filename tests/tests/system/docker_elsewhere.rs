//! Restarts here and replacements elsewhere are two things, on real Docker Engines: a container that fails on
//! one node is restarted there as often as its pod says, then another pod takes its place on another node, and
//! the node is avoided, though the workload prefers it, until there is a new revision.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Pod, deployment};
use crate::docker_networked::{Cluster, NODES, Told, all_ready};
use crate::house::alone;
use crate::ledger;

const SETTINGS: [(&str, &str); 2] = [
    ("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000"),
    ("SETPOINT_AGENT__SERVICES__ENABLED", "false"),
];
/// The node that the workload prefers, and that is bad for a while.
const PREFERRED: &str = NODES[0];
/// Restarts in place before the pod has failed.
const ATTEMPTS: usize = 2;
/// Ends with this code that are none of these attempts; more than there are attempts.
const EXEMPT_CODE: u8 = 75;
const EXEMPT_ENDS: usize = 4;
/// Some starts of containers one after the other, on a busy machine.
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// Tells that it begins, ends with the exempt code as often as it is asked to, and fails as long as its node
/// is said to be bad.
const SCRIPT: &str = r#"
echo "$NODE $POD_UID" >> /shared/begun
if [ -s /shared/ends ]; then
    read -r left < /shared/ends
    if [ "$left" -gt 0 ]; then echo $((left - 1)) > /shared/ends; exit EXEMPT; fi
fi
trap 'exit 0' TERM
while true; do
    if grep -q "^$NODE\$" /shared/bad; then exit 7; fi
    sleep 0.2
done
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_a_node_is_restarted_there_then_runs_elsewhere_and_the_node_is_avoided() {
    let _alone = alone();
    let told = Told { fleet: "elsewhere-test", pods_join: "none", settings: &SETTINGS };
    let Some(cluster) = Cluster::start(&told).await else { return };
    let mut story = Story { cluster };
    story.write("bad", "");
    story.write("ends", &EXEMPT_ENDS.to_string());

    story.apply("one").await;
    let (first, home) = story.runs_at(None).await;
    assert_eq!(home.node, PREFERRED, "nothing speaks against it yet");
    let begun = story.begun(&first);
    assert_eq!(begun, EXEMPT_ENDS + 1, "ends with an exempt code are no attempts");

    story.write("bad", PREFERRED);
    let (second, elsewhere) = story.runs_at(Some(&first)).await;
    assert_ne!(elsewhere.node, PREFERRED, "it failed there");
    let begun = story.begun(&first) - begun;
    assert_eq!(begun, ATTEMPTS, "it was restarted in place as often as it may be");
    story.is_explained(&first).await;

    // All is well there again; but nobody knows, and for a while it is avoided.
    story.write("bad", "");
    story.cluster.verb(&format!("delete pod {}", elsewhere.name));
    let (third, avoiding) = story.runs_at(Some(&second)).await;
    assert_ne!(avoiding.node, PREFERRED, "for a while it is avoided");

    story.apply("two").await;
    let (_, back) = story.runs_at(Some(&third)).await;
    assert_eq!(back.node, PREFERRED, "a new revision has failed nowhere");
    all_ready(&story.cluster.api).await.expect("no node was lost by all this");
    ledger::audit(&story.cluster.api).await;
}

struct Story {
    cluster: Cluster,
}

impl Story {
    async fn apply(&self, version: &str) {
        let mut fragile = deployment("fragile", 1);
        fragile["metadata"]["annotations"] = json!({"setpoint.dev/reschedule-backoff-ms": "500"});
        let template = &mut fragile["spec"]["template"];
        template["metadata"]["annotations"] = json!({
            "setpoint.dev/restart-attempts": ATTEMPTS.to_string(),
            "setpoint.dev/restart-backoff-ms": "200",
            "setpoint.dev/restart-backoff-ms-max": "500",
            "setpoint.dev/restart-exempt-codes": EXEMPT_CODE.to_string(),
        });
        let spec = &mut template["spec"];
        let prefers =
            json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [PREFERRED]});
        spec["affinity"] = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 100, "preference": {"matchExpressions": [prefers]}}]}});
        spec["volumes"] = json!([{"name": "shared", "hostPath": {"path": self.cluster.shared()}}]);
        let container = &mut spec["containers"][0];
        let script = SCRIPT.replace("EXEMPT", &EXEMPT_CODE.to_string());
        container["command"] = json!(["sh", "-c", script]);
        container["volumeMounts"] = json!([{"name": "shared", "mountPath": "/shared"}]);
        let field =
            |name, path| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        container["env"] = json!([
            field("NODE", "spec.nodeName"),
            field("POD_UID", "metadata.uid"),
            {"name": "VERSION", "value": version},
        ]);
        // Ready is who lasts: one that ends at once is not.
        container["readinessProbe"] = json!({"exec": {"command": ["true"]},
            "initialDelaySeconds": 2, "periodSeconds": 1, "timeoutSeconds": 10});
        self.cluster.api.apply(&[fragile]).await.expect("it is applied");
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.cluster.shared().join(name), format!("{text}\n")).expect("it is written");
    }

    /// Waits until a pod other than this one is the only one, and is ready.
    async fn runs_at(&mut self, former: Option<&str>) -> (String, Pod) {
        let Cluster { house, api, .. } = &mut self.cluster;
        let only = async || {
            let pods = api.pods().await?;
            let mut ready =
                pods.iter().filter(|(uid, pod)| pod.ready && Some(uid.as_str()) != former);
            match (ready.next(), pods.len()) {
                (Some((uid, pod)), 1) => Ok((uid.clone(), pod.clone())),
                _ => Err(format!("{pods:?}")),
            }
        };
        house.until("one pod is ready, and it is another", SEEN_WITHIN, only).await
    }

    /// How often the container of a pod began.
    fn begun(&self, uid: &str) -> usize {
        let text = fs::read_to_string(self.cluster.shared().join("begun")).unwrap_or_default();
        text.lines().filter(|line| line.ends_with(uid)).count()
    }

    /// The node said why the pod has failed: it was restarted as often as it may be.
    async fn is_explained(&self, uid: &str) {
        let observed = ledger::values(&self.cluster.api, "setpoint.pods").await;
        let of_it = observed.iter().map(Value::to_string).filter(|one| one.contains(uid));
        let of_it: Vec<String> = of_it.collect();
        let is_told = of_it.iter().any(|one| one.contains("RestartsExhausted"));
        assert!(is_told, "nothing says why: {of_it:?}");
    }
}
