//! Golden cases on recorded events, and properties over random histories with loss.

use proptest::prelude::*;
use setpoint_schemas::FleetId;

use super::*;

fn watcher(scope: Scope) -> Watcher {
    Watcher {
        node: NodeName::parse("n1").expect("a node"),
        session: SessionId::parse("s1").expect("a session"),
        scope,
    }
}

fn fleet() -> Scope {
    Scope::Fleet(FleetId::parse("f1").expect("a fleet"))
}

fn event(id: &str, action: &str, time_s: i64, attributes: &[(&str, &str)]) -> Event {
    let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Event {
        id: id.to_owned(),
        action: action.to_owned(),
        attributes,
        time_ns: time_s * 1_000_000_000,
    }
}

/// What a batch of inputs says, a line each.
fn lines(inputs: &[Input]) -> Vec<String> {
    inputs.iter().map(line).collect()
}

fn line(input: &Input) -> String {
    match input {
        Input::Pod(pod) => {
            let pod = pod.whole();
            let codes: Vec<i32> = pod.containers.iter().filter_map(|c| c.exit_code).collect();
            format!(
                "{}/{} {:?} ready={} codes={codes:?}",
                pod.namespace, pod.name, pod.phase, pod.ready
            )
        }
        Input::Snapshot(snapshot) => {
            let uids: Vec<String> = snapshot.uids.iter().map(PodUid::to_string).collect();
            format!("snapshot {uids:?}")
        }
        other => format!("{other:?}"),
    }
}

fn recorded(file: &str) -> Option<Vec<Event>> {
    let path = setpoint_test_support::data(&format!("events/docker/{file}"))?;
    let text = std::fs::read_to_string(path).expect("recorded events are text");
    let event = |line: &str| Event::of(serde_json::from_str(line).expect("an event of the engine"));
    Some(text.lines().filter_map(event).collect())
}

fn told(events: &[Event]) -> Vec<String> {
    let mut view = View::new(watcher(Scope::Unmanaged));
    events.iter().flat_map(|event| lines(&view.event(event, 1))).collect()
}

#[test]
fn a_recorded_run_becomes_the_life_of_a_pod() {
    let Some(events) = recorded("api-v1.24.jsonl") else { return };
    let expected = [
        "docker/my-container Pending ready=false codes=[]",
        "docker/my-container Running ready=true codes=[]",
        "docker/my-container Succeeded ready=false codes=[0]",
        "docker/my-container Gone ready=false codes=[]",
    ];
    assert_eq!(told(&events), expected, "images, networks, attach and resize change nothing");
}

#[test]
fn a_recorded_run_without_name_and_exit_code_still_ends() {
    let Some(events) = recorded("cli-docker-events.jsonl") else { return };
    let expected = [
        "docker/abc123 Pending ready=false codes=[]",
        "docker/abc123 Running ready=true codes=[]",
        "docker/abc123 Failed ready=false codes=[]",
    ];
    assert_eq!(told(&events), expected);
}

#[test]
fn a_project_of_compose_is_a_namespace() {
    let attributes = [("name", "shop_db-web-1"), ("com.docker.compose.project", "Shop_DB")];
    assert_eq!(
        told(&[event("a", "create", 1, &attributes)]),
        ["shop-db/shop_db-web-1 Pending ready=false codes=[]"]
    );
}

#[test]
fn health_pause_and_memory_are_seen() {
    let name = [("name", "a")];
    let events = [
        event("a", "start", 1, &name),
        event("a", "health_status: unhealthy", 2, &name),
        event("a", "health_status: healthy", 3, &name),
        event("a", "pause", 4, &name),
        event("a", "unpause", 5, &name),
        event("a", "oom", 6, &name),
        event("a", "die", 7, &[("name", "a"), ("exitCode", "137")]),
    ];
    let mut view = View::new(watcher(Scope::Unmanaged));
    let mut words = Vec::new();
    for event in &events {
        for input in view.event(event, 1) {
            let Input::Pod(pod) = input else { panic!("{input:?}") };
            words.push((pod.is_ready(), pod.whole().containers[0].reason.clone()));
        }
    }
    let expected = [
        (true, ""),
        (false, "Unhealthy"),
        (true, ""),
        (false, "Paused"),
        (true, ""),
        (false, "OOMKilled"),
    ];
    assert_eq!(words, expected.map(|(ready, reason)| (ready, reason.to_owned())));
}

#[test]
fn containers_of_one_uid_are_one_pod_and_its_sandbox_is_none_of_them() {
    let pod = [
        ("setpoint.dev/fleet", "f1"),
        ("setpoint.dev/pod-uid", "u1"),
        ("setpoint.dev/namespace", "shop"),
        ("setpoint.dev/name", "web-0"),
        ("setpoint.dev/generation", "4"),
    ];
    let labels = |more: &[(&'static str, &'static str)]| [&pod, more].concat();
    let events = [
        event("s", "start", 1, &labels(&[("setpoint.dev/sandbox", "true")])),
        event(
            "b",
            "start",
            2,
            &labels(&[("setpoint.dev/container", "b"), ("setpoint.dev/container-index", "1")]),
        ),
        event(
            "a",
            "start",
            3,
            &labels(&[("setpoint.dev/container", "a"), ("setpoint.dev/container-index", "0")]),
        ),
        event("x", "start", 4, &[("name", "foreign")]),
    ];
    let mut view = View::new(watcher(fleet()));
    for event in &events {
        view.event(event, 1);
    }
    let pods = view.pods();
    assert_eq!(pods.len(), 1, "what is foreign is not of this fleet");
    let names: Vec<&str> = pods[0].containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(pods[0].uid, "u1");
    assert_eq!((pods[0].generation, names), (4, vec!["a", "b"]));
    let mut unmanaged = View::new(watcher(Scope::Unmanaged));
    let seen: Vec<String> = events.iter().flat_map(|e| lines(&unmanaged.event(e, 1))).collect();
    assert_eq!(
        seen,
        ["docker/foreign Running ready=true codes=[]"],
        "what a fleet minds is not foreign"
    );
}

