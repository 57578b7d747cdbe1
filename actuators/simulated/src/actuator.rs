//! The contract over a plant: a call that needs time waits until the plant's time has come.

use std::time::Duration;

use futures::StreamExt;
use setpoint_actuators::session::{Lines, Session};
use setpoint_actuators::{
    Act, Actuator, ActuatorError, Changes, ExecEnd, Observed, PodToRun, RuntimeInfo, Usage,
};
use setpoint_schemas::call::{ExecOptions, LogOptions};
use setpoint_schemas::{FleetId, NodeName, PodUid, Resources};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::behaviour::Answer;
use crate::plant::Plant;
use crate::pod::SimContainer;
use crate::speech::Place;
use crate::world::Stop;

/// What every simulated node has: a small server.
const CPU_MILLI: i64 = 8_000;
const MEMORY_BYTES: i64 = 32 << 30;
const PODS: i64 = 110;

/// The runtime of one simulated node.
#[derive(Debug, Clone)]
pub struct SimulatedActuator {
    plant: Plant,
    node: NodeName,
    fleet: FleetId,
}

impl Plant {
    /// The runtime of a node, for the pods of a fleet.
    #[must_use]
    pub fn actuator(&self, node: &NodeName, fleet: &FleetId) -> SimulatedActuator {
        SimulatedActuator { plant: self.clone(), node: node.clone(), fleet: fleet.clone() }
    }
}

impl SimulatedActuator {
    fn place(&self, uid: &PodUid, container: &str) -> Place {
        Place {
            plant: self.plant.clone(),
            node: self.node.clone(),
            fleet: self.fleet.clone(),
            uid: uid.clone(),
            container: container.to_owned(),
        }
    }

    async fn start_pod(
        &self,
        pod: &PodToRun,
        cancel: &CancellationToken,
    ) -> Result<(), ActuatorError> {
        live(cancel)?;
        let uid = &pod.placement.uid;
        let mut news = self.plant.news(&self.node);
        if let Some((generation, grace)) = self.plant.grace_of(&self.node, &self.fleet, uid)
            && generation < pod.placement.generation
        {
            self.stop_pod(uid, grace, cancel).await?;
        }
        let started = self.plant.start(&self.node, &self.fleet, pod);
        while self.plant.is_starting(&self.node, &self.fleet, uid) {
            next(&mut news, cancel).await?;
        }
        started
    }

    async fn stop_pod(
        &self,
        uid: &PodUid,
        grace: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), ActuatorError> {
        live(cancel)?;
        let since_ms = self.plant.now_ms();
        let mut news = self.plant.news(&self.node);
        loop {
            match self.plant.stop_since(&self.node, &self.fleet, uid, grace, since_ms)? {
                Stop::Done => return Ok(()),
                Stop::Waits => next(&mut news, cancel).await?,
            }
        }
    }

    async fn end_one(
        &self,
        of: (&PodUid, &str),
        grace: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), ActuatorError> {
        live(cancel)?;
        let since_ms = self.plant.now_ms();
        let mut news = self.plant.news(&self.node);
        loop {
            match self.plant.end_since(&self.node, &self.fleet, of, grace, since_ms)? {
                Stop::Done => return Ok(()),
                Stop::Waits => next(&mut news, cancel).await?,
            }
        }
    }
}

impl Actuator for SimulatedActuator {
    fn describe(&self) -> Act<'_, RuntimeInfo> {
        let capacity = Resources {
            cpu_milli: CPU_MILLI,
            memory_bytes: MEMORY_BYTES,
            pods: PODS,
            ..Resources::default()
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let info =
            RuntimeInfo { runtime: "simulated".into(), version, id: String::new(), capacity };
        Box::pin(async { self.plant.answers(&self.node).map(|()| info) })
    }

    fn observe(&self) -> Act<'_, Vec<Observed>> {
        Box::pin(async { self.plant.observe(&self.node, &self.fleet) })
    }

    fn start<'a>(&'a self, pod: &'a PodToRun, cancel: &'a CancellationToken) -> Act<'a, ()> {
        Box::pin(self.start_pod(pod, cancel))
    }

    fn stop<'a>(
        &'a self,
        uid: &'a PodUid,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        Box::pin(self.stop_pod(uid, grace, cancel))
    }

    /// Simulated containers read nothing.
    fn refresh<'a>(&'a self, _pod: &'a PodToRun) -> Act<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn restart_container<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, ()> {
        Box::pin(async move { self.plant.restart(&self.node, &self.fleet, uid, container) })
    }

    fn end_container<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()> {
        Box::pin(self.end_one((uid, container), grace, cancel))
    }

    fn exec<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a [String],
        cancel: &'a CancellationToken,
    ) -> Act<'a, ExecEnd> {
        Box::pin(async move {
            match self.plant.answer(&self.node, &self.fleet, (uid, container), command)? {
                Answer::Ends(end) => Ok(end),
                Answer::Hangs => {
                    cancel.cancelled().await;
                    Err(ActuatorError::Cancelled)
                }
            }
        })
    }

    fn usage(&self) -> Act<'_, Vec<Usage>> {
        Box::pin(async { self.plant.usage(&self.node, &self.fleet) })
    }

    fn logs<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        options: &'a LogOptions,
    ) -> Act<'a, Lines> {
        let place = self.place(uid, container);
        Box::pin(async move { place.lines(options) })
    }

    fn message<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, Vec<u8>> {
        let look = |container: &SimContainer, _| match container.has_ended() {
            true => container.left.clone().into_bytes(),
            false => Vec::new(),
        };
        let left = self.plant.look(&self.node, &self.fleet, (uid, container), look);
        Box::pin(std::future::ready(left))
    }

    fn session<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a ExecOptions,
    ) -> Act<'a, Session> {
        let place = self.place(uid, container);
        Box::pin(async move { place.session(command) })
    }

    fn changes(&self) -> Changes {
        let next = |mut news: watch::Receiver<u64>| async {
            news.changed().await.ok().map(|()| ((), news))
        };
        futures::stream::unfold(self.plant.news(&self.node), next).boxed()
    }
}

fn live(cancel: &CancellationToken) -> Result<(), ActuatorError> {
    if cancel.is_cancelled() { Err(ActuatorError::Cancelled) } else { Ok(()) }
}

/// Waits until something may have changed.
async fn next(
    news: &mut watch::Receiver<u64>,
    cancel: &CancellationToken,
) -> Result<(), ActuatorError> {
    tokio::select! {
        () = cancel.cancelled() => Err(ActuatorError::Cancelled),
        // The sender is part of the plant, which we hold.
        _ = news.changed() => Ok(()),
    }
}
