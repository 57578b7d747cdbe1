//! The plant: nodes, their pods, and time.
//!
//! Every call is answered at once, at the plant's own time, so that a simulation can drive it
//! without a runtime; [`crate::SimulatedActuator`] is the same behind the asynchronous contract.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setpoint_actuators::{ActuatorError, Observed, PodToRun, Usage};
use setpoint_schemas::{FleetId, NodeName, PodUid};
use tokio::sync::watch;

use crate::actuator::SimulatedActuator;
use crate::faults::Faults;
use crate::pod::SimPod;

/// A plant of simulated nodes. A clone is the same plant.
#[derive(Debug, Clone)]
pub struct Plant {
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
struct World {
    seed: u64,
    faults: Faults,
    now_ms: i64,
    nodes: BTreeMap<NodeName, SimNode>,
}

#[derive(Debug, Default)]
struct SimNode {
    is_down: bool,
    pods: BTreeMap<(FleetId, PodUid), SimPod>,
    /// Counts up whenever something changed here, or time passed for which something waits. One of
    /// thousands of nodes hears only of itself.
    news: watch::Sender<u64>,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Done,
    /// Some container has not ended yet.
    Waits,
}

impl Plant {
    /// An empty plant at this time, milliseconds; nodes appear when they are named.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, now_ms: i64) -> Self {
        let world = World { seed, faults, now_ms, nodes: BTreeMap::new() };
        Plant { world: Arc::new(Mutex::new(world)) }
    }

    /// The runtime of a node, for the pods of a fleet.
    #[must_use]
    pub fn actuator(&self, node: &NodeName, fleet: &FleetId) -> SimulatedActuator {
        SimulatedActuator::new(self.clone(), node.clone(), fleet.clone())
    }

    /// The plant's time, milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.world().now_ms
    }

    /// Lets time come to this; never backwards.
    pub fn advance_to(&self, now_ms: i64) {
        let mut world = self.world();
        world.now_ms = world.now_ms.max(now_ms);
        world.nodes.values_mut().for_each(|node| node.advance_to(now_ms));
    }

    /// Whether the node's runtime answers; its pods run on either way.
    pub fn set_down(&self, node: &NodeName, is_down: bool) {
        self.change(node, |world| world.node(node).is_down = is_down);
    }

    /// The machine starts anew: nothing runs there any more, and what ran is forgotten.
    pub fn wipe(&self, node: &NodeName) {
        self.change(node, |world| world.node(node).pods.clear());
    }

    /// Kills a container behind everybody's back.
    pub fn kill(&self, node: &NodeName, uid: &PodUid, container: &str) {
        self.change(node, |world| {
            let now_ms = world.now_ms;
            for ((_, of), pod) in &mut world.node(node).pods {
                let named = pod.containers.iter_mut().filter(|c| of == uid && c.name == container);
                named.for_each(|c| c.kill(now_ms));
            }
        });
    }

    /// The pods of a fleet on a node.
    ///
    /// # Errors
    /// Transient when the node's runtime is down.
    pub fn observe(
        &self,
        node: &NodeName,
        fleet: &FleetId,
    ) -> Result<Vec<Observed>, ActuatorError> {
        let mut world = self.world();
        let pods = &world.answering(node)?.pods;
        let ours = pods.iter().filter(|((of, _), _)| of == fleet);
        Ok(ours.map(|(_, pod)| pod.observed()).collect())
    }

    /// What the running containers of a fleet on a node have used.
    ///
    /// # Errors
    /// Transient when the node's runtime is down.
    pub fn usage(&self, node: &NodeName, fleet: &FleetId) -> Result<Vec<Usage>, ActuatorError> {
        let mut world = self.world();
        let now_ms = world.now_ms;
        let pods = &world.answering(node)?.pods;
        let ours = pods.iter().filter(|((of, _), _)| of == fleet);
        Ok(ours.flat_map(|(_, pod)| pod.usage(now_ms)).collect())
    }

    /// Begins to start a pod; a slow start is completed by time. A pod of a lower generation ends
    /// at once.
    ///
    /// # Errors
    /// As [`setpoint_actuators::Actuator::start`].
    pub fn start(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        pod: &PodToRun,
    ) -> Result<(), ActuatorError> {
        self.change(node, |world| world.start(node, fleet, pod))
    }

    /// Starts a container that has ended once more.
    ///
    /// # Errors
    /// As [`setpoint_actuators::Actuator::restart_container`].
    pub fn restart(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
        container: &str,
    ) -> Result<(), ActuatorError> {
        self.change(node, |world| world.restart(node, fleet, uid, container))
    }

    /// Stops a pod at once, past every grace.
    ///
    /// # Errors
    /// Transient when the node's runtime is down.
    pub fn stop(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
    ) -> Result<(), ActuatorError> {
        let now_ms = self.now_ms();
        self.stop_since(node, fleet, uid, Duration::ZERO, now_ms).map(drop)
    }

    /// Goes on with a stop that began at `since_ms`.
    pub(crate) fn stop_since(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
        grace: Duration,
        since_ms: i64,
    ) -> Result<Stop, ActuatorError> {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let mut world = self.world();
        let now_ms = world.now_ms;
        let node = world.answering(node)?;
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

    pub(crate) fn grace_of(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
    ) -> Option<(i64, Duration)> {
        let mut world = self.world();
        let pod = world.node(node).pods.get(&(fleet.clone(), uid.clone()))?;
        let grace = Duration::from_millis(u64::try_from(pod.grace_ms).unwrap_or(0));
        Some((pod.placement.generation, grace))
    }

    pub(crate) fn is_starting(&self, node: &NodeName, fleet: &FleetId, uid: &PodUid) -> bool {
        let mut world = self.world();
        let pod = world.node(node).pods.get(&(fleet.clone(), uid.clone()));
        pod.is_some_and(SimPod::is_starting)
    }

    pub(crate) fn answers(&self, node: &NodeName) -> Result<(), ActuatorError> {
        self.world().answering(node).map(drop)
    }

    pub(crate) fn news(&self, node: &NodeName) -> watch::Receiver<u64> {
        self.world().node(node).news.subscribe()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, node: &NodeName, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let result = change(&mut world);
        world.node(node).tell();
        result
    }
}

