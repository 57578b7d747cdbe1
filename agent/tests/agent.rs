//! The agent against an API in this process and real processes.

mod calls;
mod evicted;
mod fake_api;
mod fence;
mod node;

use std::time::{Duration, Instant};

use fake_api::FakeApi;
use node::{Node, placement, shell};
use setpoint_schemas::{ContainerState, PodPhase};

/// Not a test of its own: this program, started anew as a container's supervisor.
#[test]
fn the_supervisor() {
    if let Some(container) = node::container_to_supervise() {
        let _ = setpoint_actuator_process::shim::run(&container);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placed_pod_runs_and_is_reported() {
    let api = FakeApi::start().await;
    let node = Node::new(&api).with_snapshots(Duration::from_millis(500));
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    let pod = api.reaches("web", |pod| pod.ready).await;
    assert_eq!(pod.phase, PodPhase::Running);
    assert!(pod.sequence > 0 && pod.started_ms > 0 && !pod.containers[0].id.is_empty());
    api.until("it is registered", |seen| seen.node.as_ref().is_some_and(|n| n.is_ready())).await;
    api.until("its lease is renewed", |seen| seen.leases >= 2).await;
    api.until("its usage is told", |seen| seen.usage.iter().any(|u| u.memory_bytes > 0)).await;
    api.until("a snapshot names it", |seen| seen.snapshot_names("web")).await;
    let record = api.seen(|seen| seen.node.clone()).expect("it is registered");
    assert_eq!(record.labels["kubernetes.io/hostname"], "node-1");
    assert_eq!(record.runtime, "process");

    api.place(1, 2, vec![]);
    api.reaches("web", |pod| pod.phase == PodPhase::Gone).await;
    assert!(!node::runs(&pod.containers[0].id));
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_restarts_in_place_at_once_and_then_with_backoff() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    let mut crashes = placement("crash", shell("exit 3"));
    node::annotate(&mut crashes, "setpoint.dev/restart-backoff-ms", "600");
    api.place(1, 1, vec![crashes]);
    let agent = node.agent();
    let waits = |pod: &setpoint_schemas::PodObserved| {
        let main = &pod.containers[0];
        main.reason == "CrashLoopBackOff" && main.restarts == 1
    };
    let pod = api.reaches("crash", waits).await;
    assert_eq!(pod.containers[0].state, ContainerState::Waiting);
    assert_eq!(pod.containers[0].exit_code, Some(3));
    assert_eq!(pod.phase, PodPhase::Running, "a pod between two restarts is running");
    let second = |p: &setpoint_schemas::PodObserved| {
        p.containers[0].restarts == 2 && p.containers[0].started_ms > pod.containers[0].started_ms
    };
    let again = api.reaches("crash", second).await;
    let waited_ms = again.containers[0].started_ms - pod.containers[0].finished_ms;
    assert!(waited_ms >= 600, "it waited {waited_ms} ms");
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_finds_the_pods_and_their_restarts() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    let first = api.reaches("web", |pod| pod.ready).await;
    node::kill(&first.containers[0].id);
    let second = api.reaches("web", |pod| pod.ready && pod.containers[0].restarts == 1).await;
    assert_ne!(first.containers[0].id, second.containers[0].id);
    agent.kill().await;
    assert!(node::runs(&second.containers[0].id), "the pod outlives its agent");

    api.forget();
    let agent = node.agent();
    let third = api.reaches("web", |pod| pod.ready).await;
    assert_eq!(third.containers[0].id, second.containers[0].id);
    assert_eq!(third.containers[0].restarts, 1);
    assert_ne!(third.session, second.session);
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_a_lower_term_or_another_fleet_or_a_part_changes_nothing() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(5, 10, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    let pod = api.reaches("web", |pod| pod.ready).await;
    let is_up = || node::runs(&pod.containers[0].id);

    api.place(4, 99, vec![]);
    api.polled(2).await;
    assert!(is_up(), "a lower term is refused");
    api.place(5, 9, vec![]);
    api.polled(2).await;
    assert!(is_up(), "a lower epoch is refused");
    api.change_list(|list| {
        (list.term, list.epoch) = (9, 9);
        list.fleet = setpoint_schemas::FleetId::parse("theirs").expect("valid");
    });
    api.polled(2).await;
    assert!(is_up(), "another fleet is refused");
    api.place(6, 1, vec![]);
    api.change_list(|list| list.complete = false);
    api.polled(2).await;
    assert!(is_up(), "a part of a list is refused");

    api.place(6, 1, vec![]);
    api.reaches("web", |pod| pod.phase == PodPhase::Gone).await;
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_stopped_only_after_a_valid_list_of_this_life() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(2, 2, vec![placement("orphan", shell("exec sleep 1000"))]);
    let agent = node.agent();
    let pod = api.reaches("orphan", |pod| pod.ready).await;
    agent.end().await;

    // The list no longer names it, but is not to be trusted yet.
    api.place(1, 9, vec![]);
    api.forget();
    let agent = node.agent();
    api.reaches("orphan", |pod| pod.ready).await;
    api.polled(3).await;
    assert!(node::runs(&pod.containers[0].id), "nothing is stopped yet");
    api.place(2, 3, vec![]);
    api.reaches("orphan", |pod| pod.phase == PodPhase::Gone).await;
    assert!(!node::runs(&pod.containers[0].id));
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_api_stops_nothing_and_is_made_up_for() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    let first = api.reaches("web", |pod| pod.ready).await;
    let snapshots = api.seen(|seen| seen.snapshots.len());

    api.set_down(true);
    node::kill(&first.containers[0].id);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let before = api.seen(|seen| seen.pods["web"].clone());
    assert_eq!(before.containers[0].id, first.containers[0].id, "nothing reached the API");
    api.set_down(false);
    let second = api.reaches("web", |pod| pod.ready && pod.containers[0].restarts == 1).await;
    assert!(second.sequence > first.sequence);
    api.until("a snapshot follows the outage", |seen| seen.snapshots.len() > snapshots).await;
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_keeps_restarting_while_the_api_is_away() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    let first = api.reaches("web", |pod| pod.ready).await;
    agent.end().await;
    api.set_down(true);
    let agent = node.agent();
    node::kill(&first.containers[0].id);
    let second = node.process_of("web", |pid| pid != first.containers[0].id).await;
    assert!(node::runs(&second), "it was restarted by what the last life knew");
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_waits_for_its_configmap_and_says_so() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    let spec = serde_json::json!({"containers": [{
        "name": "main", "command": ["/bin/sh", "-c", "test \"$COLOUR\" = blue && exec sleep 1000"],
        "envFrom": [{"configMapRef": {"name": "conf"}}],
    }]});
    api.place(1, 1, vec![placement("web", spec)]);
    let agent = node.agent();
    let pod = api.reaches("web", |p| p.containers[0].reason == "CreateContainerConfigError").await;
    assert_eq!(pod.phase, PodPhase::Pending);
    assert!(pod.containers[0].message.contains("\"conf\" not found"), "{pod:?}");
    api.put_config_map("conf", "COLOUR", "blue");
    api.reaches("web", |pod| pod.ready).await;
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configmap_is_seen_in_the_files_of_the_running_pod() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    let script =
        "until [ \"$(cat $SETPOINT_MOUNT_CONF/COLOUR)\" = red ]; do sleep 0.1; done; exit 9";
    let spec = serde_json::json!({"restartPolicy": "Never",
        "volumes": [{"name": "conf", "configMap": {"name": "conf"}}],
        "containers": [{
            "name": "main", "command": ["/bin/sh", "-c", script],
            "volumeMounts": [{"name": "conf", "mountPath": "/conf"}],
        }],
    });
    api.put_config_map("conf", "COLOUR", "blue");
    api.place(1, 1, vec![placement("web", spec)]);
    let agent = node.agent();
    let first = api.reaches("web", |pod| pod.ready).await;
    api.put_config_map("conf", "COLOUR", "red");
    let last = api.reaches("web", |pod| pod.containers[0].exit_code == Some(9)).await;
    assert_eq!(last.containers[0].id, first.containers[0].id, "it was not started anew");
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_command_is_a_status_and_no_loop() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    let spec = serde_json::json!({"containers": [{"name": "main", "image": "nginx"}]});
    api.place(1, 1, vec![placement("bare", spec)]);
    let agent = node.agent();
    let pod = api.reaches("bare", |pod| pod.containers[0].reason == "NoCommand").await;
    assert_eq!(pod.phase, PodPhase::Pending);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let later = api.seen(|seen| seen.pods["bare"].sequence);
    assert_eq!(later, pod.sequence, "it is said once");
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_generation_restarts_the_pod() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    let mut web = placement("web", shell("exec sleep 1000"));
    api.place(1, 1, vec![web.clone()]);
    let agent = node.agent();
    let first = api.reaches("web", |pod| pod.ready).await;
    web.generation = 2;
    api.place(1, 2, vec![web]);
    let second = api.reaches("web", |pod| pod.ready && pod.generation == 2).await;
    assert_ne!(first.containers[0].id, second.containers[0].id);
    assert!(!node::runs(&first.containers[0].id));
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_before_the_node_was_known_is_told_again() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    api.set_unregistrable(true);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    api.until("it is told in vain", |seen| seen.strangers >= 2 && seen.pods.is_empty()).await;
    api.set_unregistrable(false);
    api.reaches("web", |pod| pod.ready).await;

    api.forget();
    api.forget_node();
    api.until("it registers anew", |seen| seen.node.is_some()).await;
    api.reaches("web", |pod| pod.ready).await;
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_agents_with_one_name_the_earlier_stops_its_pods_ends_and_says_so() {
    let api = FakeApi::start().await;
    let (one, two) = (Node::new(&api), Node::new(&api));
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let earlier = one.agent();
    let first = api.reaches("web", |pod| pod.ready).await;
    // It has seen that the node is its own.
    api.polled(2).await;
    let later = two.agent();
    let error = earlier.ended().await.expect_err("it was superseded").to_string();
    assert!(error.contains("registered as node node-1 after this one"), "{error}");
    assert!(error.contains("its pods are stopped"), "{error}");
    assert!(!node::runs(&first.containers[0].id), "the pod runs elsewhere now");
    let second = api.reaches("web", |pod| pod.ready && pod.session != first.session).await;

    // The later one has it to itself: nothing takes it back.
    api.polled(3).await;
    assert_eq!(api.seen(|seen| seen.node.clone()).expect("registered").session, second.session);
    assert!(node::runs(&second.containers[0].id));
    later.end().await;
    two.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_earlier_of_two_agents_on_one_runtime_leaves_the_pods_to_the_later() {
    let api = FakeApi::start().await;
    let one = Node::new(&api);
    let two = Node::new(&api).on_runtime_of(&one);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let earlier = one.agent();
    let first = api.reaches("web", |pod| pod.ready).await;
    api.polled(2).await;
    let later = two.agent();
    let error = earlier.ended().await.expect_err("it was superseded").to_string();
    assert!(error.contains("its pods run on"), "{error}");
    let second = api.reaches("web", |pod| pod.ready && pod.session != first.session).await;
    assert_eq!(second.containers[0].id, first.containers[0].id, "the same process");
    assert!(node::runs(&first.containers[0].id));
    later.end().await;
    two.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_clock_is_behind_takes_its_node_all_the_same() {
    const FAR_AHEAD_MS: i64 = 99_000_000_000_000;
    let api = FakeApi::start().await;
    api.register_far_ahead(FAR_AHEAD_MS);
    let node = Node::new(&api);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    api.reaches("web", |pod| pod.ready).await;
    let record = api.seen(|seen| seen.node.clone()).expect("it is registered");
    assert_eq!(record.started_ms, FAR_AHEAD_MS + 1);
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_api_is_used_when_the_first_is_away() {
    let (away, api) = (FakeApi::start().await, FakeApi::start().await);
    away.set_down(true);
    let node = Node::new(&api).before(&away);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let agent = node.agent();
    api.reaches("web", |pod| pod.ready).await;
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_api_is_used_soon_when_the_first_hangs() {
    let (hanging, api) = (FakeApi::start().await, FakeApi::start().await);
    let node = Node::new(&api).before(&hanging);
    let agent = node.agent();
    hanging.polled(1).await;
    hanging.hang();
    let began = Instant::now();
    api.place(2, 1, vec![placement("web", shell("exec sleep 1000"))]);
    api.until("the lease is renewed there", |seen| seen.leases >= 2).await;
    api.reaches("web", |pod| pod.ready).await;
    // Far below the 35 s that a poll may take, and the 10 s of a report.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_hears_of_its_pods_soon_after_its_return() {
    let api = FakeApi::start().await;
    let node = Node::new(&api);
    let agent = node.agent();
    api.polled(1).await;
    // What waits for news is on a connection that leads nowhere any more, and nobody says so.
    api.lose_polls(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    api.set_down(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    api.lose_polls(false);
    api.place(1, 1, vec![placement("web", shell("exec sleep 1000"))]);
    let began = Instant::now();
    api.set_down(false);
    api.reaches("web", |pod| pod.ready).await;
    // Far below the 35 s that a poll may take.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    agent.end().await;
    node.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_renewed_as_often_as_the_engine_expects() {
    let api = FakeApi::start().await;
    api.expect_leases_every(100);
    // By its own setting it would say one word and then be silent.
    let node = Node::new(&api).with_lease(Duration::from_secs(3_600));
    let agent = node.agent();
    api.until("its lease is renewed", |seen| seen.leases >= 5).await;
    agent.end().await;
}
