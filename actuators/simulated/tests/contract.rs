//! The plant keeps the contract, is deterministic, and large.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use setpoint_actuator_simulated::{
    ECHO, EXIT, Faults, HANG, LAST, LEAVE, PROGRAM, Plant, SAY, STUBBORN, UNSTARTABLE, VARIABLE,
    WRITE,
};
use setpoint_actuators::conformance::{self, Deed, Rig, escapes};
use setpoint_actuators::{Actuator, PodToRun};
use setpoint_schemas::{Container, FleetId, NodeName, PodSpec, PodUid, samples};

struct OneNode(Plant);

impl Rig for OneNode {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Actuator>> {
        let actuator = self.0.actuator(&node(1), &fleet("conformance"));
        Box::pin(async { Arc::new(actuator) as Arc<dyn Actuator> })
    }

    fn open_other_fleet(&self) -> BoxFuture<'_, Arc<dyn Actuator>> {
        let actuator = self.0.actuator(&node(1), &fleet("another"));
        Box::pin(async { Arc::new(actuator) as Arc<dyn Actuator> })
    }

    fn lasting(&self, name: &str) -> Container {
        simulate(name, &[LAST])
    }

    fn stubborn(&self, name: &str) -> Container {
        simulate(name, &[STUBBORN])
    }

    fn ending(&self, name: &str, code: i32) -> Container {
        simulate(name, &[EXIT, &code.to_string(), "1"])
    }

    /// A simulated container has no processes but its own: it ends as one.
    fn escaping(&self, name: &str, _word: &str) -> Container {
        self.lasting(name)
    }

    fn count<'a>(&'a self, word: &'a str) -> BoxFuture<'a, usize> {
        let seen = self.0.observe(&node(1), &fleet("conformance")).expect("it answers");
        let of_it = seen.iter().filter(|pod| pod.uid == *word);
        let running = of_it.flat_map(|pod| &pod.containers).filter(|c| c.ready).count();
        Box::pin(async move { running * escapes::ESCAPED })
    }

    fn reading(&self, _name: &str, _text: &str, _code: i32) -> Option<Container> {
        None
    }

    fn marking(&self, _name: &str, _code: i32) -> Option<Container> {
        None
    }

    fn writing(&self, name: &str, lines: &[&str], code: i32) -> Container {
        let args = lines.iter().map(|line| (*line).to_owned()).collect();
        Container { args, ..simulate(name, &[EXIT, &code.to_string(), "100"]) }
    }

    fn leaving(&self, name: &str, text: &str, code: i32) -> Container {
        simulate(name, &[LEAVE, text, &code.to_string()])
    }

    fn deed(&self, deed: Deed<'_>) -> Vec<String> {
        let words = match deed {
            Deed::Ends(code) => vec![EXIT.to_owned(), code.to_string()],
            Deed::Echoes => vec![ECHO.to_owned()],
            Deed::Writes(bytes) => vec![WRITE.to_owned(), bytes.to_string()],
            Deed::Ignores(code) => vec![EXIT.to_owned(), code.to_string()],
            Deed::Lasts(word) => vec![LAST.to_owned(), word.to_owned()],
        };
        std::iter::once(PROGRAM.to_owned()).chain(words).collect()
    }

    fn saying(&self, text: &str, code: i32) -> Vec<String> {
        simulate("", &[SAY, text, &code.to_string()]).command
    }

    fn telling(&self, variable: &str) -> Vec<String> {
        simulate("", &[VARIABLE, variable]).command
    }

    fn hanging(&self, _word: &str) -> Vec<String> {
        simulate("", &[HANG]).command
    }

    fn unstartable(&self, name: &str) -> Container {
        simulate(name, &[UNSTARTABLE])
    }

    fn kill<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> BoxFuture<'a, ()> {
        self.0.kill(&node(1), uid, container);
        Box::pin(async {})
    }

    fn plant_foreign(&self) -> BoxFuture<'_, ()> {
        let foreign = pod("foreign", simulate("main", &[LAST]));
        self.0.start(&node(1), &fleet("foreign"), &foreign).expect("it starts");
        Box::pin(async {})
    }

    fn foreign_lives(&self) -> BoxFuture<'_, bool> {
        let seen = self.0.observe(&node(1), &fleet("foreign")).expect("it answers");
        Box::pin(async move { seen.len() == 1 && seen[0].containers[0].ready })
    }

    fn has_processes(&self) -> bool {
        false
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        let until_ms = self.0.now_ms() + i64::try_from(time.as_millis()).expect("it is short");
        Box::pin(async move {
            while self.0.now_ms() < until_ms {
                self.0.advance_to((self.0.now_ms() + 10).min(until_ms));
                tokio::task::yield_now().await;
            }
        })
    }
}

