//! Nodes with real Docker Engines are drained under load: a pod that serves alone goes after another serves in
//! its place, and of two behind a budget one goes at a time. No request fails.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::api::deployment;
use crate::docker_networked::{Cluster, NODES, Told, index_of};
use crate::house::{LOOK_EVERY, alone};
use crate::ledger;
use crate::load_by_clock::{ANSWER_MAX, LoadByClock, get};

const SETTINGS: [(&str, &str); 1] = [("SETPOINT_ENGINE__POLICY__LEASE_RENEW_MS", "1000")];
/// Containers that start and are asked whether they are ready, on a busy machine.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
/// Two pods one after the other, each within a minute, and the pauses of `drain`.
const DRAINED_WITHIN: Duration = Duration::from_secs(180);
/// The load goes on for so long when all is over: what a node hears late would show.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// Twenty-five a second: enough that no moment without an answer is missed, few enough for two cores.
const ASKED_EVERY: Duration = Duration::from_millis(40);
/// What is asked of a server, and its whole answer.
const PATH: &str = "/index.html";
const PAGE: &str = "served end";
/// Fewer requests would be no load.
const REQUESTS_MIN: usize = 100;
/// How long a pod of the pair takes to be ready: longer than one takes to end, so that who does not wait
/// for it leaves a gap.
const BEGINS_SECONDS: u64 = 6;
/// How long a container has to end, which does not end when it is asked to: long enough that both are seen,
/// shorter than another one takes to begin.
const GRACE_SECONDS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn drains_under_load_fail_no_request_of_a_single_pod_nor_of_two_behind_a_budget() {
    let _alone = alone();
    let told = Told { fleet: "drain-test", pods_join: "", settings: &SETTINGS };
    let Some(mut cluster) = Cluster::start(&told).await else { return };

    let single = applied(&mut cluster, &[server("single", 1, 0)]).await;
    for turn in 1..=2 {
        let load = LoadByClock::start(single.clone(), PATH, ASKED_EVERY, ANSWER_MAX);
        let home = only_home(&cluster, "single").await;
        replaced_before_it_goes(&mut cluster, home).await;
        answered(load, &format!("drain {turn} of a single pod")).await;
        cluster.verb(&format!("uncordon {}", NODES[home]));
    }
    cluster.verb("delete deployment single");

    // Both on one node, which is then drained.
    (1..NODES.len()).for_each(|node| cluster.verb(&format!("cordon {}", NODES[node])));
    let mut pair = server("pair", 2, BEGINS_SECONDS);
    // Without another pod first it is the budget alone that keeps the second one.
    pair["metadata"]["annotations"] = json!({"setpoint.dev/eviction-surge-ms": "0"});
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "pair", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "pair"}}}});
    let pair = applied(&mut cluster, &[pair, budget]).await;
    (1..NODES.len()).for_each(|node| cluster.verb(&format!("uncordon {}", NODES[node])));
    let load = LoadByClock::start(pair, PATH, ASKED_EVERY, ANSWER_MAX);
    one_goes_at_a_time(&mut cluster).await;
    answered(load, "drain of two pods behind a budget").await;
    ledger::audit(&cluster.api).await;
}

/// Applies a server with what belongs to it, and its Service; where every node answers for it, once all do.
async fn applied(cluster: &mut Cluster, items: &[Value]) -> Vec<SocketAddr> {
    let name = items[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "type": "NodePort",
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}});
    cluster.api.apply(&[items, &[service]].concat()).await.expect("it is applied");
    let path = format!("/api/v1/namespaces/default/services/{name}");
    let service = cluster.api.get(&path).await.expect("it is there");
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().expect("a node port");
    let port = u16::try_from(port).expect("a port");
    let at: Vec<SocketAddr> = (0..NODES.len()).map(|node| cluster.at(node, port)).collect();
    let wanted = items[0]["spec"]["replicas"].as_u64().expect("a number");
    let Cluster { house, api, .. } = cluster;
    let all_serve = async || {
        let pods = api.pods().await?;
        let ready = pods.values().filter(|pod| pod.ready && pod.name.starts_with(&name)).count();
        if ready as u64 != wanted {
            return Err(format!("{ready} of {wanted} are ready"));
        }
        for address in &at {
            get(*address, PATH, ANSWER_MAX).await?;
        }
        Ok(())
    };
    house.until("every node answers for it", SERVES_WITHIN, all_serve).await;
    at
}

