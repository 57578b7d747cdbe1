//! The plant: simulated nodes behind one lock.
//!
//! Every call is answered at once, at the plant's own time, so that a simulation can drive it
//! without a runtime; [`crate::SimulatedActuator`] is the same behind the asynchronous contract.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use setpoint_actuators::session::not_found;
use setpoint_actuators::{ActuatorError, Observed, PodToRun, Usage};
use setpoint_schemas::{FleetId, NodeName, PodUid};
use tokio::sync::watch;

use crate::behaviour::Answer;
use crate::faults::Faults;
use crate::pod::{SimContainer, SimPod};
use crate::world::{Stop, World};

/// A plant of simulated nodes. A clone is the same plant.
#[derive(Debug, Clone)]
pub struct Plant {
    world: Arc<Mutex<World>>,
}

impl Plant {
    /// An empty plant at this time, milliseconds; nodes appear when they are named.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, now_ms: i64) -> Self {
        Plant { world: Arc::new(Mutex::new(World::new(seed, faults, now_ms))) }
    }

    /// The plant's time, milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.world().now_ms
    }

    /// Lets time come to this; never backwards.
    pub fn advance_to(&self, now_ms: i64) {
        self.world().advance_to(now_ms);
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

    /// Looks at a container, and at the plant's time.
    pub(crate) fn look<T>(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        (uid, container): (&PodUid, &str),
        look: impl FnOnce(&SimContainer, i64) -> T,
    ) -> Result<T, ActuatorError> {
        let mut world = self.world();
        let now_ms = world.now_ms;
        let pod = world.answering(node)?.pods.get(&(fleet.clone(), uid.clone()));
        let named = pod.and_then(|pod| pod.containers.iter().find(|c| c.name == container));
        let named = named.ok_or_else(|| not_found(&uid.text(), container))?;
        Ok(look(named, now_ms))
    }

    /// From now on a command that is run in this container ends with this code, unless it says itself
    /// how it ends.
    ///
    /// # Errors
    /// As [`setpoint_actuators::Actuator::exec`] when there is no such container.
    pub fn set_exec_code(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        (uid, container): (&PodUid, &str),
        code: i32,
    ) -> Result<(), ActuatorError> {
        self.world().container(node, fleet, uid, container)?.exec_code = code;
        Ok(())
    }

    /// Goes on with an end of one container that began at `since_ms`.
    pub(crate) fn end_since(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        of: (&PodUid, &str),
        grace: Duration,
        since_ms: i64,
    ) -> Result<Stop, ActuatorError> {
        self.world().end(node, fleet, of, grace, since_ms)
    }

    pub(crate) fn answer(
        &self,
        node: &NodeName,
        fleet: &FleetId,
        of: (&PodUid, &str),
        command: &[String],
    ) -> Result<Answer, ActuatorError> {
        self.world().answer(node, fleet, of, command)
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
        self.world().stop(node, fleet, uid, grace, since_ms)
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