#[tokio::test]
async fn the_simulated_runtime_keeps_the_contract() {
    conformance::run(&OneNode(Plant::new(1, Faults::default(), 1_000))).await;
}

#[tokio::test]
async fn slow_starts_take_their_time_and_keep_the_contract() {
    let slow = Faults { start_slow_ms_max: 5, ..Faults::default() };
    let plant = Plant::new(1, slow, 1_000);
    // Nobody else lets time pass while a case waits for a start.
    let clock = plant.clone();
    let rig = OneNode(plant);
    let ticking = async {
        loop {
            clock.advance_to(clock.now_ms() + 1);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = conformance::run(&rig) => {}
        () = ticking => {}
    }
}

const FAULTS: Faults = Faults {
    starts_fail_permille: 100,
    start_slow_ms_max: 2_000,
    exits_permille: 200,
    exit_within_ms: 10_000,
};

/// Thousands of nodes, asked in this order; returns all that is seen at the end.
fn trace(seed: u64, order: impl Iterator<Item = usize>) -> BTreeMap<NodeName, String> {
    let plant = Plant::new(seed, FAULTS, 0);
    for i in order {
        for name in ["a", "b", "c"] {
            // A failed start is part of the trace: it is seen as a container that waits.
            let _ = plant.start(&node(i), &fleet("f"), &pod(name, simulate("main", &[LAST])));
        }
    }
    plant.advance_to(5_000);
    let see = |i| format!("{:?}", plant.observe(&node(i), &fleet("f")).expect("it answers"));
    (0..3_000).map(|i| (node(i), see(i))).collect()
}

#[test]
fn the_same_seed_gives_the_same_plant_in_whatever_order_nodes_are_asked() {
    let forwards = trace(7, 0..3_000);
    assert_eq!(forwards, trace(7, (0..3_000).rev()));
    assert_ne!(forwards, trace(8, 0..3_000));
    let seen = |word: &str| forwards.values().filter(|text| text.contains(word)).count();
    assert!(seen("RunContainerError") > 100 && seen("Terminated") > 100 && seen("Running") > 1_000);
}

#[test]
fn a_node_that_is_down_does_not_answer_and_its_pods_run_on() {
    let plant = Plant::new(1, Faults::default(), 0);
    plant.start(&node(1), &fleet("f"), &pod("a", simulate("main", &[LAST]))).expect("it starts");
    plant.set_down(&node(1), true);
    assert!(plant.observe(&node(1), &fleet("f")).expect_err("it is down").is_transient());
    plant.set_down(&node(1), false);
    assert_eq!(plant.observe(&node(1), &fleet("f")).expect("it answers").len(), 1);
    plant.wipe(&node(1));
    assert_eq!(plant.observe(&node(1), &fleet("f")).expect("it answers").len(), 0);
}

fn simulate(name: &str, words: &[&str]) -> Container {
    let command = [PROGRAM].iter().chain(words).map(|w| (*w).to_owned()).collect();
    Container { name: name.into(), command, ..Container::default() }
}

fn node(i: usize) -> NodeName {
    NodeName::parse(&format!("node-{i}")).expect("valid")
}

fn fleet(name: &str) -> FleetId {
    FleetId::parse(name).expect("valid")
}

fn pod(uid: &str, container: Container) -> PodToRun {
    let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
    let placement =
        samples::placement_of(uid, &serde_json::to_string(&spec).expect("a spec is JSON"));
    PodToRun::bare(placement, spec)
}
