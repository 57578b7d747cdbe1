//! Two agents of one node name, each with a real Docker Engine: the later one has the node, and the
//! earlier one's pods are stopped there after it registered.

use std::time::Duration;

use setpoint_actuator_docker::testing::require;

use crate::api::{Api, deployment};
use crate::docker_engines::Node;
use crate::house::{House, alone};

const FLEET: &str = "superseded-test";
const NODE: &str = "node-1";
/// Some containers on two engines of a busy machine.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// What a service manager must not start again.
const CODE_TAKEN: i32 = 3;
/// Longer than an agent takes to look and act.
const LASTS: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_of_a_superseded_agent_are_stopped_on_its_engine_and_run_on_the_later_ones() {
    if !require() {
        return;
    }
    let _alone = alone();
    let (first, second) = tokio::join!(Node::start("first"), Node::start("second"));
    let foreign = first.run_beside("foreign", &[]).await;
    let began = first.started(&foreign).await;
    let (mut house, api) = House::with_nodes(&[("SETPOINT_FLEET", FLEET)], &[]).await;
    start(&mut house, &api, "earlier", &first);
    api.apply(&[deployment("web", 3)]).await.expect("it is applied");
    let pods = runs(&mut house, &first, 3).await;
    start(&mut house, &api, "later", &second);

    assert_eq!(house.ends("earlier", SEEN_WITHIN).await, Some(CODE_TAKEN));
    assert!(first.running(FLEET).await.expect("it answers").is_empty(), "it ended after its pods");
    assert!(house.said("earlier", "its pods are stopped, for they run elsewhere now"));
    assert_eq!(runs(&mut house, &second, 3).await, pods, "the same pods run there");
    tokio::time::sleep(LASTS).await;
    assert!(first.running(FLEET).await.expect("it answers").is_empty(), "and so it stays");
    assert_eq!(runs(&mut house, &second, 3).await, pods);
    assert_eq!(first.started(&foreign).await, began, "what is not ours runs on");
    assert!(began.1, "it ran");
}

fn start(house: &mut House, api: &Api, agent: &str, on: &Node) {
    let host = on.engine.host();
    let settings = [
        ("SETPOINT_AGENT__NAME", NODE),
        ("SETPOINT_AGENT__RUNTIME", "docker"),
        ("SETPOINT_AGENT__DOCKER__HOST", &host),
        ("SETPOINT_AGENT__DOCKER__NETWORK", "none"),
    ];
    house.start_agent(agent, &api.base, &settings);
}

/// The uids of the pods that run on this engine, once there are so many.
async fn runs(house: &mut House, on: &Node, count: usize) -> Vec<String> {
    let look = async || {
        let running = on.running(FLEET).await?;
        let uids: Vec<String> = running.into_keys().collect();
        if uids.len() == count { Ok(uids) } else { Err(format!("{uids:?}")) }
    };
    house.until(&format!("{count} pods run on {}", on.name), SEEN_WITHIN, look).await
}