impl SimNode {
    fn advance_to(&mut self, now_ms: i64) {
        let mut is_news = false;
        for pod in self.pods.values_mut() {
            is_news |= pod.advance_to(now_ms) || pod.asked_ms.is_some();
        }
        if is_news {
            self.tell();
        }
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

impl World {
    fn node(&mut self, node: &NodeName) -> &mut SimNode {
        self.nodes.entry(node.clone()).or_default()
    }

    fn answering(&mut self, name: &NodeName) -> Result<&mut SimNode, ActuatorError> {
        let node = self.node(name);
        if node.is_down {
            let message = format!("the runtime of {name} does not answer");
            return Err(ActuatorError::transient("RuntimeDown", message));
        }
        Ok(node)
    }

    fn start(
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
        for container in runs.containers.iter_mut().filter(|c| !c.was_started()) {
            let (uid, attempt) = (pod.placement.uid.as_str(), container.attempts);
            let fate = faults.fate(seed, node.as_str(), uid, &container.name, attempt);
            first_error = first_error.and(container.start(fate, now_ms));
        }
        first_error
    }

    fn restart(
        &mut self,
        node: &NodeName,
        fleet: &FleetId,
        uid: &PodUid,
        container: &str,
    ) -> Result<(), ActuatorError> {
        let (seed, faults, now_ms) = (self.seed, self.faults, self.now_ms);
        let pod = self.answering(node)?.pods.get_mut(&(fleet.clone(), uid.clone()));
        let named = pod.and_then(|pod| pod.containers.iter_mut().find(|c| c.name == container));
        let Some(named) = named else {
            let message =
                format!("failed to restart container {container} of pod {uid}: not found");
            return Err(ActuatorError::permanent("NotFound", message));
        };
        if !named.has_ended() {
            return Ok(());
        }
        let fate = faults.fate(seed, node.as_str(), uid.as_str(), container, named.attempts);
        named.start(fate, now_ms)
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
