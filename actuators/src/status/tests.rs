//! What is said of a pod, case by case.

use std::sync::Arc;

use super::*;
use crate::ActuatorError;
use crate::restart::{History, Rule};
use crate::samples::{container as seen, observed, placement};

fn pod(policy: &str, containers: &[&str]) -> DesiredPod {
    DesiredPod::of(&placement("a", 1, policy, containers))
}

#[test]
fn phases_are_kubernetes_phases() {
    let table: [(&str, &[&str], PodPhase); 10] = [
        ("Always", &["waiting"], PodPhase::Pending),
        ("Always", &["running"], PodPhase::Running),
        ("Always", &["running", "waiting"], PodPhase::Pending),
        ("Always", &["0"], PodPhase::Running),
        ("OnFailure", &["0"], PodPhase::Succeeded),
        ("OnFailure", &["1"], PodPhase::Running),
        ("Never", &["1"], PodPhase::Failed),
        ("Never", &["0", "1"], PodPhase::Failed),
        ("Never", &["0", "0"], PodPhase::Succeeded),
        ("Never", &["0", "running"], PodPhase::Running),
    ];
    let names = ["main", "side"];
    for (policy, states, phase) in table {
        let pod = pod(policy, &names[..states.len()]);
        let containers = names.iter().zip(states).map(|(name, state)| seen(name, state)).collect();
        let runs = observed("a", 1, containers);
        assert_eq!(
            status(&pod, Some(&runs), None, None, 1_000).phase,
            phase,
            "{policy} {states:?}"
        );
    }
    assert_eq!(status(&pod("Always", &["main"]), None, None, None, 0).phase, PodPhase::Pending);
}

#[test]
fn a_container_between_two_restarts_waits_in_crash_loop_back_off() {
    let mut book = Book::new(1, 0);
    book.histories.insert("main".into(), History { restarts: 4, row: 2, ..History::default() });
    let runs = observed("a", 1, vec![seen("main", "3")]);
    let said = status(&pod("Always", &["main"]), Some(&runs), Some(&book), None, 2_000);
    let main = &said.containers[0];
    assert_eq!((main.state, main.reason.as_str()), (ContainerState::Waiting, "CrashLoopBackOff"));
    let uid = pod("Always", &["main"]).placement.uid.to_string();
    let expected = format!("back-off 20s restarting failed container=main pod=a_default({uid})");
    assert_eq!(main.message, expected);
    assert_eq!((main.restarts, main.exit_code), (4, Some(3)));
    assert_eq!((said.phase, said.ready), (PodPhase::Running, false));
}

#[test]
fn a_container_whose_restart_is_under_way_is_not_in_back_off() {
    let mut book = Book::new(1, 0);
    book.histories.insert("main".into(), History { restarts: 1, row: 1, ..History::default() });
    let runs = observed("a", 1, vec![seen("main", "3")]);
    let said = status(&pod("Always", &["main"]), Some(&runs), Some(&book), Some("main"), 1_001);
    assert_eq!(said.containers[0].state, ContainerState::Terminated);
    assert_eq!((said.containers[0].restarts, said.phase), (1, PodPhase::Running));
}

