//! What a plant is made of: its nodes with their pods, and the time that has come to them.
//!
//! Guarantee: what a call does follows from seed, faults and time alone.
//! Absent: sharing; the plant locks.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_actuators::{ActuatorError, PodToRun};
use setpoint_schemas::{FleetId, NodeName, PodUid};
use tokio::sync::watch;

use crate::behaviour::Answer;
use crate::faults::Faults;
use crate::pod::{SimContainer, SimPod};

/// All nodes, at one time.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    faults: Faults,
    pub(crate) now_ms: i64,
    nodes: BTreeMap<NodeName, SimNode>,
}

/// A node and its pods.
#[derive(Debug, Default)]
pub(crate) struct SimNode {
    pub(crate) is_down: bool,
    pub(crate) pods: BTreeMap<(FleetId, PodUid), SimPod>,
    /// Counts up whenever something changed here, or time passed for which something waits. One of
    /// thousands of nodes hears only of itself.
    pub(crate) news: watch::Sender<u64>,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Done,
    /// Some container has not ended yet.
    Waits,
}

impl World {
    /// No node yet; nodes appear when they are named.
    pub(crate) fn new(seed: u64, faults: Faults, now_ms: i64) -> Self {
        World { seed, faults, now_ms, nodes: BTreeMap::new() }
    }

    /// Lets time come to this; never backwards.
    pub(crate) fn advance_to(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.nodes.values_mut().for_each(|node| node.advance_to(now_ms));
    }

    /// A node, whether its runtime answers or not.
    pub(crate) fn node(&mut self, node: &NodeName) -> &mut SimNode {
        self.nodes.entry(node.clone()).or_default()
    }

    /// A node whose runtime answers.
    pub(crate) fn answering(&mut self, name: &NodeName) -> Result<&mut SimNode, ActuatorError> {
        let node = self.node(name);
        if node.is_down {
            let message = format!("the runtime of {name} does not answer");
            return Err(ActuatorError::transient("RuntimeDown", message));
        }
        Ok(node)
    }

    /// Begins to start what of a pod was not started yet.
    pub(crate) fn start(
        &mut self,
        node: &NodeName,
        fleet: &FleetId,
        pod: &PodToRun,
    ) -> Result<(), ActuatorError> {
        let (seed, faults, now_ms) = (self.seed, self.faults, self.now_ms);
        let key = (fleet.clone(), pod.placement.uid.clone());
        let pods = &mut self.answering(node)?.pods;
        if let Some(runs) = pods.get(&key) {
            fence(runs, pod)?;
            if runs.placement.generation < pod.placement.generation {
                pods.remove(&key);
            }
        }
        let runs = pods.entry(key).or_insert_with(|| SimPod::new(pod));
        runs.placement.term = pod.placement.term;
        let mut first_error = Ok(());
        let is_due = |c: &&mut SimContainer| !c.was_started() && !pod.held.contains(&c.name);
        for container in runs.containers.iter_mut().filter(is_due) {
            let (uid, attempt) = (pod.placement.uid.text(), container.attempts);
            let fate = faults.fate(seed, node.as_str(), &uid, &container.name, attempt);
            first_error = first_error.and(container.start(fate, now_ms));
        }
        first_error
    }

    /// Goes on with a stop that began at `since_ms`.
    pub(crate) fn stop(
        &mut self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
        grace: Duration,
        since_ms: i64,
    ) -> Result<Stop, ActuatorError> {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.now_ms;
        let node = self.answering(node)?;
        let key = (fleet.clone(), uid.clone());
        let Some(pod) = node.pods.get_mut(&key) else { return Ok(Stop::Done) };
        let was_asked = pod.asked_ms.is_some();
        pod.ask(now_ms);
        let waits = !pod.is_ended() && now_ms < since_ms.saturating_add(grace_ms);
        if !waits {
            node.pods.remove(&key);
        }
        // Who asks again and again has nothing new to tell.
        if !waits || !was_asked {
            node.tell();
        }
        Ok(if waits { Stop::Waits } else { Stop::Done })
    }

    /// Goes on with an end of one container that began at `since_ms`.
    pub(crate) fn end(
        &mut self,
        node: &NodeName,
        fleet: &FleetId,
        (uid, container): (&PodUid, &str),
        grace: Duration,
        since_ms: i64,
    ) -> Result<Stop, ActuatorError> {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.now_ms;
        let named = self.container(node, fleet, uid, container)?;
        let was_alive = named.is_alive();
        if !named.is_asked {
            named.ask(now_ms);
        }
        if named.is_alive() && now_ms >= since_ms.saturating_add(grace_ms) {
            named.kill(now_ms);
        }
        let is_alive = named.is_alive();
        if was_alive && !is_alive {
            self.node(node).tell();
        }
        Ok(if is_alive { Stop::Waits } else { Stop::Done })
    }

    /// How a command ends that is run in a container.
    pub(crate) fn answer(
        &mut self,
        node: &NodeName,
        fleet: &FleetId,
        (uid, container): (&PodUid, &str),
        command: &[String],
    ) -> Result<Answer, ActuatorError> {
        let named = self.container(node, fleet, uid, container)?;
        if !named.is_running() {
            let error = ActuatorError::transient("NotRunning", "the container does not run");
            return Err(error.of_container(container));
        }
        Ok(named.answer(command))
    }

    /// A container of a pod of a node whose runtime answers.
    pub(crate) fn container(
        &mut self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
        container: &str,
    ) -> Result<&mut SimContainer, ActuatorError> {
        let pod = self.answering(node)?.pods.get_mut(&(fleet.clone(), uid.clone()));
        let named = pod.and_then(|pod| pod.containers.iter_mut().find(|c| c.name == container));
        named.ok_or_else(|| {
            let message = format!("pod {uid} has no container {container}: not found");
            ActuatorError::permanent("NotFound", message)
        })
    }

    /// Starts a container that has ended once more.
    pub(crate) fn restart(
        &mut self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
        container: &str,
    ) -> Result<(), ActuatorError> {
        let (seed, faults, now_ms) = (self.seed, self.faults, self.now_ms);
        let named = self.container(node, fleet, uid, container)?;
        if !named.has_ended() {
            return Ok(());
        }
        let fate = faults.fate(seed, node.as_str(), &uid.text(), container, named.attempts);
        named.start(fate, now_ms)
    }
}

impl SimNode {
    fn advance_to(&mut self, now_ms: i64) {
        let mut is_news = false;
        for pod in self.pods.values_mut() {
            is_news |= pod.advance_to(now_ms) || pod.is_ending();
        }
        if is_news {
            self.tell();
        }
    }

    /// Something is new here.
    pub(crate) fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

fn fence(runs: &SimPod, asked: &PodToRun) -> Result<(), ActuatorError> {
    let (runs, asked) = (&runs.placement, &asked.placement);
    if runs.generation <= asked.generation && runs.term <= asked.term {
        return Ok(());
    }
    Err(ActuatorError::Fenced {
        uid: asked.uid.clone(),
        generation: asked.generation,
        term: asked.term,
        generation_running: runs.generation,
        term_running: runs.term,
    })
}