#[test]
fn a_list_tells_what_events_did_not() {
    let mut view = View::new(watcher(Scope::Unmanaged));
    view.event(&event("a", "start", 1, &[("name", "a")]), 1);
    let b = Facts { name: "b".to_owned(), ..Facts::of_event(&event("b", "create", 1, &[])) };
    let inputs = view.listed(vec![b], 5_000_000_000, 9);
    let expected = [
        "docker/a Gone ready=false codes=[]",
        "docker/b Pending ready=false codes=[]",
        "snapshot [\"docker-b\"]",
    ];
    assert_eq!(lines(&inputs), expected);
    let sequences: Vec<i64> = inputs.iter().map(sequence).collect();
    assert_eq!(sequences, [2, 3, 4], "the snapshot speaks of what came before it");
    let late = event("a", "start", 5, &[("name", "a")]);
    assert!(view.event(&late, 9).is_empty(), "it happened before the list");
    assert_eq!(view.event(&event("b", "destroy", 6, &[]), 9).len(), 1, "it happened after");
}

fn sequence(input: &Input) -> i64 {
    match input {
        Input::Pod(pod) => pod.sequence(),
        Input::Snapshot(snapshot) => snapshot.sequence,
        other => panic!("{other:?}"),
    }
}

/// A step of a random history: a container of five, and what happens to it next.
fn history() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..5_usize, 0..4_u8), 0..60)
}

/// An engine that does what the history says: its events, and what it has in the end. A second
/// passes with every ten steps, so that some events fall together closely.
fn play(history: &[(usize, u8)]) -> (Vec<Event>, Vec<Facts>) {
    let mut has: BTreeMap<String, Facts> = BTreeMap::new();
    let mut events = Vec::new();
    for (step, (container, choice)) in history.iter().enumerate() {
        let id = format!("c{container}");
        let state = has.get(&id).map(|facts| facts.state);
        let action = match (state, choice) {
            (None, _) => "create",
            (Some(ContainerState::Running), _) => "die",
            (Some(_), 0) => "destroy",
            (Some(_), _) => "start",
        };
        let attributes = [("name", id.as_str()), ("exitCode", if *choice > 1 { "0" } else { "3" })];
        // Three seconds apart: beyond the slack, the engine's own times and the events' agree.
        let event = event(&id, action, 3 * i64::try_from(step).expect("few") + 3, &attributes);
        apply(&mut has, &event);
        events.push(event);
    }
    (events, has.into_values().collect())
}

const AFTER_ALL_NS: i64 = 1_000_000_000_000;

proptest! {
    #[test]
    fn whatever_events_were_lost_doubled_or_shuffled_a_list_makes_it_right(
        history in history(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
        late in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let (events, has) = play(&history);
        let mut view = View::new(watcher(Scope::Unmanaged));
        if !events.is_empty() {
            for pick in &picks {
                view.event(pick.get(&events), 1);
            }
        }
        view.listed(has.clone(), AFTER_ALL_NS, 2);
        if !events.is_empty() {
            for pick in &late {
                prop_assert!(view.event(pick.get(&events), 3).is_empty());
            }
        }
        let mut fresh = View::new(watcher(Scope::Unmanaged));
        fresh.listed(has, AFTER_ALL_NS, 2);
        prop_assert_eq!(view.pods(), fresh.pods());
    }

    #[test]
    fn a_list_in_the_middle_with_later_events_is_as_all_events(
        history in history(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (events, _) = play(&history);
        let at = if events.is_empty() { 0 } else { cut.index(events.len()) };
        let (_, had) = play(&history[..at]);
        let mut all = View::new(watcher(Scope::Unmanaged));
        let mut joined = View::new(watcher(Scope::Unmanaged));
        let as_of_ns = at.checked_sub(1).map_or(0, |last| events[last].time_ns);
        joined.listed(had, as_of_ns, 1);
        // The subscription began earlier: it brings events again that the list has in it.
        for event in &events {
            all.event(event, 1);
            joined.event(event, 1);
        }
        prop_assert_eq!(all.pods(), joined.pods());
    }

    #[test]
    fn an_event_told_twice_changes_nothing_the_second_time(history in history()) {
        let (events, _) = play(&history);
        let mut view = View::new(watcher(Scope::Unmanaged));
        for event in &events {
            view.event(event, 1);
            prop_assert!(view.event(event, 1).is_empty());
        }
    }

    #[test]
    fn whoever_applies_what_is_told_has_the_view(history in history(), listing in 0..3_usize) {
        let (events, has) = play(&history);
        let mut view = View::new(watcher(Scope::Unmanaged));
        let mut inputs: Vec<Input> =
            events.iter().enumerate().filter(|(n, _)| n % 3 != listing).flat_map(|(_, e)| view.event(e, 0)).collect();
        inputs.extend(view.listed(has, AFTER_ALL_NS, 0));
        let mut follower: BTreeMap<PodUid, PodObserved> = BTreeMap::new();
        for input in &inputs {
            if let Input::Pod(pod) = input {
                let pod = pod.whole();
                let last = follower.insert(pod.uid.clone(), PodObserved { sequence: 0, ..pod.clone() });
                prop_assert!(last.is_none_or(|last| last.containers != pod.containers || last.phase != pod.phase || last.name != pod.name));
            }
        }
        follower.retain(|_, pod| pod.phase != PodPhase::Gone);
        prop_assert_eq!(follower.into_values().collect::<Vec<_>>(), view.pods());
    }
}