#[test]
fn how_a_life_ended_is_told_until_the_next_one_has_ended() {
    let pod = pod("Always", &["main"]);
    let told = |book: &Book, main: &ContainerObserved, now_ms: i64| {
        let runs = observed("a", 1, vec![main.clone()]);
        let said = status(&pod, Some(&runs), Some(book), None, now_ms).containers.remove(0);
        (said.state, said.last.map(|last| (last.exit_code, last.reason, last.finished_ms)))
    };
    let mut book = Book::new(1, 0);
    book.histories.insert("main".into(), History { restarts: 1, row: 1, ..History::default() });
    let killed = ContainerObserved { reason: "OOMKilled".into(), ..seen("main", "137") };
    let end = Some((137, "OOMKilled".to_owned(), 1_000));
    assert_eq!(told(&book, &killed, 2_000), (ContainerState::Waiting, end.clone()));
    book.lasts.insert("main".into(), killed.end().expect("it has ended"));
    assert_eq!(told(&book, &killed, 2_000), (ContainerState::Waiting, end.clone()));
    let under_way = told(&book, &killed, i64::MAX);
    assert_eq!(under_way, (ContainerState::Terminated, None), "its restart is due, and told once");
    let again = ContainerObserved { started_ms: 2_000, ..seen("main", "running") };
    assert_eq!(told(&book, &again, 3_000), (ContainerState::Running, end.clone()));
    let later = ContainerObserved { started_ms: 2_000, finished_ms: 9_000, ..seen("main", "3") };
    let second = Some((3, String::new(), 9_000));
    assert_eq!(told(&book, &later, 9_500), (ContainerState::Waiting, second));
    assert_eq!(told(&book, &later, i64::MAX), (ContainerState::Terminated, end));
}

#[test]
fn a_last_message_is_told_with_the_end_and_not_with_the_wait_for_the_next_life() {
    let mut book = Book::new(1, 0);
    book.histories.insert("main".into(), History { restarts: 1, row: 1, ..History::default() });
    let killed =
        ContainerObserved { message: "a probe failed: because".into(), ..seen("main", "3") };
    let (life, message) = (crate::Life::of(&killed), "because".to_owned());
    book.said.insert("main".into(), crate::Ending { life, message });
    let runs = observed("a", 1, vec![killed]);
    let said = status(&pod("Always", &["main"]), Some(&runs), Some(&book), None, 1_001);
    let main = &said.containers[0];
    let last = main.last.as_ref().map(|last| last.message.as_str());
    assert_eq!(last, Some("a probe failed: because"));
    assert!(main.message.ends_with(": a probe failed"), "{}", main.message);
}

#[test]
fn a_failure_is_told_where_it_belongs() {
    let pulled = ActuatorError::transient("ErrImagePull", "no such image").of_container("side");
    let mut book = Book::new(1, 0);
    book.note_failure(&Rule::default(), &pulled, 0);
    let runs = observed("a", 1, vec![seen("main", "running"), seen("side", "waiting")]);
    let pod = pod("Always", &["main", "side"]);
    let reasons = |book: &Book| {
        let said = status(&pod, Some(&runs), Some(book), None, 0);
        (said.containers[0].reason.clone(), said.containers[1].reason.clone(), said.reason)
    };
    let expected = |side: &str| (String::new(), side.to_owned(), String::new());
    assert_eq!(reasons(&book), expected("ErrImagePull"));
    book.note_failure(&Rule::default(), &pulled, 0);
    assert_eq!(reasons(&book), expected("ImagePullBackOff"));
    let of_pod = ActuatorError::transient("FailedMount", "no such volume");
    book.note_failure(&Rule::default(), &of_pod, 0);
    assert_eq!(reasons(&book).2, "FailedMount");
}

#[test]
fn a_failure_of_an_older_generation_is_not_told() {
    let mut book = Book::new(0, 0);
    book.note_failure(&Rule::default(), &ActuatorError::permanent("NoCommand", "none"), 0);
    let said = status(&pod("Always", &["main"]), None, Some(&book), None, 0);
    assert_eq!(
        (said.reason.as_str(), said.containers[0].reason.as_str()),
        ("", "ContainerCreating")
    );
}

#[test]
fn a_spec_that_cannot_be_read_is_told() {
    let mut broken = placement("a", 1, "Always", &["main"]);
    Arc::make_mut(&mut broken.pattern).spec = "{".into();
    let said = status(&DesiredPod::of(&broken), None, None, None, 0);
    assert_eq!((said.phase, said.reason.as_str()), (PodPhase::Pending, "InvalidSpec"));
    assert!(said.message.contains("failed to read the pod spec"), "{}", said.message);
}
