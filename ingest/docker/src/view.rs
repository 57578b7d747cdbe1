//! What an engine has, kept by its events and corrected by its lists. Pure: time is an argument.
//!
//! A list is asked for after its `as_of`, the engine's own time; so every event up to `as_of` is in
//! the list and is ignored afterwards, and every later one is applied on top of it.

use std::collections::{BTreeMap, BTreeSet};

use setpoint_schemas::{
    ContainerState, Input, NodeName, NodeSnapshot, PodObserved, PodPhase, PodUid, SessionId,
};

use crate::pods::{Pod, Scope, pod_of, uid_of};
use crate::{Event, Facts};

/// The engine notes a start or an end slightly before it tells of it; one told this soon after the
/// one known is that one.
const EVENT_SLACK_MS: i64 = 2_000;

/// Who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// The engine's name as a node.
    pub node: NodeName,
    /// This life of the watcher.
    pub session: SessionId,
    /// Which containers are watched.
    pub scope: Scope,
}

/// What an engine has.
#[derive(Debug, Clone)]
pub struct View {
    watcher: Watcher,
    containers: BTreeMap<String, Facts>,
    told: BTreeMap<PodUid, Pod>,
    as_of_ns: i64,
    sequence: i64,
}

impl View {
    /// An empty view.
    #[must_use]
    pub fn new(watcher: Watcher) -> Self {
        let (containers, told) = (BTreeMap::new(), BTreeMap::new());
        View { watcher, containers, told, as_of_ns: i64::MIN, sequence: 0 }
    }

    /// Applies one event, in the order of the stream; returns what changed by it, at most one
    /// observation. Idempotent: an event told twice changes nothing the second time.
    pub fn event(&mut self, event: &Event, now_ms: i64) -> Vec<Input> {
        if event.time_ns <= self.as_of_ns {
            return Vec::new();
        }
        let before = self.containers.get(&event.id).and_then(|f| uid_of(&self.watcher.scope, f));
        apply(&mut self.containers, event);
        let after = self.containers.get(&event.id).and_then(|f| uid_of(&self.watcher.scope, f));
        let touched: BTreeSet<PodUid> = before.into_iter().chain(after).collect();
        touched.into_iter().filter_map(|uid| self.tell(&uid, now_ms)).collect()
    }

    /// Replaces all by what the engine listed as of its own time `as_of_ns`, nanoseconds since
    /// 1970; returns what changed by it, and the snapshot last.
    pub fn listed(&mut self, containers: Vec<Facts>, as_of_ns: i64, now_ms: i64) -> Vec<Input> {
        self.containers = containers.into_iter().map(|facts| (facts.id.clone(), facts)).collect();
        self.as_of_ns = as_of_ns;
        let has: BTreeSet<PodUid> = self.uids().collect();
        let touched: BTreeSet<PodUid> = has.into_iter().chain(self.told.keys().cloned()).collect();
        let mut inputs: Vec<Input> =
            touched.into_iter().filter_map(|uid| self.tell(&uid, now_ms)).collect();
        inputs.push(self.snapshot(now_ms));
        inputs
    }

    /// Every pod as it was last told, by uid; `sequence` and `time_ms` are 0.
    #[must_use]
    pub fn pods(&self) -> Vec<PodObserved> {
        self.told.iter().map(|(uid, pod)| self.observation(uid, pod.clone(), 0, 0)).collect()
    }

