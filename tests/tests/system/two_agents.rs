//! Two agents with one node name: the later one has the node, the earlier one stops its pods, ends
//! and says so.

use std::time::Duration;

use crate::api::{Api, deployment};
use crate::house::{House, LEADS_WITHIN, beside, free_port};
use crate::processes;

const NODE: &str = "node-1";
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// What a service manager must not start again; see the unit in `deploy/systemd`.
const CODE_TAKEN: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_agents_with_one_name_the_earlier_ends_with_a_code_of_its_own() {
    let _beside = beside();
    let (mut house, api) = House::with_nodes(&[], &[]).await;
    start(&mut house, &api, "earlier");
    let first = session(&mut house, &api, "").await;
    api.apply(&[deployment("web", 2)]).await.expect("it is applied");
    runs_two_pods(&mut house).await;
    start(&mut house, &api, "later");
    assert_eq!(house.ends("earlier", SEEN_WITHIN).await, Some(CODE_TAKEN));
    let second = session(&mut house, &api, &first).await;

    // The later one has the node to itself: its session stays.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(session(&mut house, &api, &first).await, second);
    runs_two_pods(&mut house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_up_whose_node_another_takes_ends_alone() {
    let _beside = beside();
    let (mut house, api) = (House::new(&[]), Api::new(free_port()));
    house.start_up("up", api.port, 2);
    house.leads(&api, LEADS_WITHIN).await;
    let first = session(&mut house, &api, "").await;
    start(&mut house, &api, "later");
    session(&mut house, &api, &first).await;
    let log = house.path.join("up.log");
    let said = async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let is_said = text.contains("registered as node node-1 after this one");
        if is_said { Ok(()) } else { Err("it does not say so".to_owned()) }
    };
    house.until("it says why it ended", SEEN_WITHIN, said).await;
    // The engine and the other agent are still there.
    api.apply(&[deployment("web", 2)]).await.expect("it is applied");
    runs_two_pods(&mut house).await;
}

/// Each pod once, however many agents had it.
async fn runs_two_pods(house: &mut House) {
    let folder = house.path.clone();
    house
        .until("two processes of two pods", SEEN_WITHIN, async || {
            let pods = processes::by_pod(&folder);
            let is_once = pods.len() == 2 && pods.values().all(|processes| processes.len() == 1);
            if is_once { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
}

/// An agent of the one name, with a state folder of its own.
fn start(house: &mut House, api: &Api, agent: &str) {
    let settings = [("SETPOINT_AGENT__NAME", NODE), ("SETPOINT_AGENT__RUNTIME", "process")];
    house.start_agent(agent, &api.base, &settings);
}

/// The session of the agent that has the node, once it is another than this.
async fn session(house: &mut House, api: &Api, former: &str) -> String {
    let look = async || {
        let list =
            api.get(&format!("/setpoint/v1/nodes/{NODE}/placements?after=-1&term=-1")).await?;
        match list["session"].as_str() {
            Some(session) if session != former => Ok(session.to_owned()),
            other => Err(format!("{other:?} has the node")),
        }
    };
    house.until("an agent has the node", SEEN_WITHIN, look).await
}
