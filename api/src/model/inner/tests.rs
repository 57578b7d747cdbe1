//! What the model keeps, forgets and tells, case by case.

use setpoint_schemas::{Decision, Observation, PodObserved, PodPhase, samples};

use super::super::ReadModel;
use super::super::ring::{Before, Event, Expired};
use super::*;

/// More than are kept of a kind with few objects.
const OBJECTS: usize = 5_000;

#[test]
fn a_watcher_hears_all_of_an_epoch_that_leaves_nothing() {
    let kind = GroupKind::new("", "ConfigMap");
    let mut inner = Inner::default();
    let changes = |is: Option<Arc<Resource>>| {
        let key = |number: usize| ResourceKey {
            kind: kind.clone(),
            namespace: Arc::from("default"),
            name: Arc::from(number.to_string()),
        };
        (0..OBJECTS).map(|number| Change::Resource(key(number), is.clone())).collect()
    };
    inner.set_ready(true);
    inner.apply(changes(Some(Arc::new(some_resource()))), 1, 1, 1);
    let seen = inner.ring(&kind).after(1).expect("nothing is missing");
    inner.apply(changes(None), 2, 1, 2);
    let events = inner.ring(&kind).read(seen, usize::MAX).expect("it was not asleep");
    assert_eq!(events.len(), OBJECTS);
}

#[test]
fn of_a_pod_that_only_got_ready_it_is_not_kept_how_it_was() {
    let mut inner = Inner::default();
    inner.set_ready(true);
    let from = inner.ring(&pod_kind()).after(0).expect("nothing is missing");
    let mut observed = samples::pod_observed();
    let uid = observed.uid.clone();
    let placement = Arc::new(Placement { uid: uid.clone(), ..samples::placement() });
    let place = |placement| Change::Placement(uid.clone(), placement);
    let mut changes = vec![place(Some(placement))];
    for (phase, ready) in
        [(PodPhase::Running, false), (PodPhase::Running, true), (PodPhase::Failed, false)]
    {
        (observed.phase, observed.ready) = (phase, ready);
        changes.push(Change::Pod(Observation::of(&observed)));
    }
    changes.push(place(None));
    for (epoch, change) in (1..).zip(changes) {
        inner.apply(vec![change], epoch, 1, epoch);
    }
    let events = inner.ring(&pod_kind()).read(from, usize::MAX).expect("nothing is lost");
    let is: [fn(&Before) -> bool; 5] = [
        |before| matches!(before, Before::Nothing),
        // Who selects by the phase may not have seen it.
        |before| matches!(before, Before::Was(_)),
        |before| matches!(before, Before::SeenAlike),
        |before| matches!(before, Before::Was(_)),
        // It stops where it was placed, and failed it had before.
        |before| matches!(before, Before::SeenAlike),
    ];
    assert_eq!(events.len(), is.len());
    assert!(events.iter().zip(is).all(|(event, is)| is(&event.before)), "{events:?}");
}

#[test]
fn another_pod_of_a_name_is_no_change_of_the_former() {
    let mut inner = Inner::default();
    inner.set_ready(true);
    let from = inner.ring(&pod_kind()).after(0).expect("nothing is missing");
    let uid = |text: &str| PodUid::parse(text).expect("a uid");
    let place = |text: &str, epoch| {
        let placement = Placement { uid: uid(text), epoch, ..samples::placement() };
        Change::Placement(uid(text), Some(Arc::new(placement)))
    };
    inner.apply(vec![place("one", 1)], 1, 1, 1);
    inner.apply(vec![Change::Placement(uid("one"), None), place("two", 2)], 2, 1, 2);
    let events = inner.ring(&pod_kind()).read(from, usize::MAX).expect("nothing is lost");
    let told = |event: &Event| (matches!(event.before, Before::Was(_)), event.after.is_some());
    let told: Vec<(bool, bool)> = events.iter().map(told).collect();
    assert_eq!(told, [(false, true), (true, false), (false, true)], "{events:?}");
}

#[test]
fn a_watched_pod_is_of_the_node_that_saw_it_last_until_it_is_gone() {
    let mut inner = Inner::default();
    let nodes = ["a", "b"].map(|node| NodeName::parse(node).expect("a node"));
    let observed = |node: &NodeName| {
        let observed = PodObserved { node: node.clone(), ..samples::pod_observed() };
        Change::Watched(Observation::of(&observed))
    };
    let uid = samples::pod_observed().uid;
    let mut stands = Vec::new();
    let steps = [observed(&nodes[0]), observed(&nodes[1]), Change::PodGone(uid.clone())];
    for (epoch, change) in (1..).zip(steps) {
        inner.apply(vec![change], epoch, 1, epoch);
        let is_on =
            |node: &NodeName| inner.watched.get(node).is_some_and(|uids| uids.contains(&uid));
        stands.push(nodes.each_ref().map(is_on));
    }
    assert_eq!(stands, [[true, false], [false, true], [false, false]]);
    assert!(inner.pods.parts(&uid).is_none());
}

#[test]
fn who_missed_a_decision_that_was_given_up_is_told_so() {
    let model = ReadModel::new();
    model.set_ready(true);
    let last = i64::try_from(DECISIONS_KEPT_MAX).expect("a small number") + 1;
    for epoch in 1..=last {
        let decision = Decision { epoch, ..samples::decision() };
        model.apply(vec![Change::Decision(Arc::new(decision))], epoch, 1, epoch);
    }
    let since = |epoch| model.decisions_since(epoch).map(|decisions| decisions.len());
    assert_eq!(since(0), Err(Expired), "that of the first epoch is kept no longer");
    assert_eq!(since(1), Ok(DECISIONS_KEPT_MAX));
    assert_eq!(since(last - 1), Ok(1));
    assert_eq!(since(last), Ok(0));
}

fn some_resource() -> Resource {
    let empty = || Arc::from("{}");
    Resource {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "default".to_owned(),
        name: "some".to_owned(),
        uid: String::new(),
        generation: 1,
        version: 1,
        created_ms: 1,
        body: empty(),
        status: empty(),
        managers: empty(),
        history: Arc::from("[]"),
        deleted_ms: None,
    }
}