    fn uids(&self) -> impl Iterator<Item = PodUid> + '_ {
        self.containers.values().filter_map(|facts| uid_of(&self.watcher.scope, facts))
    }

    /// The pod as it is now, when that differs from what was told.
    fn tell(&mut self, uid: &PodUid, now_ms: i64) -> Option<Input> {
        let of_pod = |facts: &&Facts| uid_of(&self.watcher.scope, facts).as_ref() == Some(uid);
        let containers: Vec<&Facts> = self.containers.values().filter(of_pod).collect();
        let pod = pod_of(&self.watcher.scope, containers);
        if pod.as_ref() == self.told.get(uid) {
            return None;
        }
        let said = match pod {
            Some(pod) => {
                self.told.insert(uid.clone(), pod.clone());
                pod
            }
            None => gone(self.told.remove(uid)?),
        };
        self.sequence += 1;
        Some(Input::Pod(self.observation(uid, said, self.sequence, now_ms).into()))
    }

    fn snapshot(&mut self, now_ms: i64) -> Input {
        self.sequence += 1;
        Input::Snapshot(Box::new(NodeSnapshot {
            epoch: -1,
            node: self.watcher.node.clone(),
            session: self.watcher.session.clone(),
            sequence: self.sequence,
            time_ms: now_ms,
            uids: self.told.keys().cloned().collect(),
        }))
    }

    fn observation(&self, uid: &PodUid, pod: Pod, sequence: i64, now_ms: i64) -> PodObserved {
        let started = pod.containers.iter().map(|container| container.started_ms);
        let all_ready = pod.containers.iter().all(|container| container.ready);
        PodObserved {
            uid: uid.clone(),
            node: self.watcher.node.clone(),
            session: self.watcher.session.clone(),
            sequence,
            time_ms: now_ms,
            namespace: pod.namespace,
            name: pod.name,
            generation: pod.generation,
            phase: pod.phase,
            ready: all_ready && pod.phase == PodPhase::Running,
            reason: String::new(),
            message: String::new(),
            address: pod.address,
            started_ms: started.filter(|ms| *ms > 0).min().unwrap_or(0),
            containers: pod.containers,
        }
    }
}

fn gone(pod: Pod) -> Pod {
    Pod { phase: PodPhase::Gone, containers: Vec::new(), address: String::new(), ..pod }
}

/// What an event does to the containers. Words that change nothing that is observed (`attach`,
/// `exec_start`, `resize`, `kill`, `stop`, …) are not listed: the end itself is a `die`.
fn apply(containers: &mut BTreeMap<String, Facts>, event: &Event) {
    let (action, detail) = event.action.split_once(':').unwrap_or((&event.action, ""));
    if action == "destroy" {
        containers.remove(&event.id);
        return;
    }
    let change: fn(&mut Facts, &Event, &str) = match action {
        "create" => |_, _, _| {},
        "start" => started,
        "die" => died,
        "oom" => |facts, _, _| facts.oom_killed = true,
        "pause" => |facts, _, _| facts.paused = true,
        "unpause" => |facts, _, _| facts.paused = false,
        "rename" => renamed,
        "health_status" => |facts, _, detail| facts.healthy = Some(detail.trim() == "healthy"),
        _ => return,
    };
    let facts = containers.entry(event.id.clone()).or_insert_with(|| Facts::of_event(event));
    change(facts, event, detail);
}

fn started(facts: &mut Facts, event: &Event, _: &str) {
    let known = facts.state == ContainerState::Running;
    if known && event.time_ms() - facts.started_ms < EVENT_SLACK_MS {
        return;
    }
    facts.state = ContainerState::Running;
    facts.started_ms = event.time_ms();
    facts.finished_ms = 0;
    facts.exit_code = None;
    (facts.restarting, facts.paused, facts.oom_killed) = (false, false, false);
    facts.error.clear();
}

fn died(facts: &mut Facts, event: &Event, _: &str) {
    let known = facts.state == ContainerState::Terminated
        && event.time_ms() - facts.finished_ms < EVENT_SLACK_MS;
    if known || event.time_ms() < facts.started_ms {
        return;
    }
    facts.state = ContainerState::Terminated;
    facts.finished_ms = event.time_ms().max(facts.started_ms);
    facts.exit_code = event.attribute("exitCode").and_then(|code| code.parse().ok());
    (facts.restarting, facts.paused) = (false, false);
    facts.address.clear();
}

fn renamed(facts: &mut Facts, event: &Event, _: &str) {
    if let Some(name) = event.attribute("name") {
        name.trim_start_matches('/').clone_into(&mut facts.name);
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
