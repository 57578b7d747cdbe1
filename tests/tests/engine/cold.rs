//! The cold step: what a fleet has that it should not, and the fleet in numbers.

use setpoint_dataflow::{Epoch, Outcome, Served};
use setpoint_schemas::{Action, Verb};
use setpoint_tests::manifests::{deployment, item, rolling};

use crate::story::{Story, has, reason, told, web};

#[test]
fn a_pod_that_a_node_has_without_a_placement_is_told_once_and_marks_its_node() {
    let mut story = Story::with_nodes(&["a", "b"]);
    let stray = setpoint_schemas::samples::pod_observed().uid;
    let is_marked = |outcome: &Outcome| {
        outcome.served.iter().any(|served| match served {
            Served::Node(_, Some(node)) => {
                node.record.conditions.iter().any(|c| c.kind == "OrphanPods")
            }
            _ => false,
        })
    };
    let mut cold = |ms, inputs| {
        let epoch = Epoch { cold: true, ..story.epoch(ms, inputs) };
        story.decide(epoch)
    };
    let first = cold(1_000, vec![has("a", 1, &[&stray])]);
    assert_eq!((told(&first), is_marked(&first)), (String::new(), false), "one may be late");
    let again = cold(1_100, vec![has("a", 1, &[&stray])]);
    assert_eq!((told(&again), is_marked(&again)), (String::new(), false), "the same one again");
    let second = cold(7_000, vec![has("a", 2, &[&stray])]);
    assert_eq!(told(&second), "Stop 1");
    assert_eq!(reason(&second, Action::Stop), "it is on node a without a placement");
    assert_eq!(second.ledger()[0].pod, stray.to_string());
    assert!(is_marked(&second));
    assert_eq!(second.overview.unwrap().fleet.nodes.orphans, 1);
    let third = cold(8_000, vec![has("a", 3, &[&stray])]);
    assert_eq!(told(&third), "", "said once");
    let over = cold(9_000, vec![has("a", 4, &[])]);
    assert_eq!((told(&over), is_marked(&over)), (String::new(), false));
    assert_eq!(over.overview.unwrap().fleet.nodes.orphans, 0);
}

#[test]
fn the_overview_counts_what_is_missing_stale_and_reserved() {
    let mut story = Story::with_nodes(&["a", "b"]);
    story.asks(1_000, web(3, "app:1"));
    story.all_run(2_000);
    let overview = |story: &mut Story, ms| {
        let epoch = Epoch { cold: true, ..story.epoch(ms, Vec::new()) };
        story.decide(epoch).overview.expect("a cold epoch has an overview").as_ref().clone()
    };
    let calm = overview(&mut story, 3_000);
    let fleet = calm.fleet;
    assert_eq!((fleet.workloads.desired, fleet.workloads.pods.available), (3, 3));
    assert_eq!((fleet.missing, fleet.excess, fleet.workloads.stale()), (0, 0, 0));
    assert_eq!((fleet.nodes.known, fleet.nodes.allocatable.cpu_milli), (2, 4_000));
    assert_eq!((fleet.nodes.requested.cpu_milli, fleet.nodes.requested.pods), (300, 3));
    assert_eq!(calm.namespaces["default"].ready, 3);

    story.asks(4_000, vec![item(Verb::Apply, &rolling_web(3, "app:2"))]);
    let rolling = overview(&mut story, 5_000);
    let outdated: Vec<_> = rolling.outdated.iter().map(|(key, n)| (key.to_string(), *n)).collect();
    assert_eq!(outdated, [("apps/Deployment/default/web".to_owned(), 3)]);
    let fleet = rolling.fleet;
    assert_eq!((fleet.excess, fleet.workloads.stale()), (1, 3), "one of the new, three old");
    story.asks(6_000, web(60, "app:2"));
    let short = overview(&mut story, 7_000).fleet;
    assert!(short.missing > 0, "sixty do not fit: {short:?}");
}

fn rolling_web(replicas: i64, image: &str) -> serde_json::Value {
    rolling(deployment("default", "web", replicas, 100, image), 1, 0)
}

#[test]
fn a_cold_step_tells_so_many_statuses_and_the_next_ones_the_rest() {
    const WORKLOADS: usize = 600;
    const A_STEP: usize = 128;
    let mut story = Story::with_nodes(&["a"]);
    let items = (0..WORKLOADS).map(|number| {
        item(Verb::Apply, &deployment("default", &format!("web-{number}"), 0, 100, "app:1"))
    });
    story.asks(1_000, items.collect());
    let mut told = Vec::new();
    let mut is_left = true;
    for step in 0.. {
        if !is_left {
            break;
        }
        let epoch = Epoch { cold: true, ..story.epoch(2_000 + step, Vec::new()) };
        let outcome = story.decide(epoch);
        told.push(outcome.resources.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>());
        is_left = outcome.is_cold_left;
    }
    let (last, whole) = told.split_last().expect("some are told");
    assert!(whole.iter().all(|step| step.len() == A_STEP), "as many as a step may");
    assert_eq!(last.len(), WORKLOADS % A_STEP);
    let mut names = told.concat();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), WORKLOADS, "each once");
}
