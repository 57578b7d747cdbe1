//! Questions between two epochs.

use setpoint_schemas::Verb;
use setpoint_tests::manifests::{deployment, item, request};

use crate::story::{Story, web};

#[test]
fn questions_are_answered_from_the_state_and_change_nothing() {
    let key = |name: &str| manifests_key("apps/Deployment/default", name);
    let mut story = Story::with_nodes(&["a", "b"]);
    let big = item(Verb::Apply, &deployment("default", "big", 1, 9_000, "v1"));
    story.asks(1, [web(2, "v1"), vec![big]].concat());
    let explained =
        |story: &Story, name: &str| story.engine.explain(&key(name)).expect("it is there");
    let starts = explained(&story, "web");
    assert_eq!(
        (starts.settled, &*starts.reason),
        (false, "all 2 pods are placed, 0 of them are available")
    );

    let waits = explained(&story, "big");
    assert_eq!(waits.reason, "0/2 nodes are available: 2 Insufficient cpu.");
    let said: Vec<_> = waits.nodes.iter().map(|n| (n.node.as_str(), n.fits)).collect();
    assert_eq!(said, [("a", false), ("b", false)]);
    assert_eq!(waits.nodes[0].refusals[0].1, ["Insufficient cpu"]);

    // The same request is foreseen and then decided: the same verdict, and until then no trace.
    let twice = item(Verb::Create, &deployment("default", "web", 5, 100, "v1"));
    let more = web(5, "v1");
    for (items, accepted, code) in [(vec![twice], false, 409), (more, true, 200)] {
        let request = request("later", items.clone());
        let foreseen = story.engine.foresee(&request);
        assert_eq!((foreseen.verdict.accepted, foreseen.verdict.items[0].code), (accepted, code));
        assert_eq!(foreseen.resources.len(), usize::from(accepted));
        assert_eq!(explained(&story, "web").desired, 2, "nothing came of it");
        let decided = story.asks(2, items);
        assert_eq!(decided.verdicts[0].items[0].code, code);
        assert_eq!(decided.verdicts[0].accepted, accepted);
    }
    story.all_run(3);
    assert_eq!(explained(&story, "web").reason, "settled: 5 of 5 pods are available");
    assert!(story.engine.explain(&key("nobody")).is_none());
}

fn manifests_key(kind: &str, name: &str) -> setpoint_schemas::ResourceKey {
    setpoint_schemas::ResourceKey::parse(&format!("{kind}/{name}")).expect("a key")
}