/// Pods that serve a page at their own address, and are ready so many seconds after they begin.
fn server(name: &str, replicas: u64, begins_seconds: u64) -> Value {
    let mut server = deployment(name, replicas);
    let pod = &mut server["spec"]["template"]["spec"];
    pod["terminationGracePeriodSeconds"] = json!(GRACE_SECONDS);
    let container = &mut pod["containers"][0];
    let script =
        format!("mkdir -p /www; echo '{PAGE}' > /www{PATH}; exec httpd -f -p 8080 -h /www");
    container["command"] = json!(["sh", "-c", script]);
    container["ports"] = json!([{"name": "http", "containerPort": 8080}]);
    container["readinessProbe"] = json!({"httpGet": {"path": PATH, "port": "http"},
        "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 10,
        "initialDelaySeconds": begins_seconds});
    server
}

/// Drains the node of a workload's only pod: never does it end there before another is ready, and for a
/// moment both are there.
async fn replaced_before_it_goes(cluster: &mut Cluster, home: usize) {
    let drain = cluster.verb_beside(&["drain", NODES[home]]);
    let (began, mut both) = (Instant::now(), 0);
    while !is_over(&drain, began) {
        let runs_there = !cluster.running(home).await.expect("the engine answers").is_empty();
        // Looked at later: who had to be ready before the other one ended is ready now.
        let pods = cluster.api.pods().await.expect("the pods");
        let elsewhere = |pod: &crate::api::Pod| pod.ready && pod.node != NODES[home];
        let is_replaced = pods.values().any(elsewhere);
        assert!(runs_there || is_replaced, "it ended before another was ready: {pods:?}");
        both += usize::from(runs_there && is_replaced);
        sleep(LOOK_EVERY).await;
    }
    let said = drain.await.expect("it was drained");
    assert!(said.contains(&format!("{} drained", NODES[home])), "{said}");
    assert!(both > 0, "the other was ready before this one ended");
    println!(
        "{} was drained within {:.1?}; both were seen {both} times",
        NODES[home],
        began.elapsed()
    );
}

/// Drains the node of both pods: at every moment one is ready, there or elsewhere.
async fn one_goes_at_a_time(cluster: &mut Cluster) {
    let drain = cluster.verb_beside(&["drain", NODES[0]]);
    let (began, mut seen) = (Instant::now(), Vec::new());
    while !is_over(&drain, began) {
        let pods = cluster.api.pods().await.expect("the pods");
        let ready = pods.values().filter(|pod| pod.ready);
        let (here, elsewhere): (Vec<_>, Vec<_>) = ready.partition(|pod| pod.node == NODES[0]);
        let now = (here.len(), elsewhere.len());
        assert_ne!(now, (0, 0), "none is ready: {pods:?}");
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        sleep(LOOK_EVERY).await;
    }
    let said = drain.await.expect("it was drained");
    assert!(said.contains(&format!("{} drained", NODES[0])), "{said}");
    assert!(seen.iter().any(|(here, _)| *here == 1), "one went before the other: {seen:?}");
    println!("ready there and elsewhere in turn: {seen:?}, within {:.1?}\n{said}", began.elapsed());
}

fn is_over(drain: &JoinHandle<String>, began: Instant) -> bool {
    assert!(began.elapsed() < DRAINED_WITHIN, "it is not drained");
    drain.is_finished()
}

async fn only_home(cluster: &Cluster, workload: &str) -> usize {
    let pods = cluster.api.pods().await.expect("the pods");
    let of_it: Vec<_> = pods.values().filter(|pod| pod.name.starts_with(workload)).collect();
    assert_eq!(of_it.len(), 1, "{of_it:?}");
    index_of(&of_it[0].node)
}

/// Ends a load: there was one, and all of it was answered.
async fn answered(load: LoadByClock, during: &str) {
    sleep(AFTERWARDS).await;
    println!("{during}:");
    let told = load.ends_without_a_failure().await;
    assert!(told.asked >= REQUESTS_MIN, "there was no load: {} requests", told.asked);
}
