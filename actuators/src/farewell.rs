//! Ending the containers of a pod in their order: hooks first, containers before sidecars, sidecars the
//! last one first, all within one grace.
//!
//! Source: the kubelet's `killContainer`: the hooks of all are run at once, the time that they take is
//! taken from the grace, and whoever's turn comes when it is over still has a moment.
//! Absent: which containers a pod has; that is written down beforehand.

use std::time::Duration;

use futures::future::{join, join_all};
use tokio::time::Instant;
use tracing::warn;

use crate::ActuatorError;
use crate::hooks::Hooks;
use crate::parting::Parting;

/// What a container has to end at least, whatever its hook and others took: the kubelet's.
const TURN_MIN: Duration = Duration::from_secs(2);

/// The end of a pod's containers.
pub(crate) struct Farewell<'a> {
    pub(crate) hooks: Hooks<'a>,
    pub(crate) parting: &'a Parting,
}

impl Farewell<'_> {
    /// Ends all containers that run, and returns what is left of the grace, or a moment. Without a
    /// grace nothing is done here.
    ///
    /// # Errors
    /// As [`crate::Actuator::end_container`].
    pub(crate) async fn all(&self, grace: Duration) -> Result<Duration, ActuatorError> {
        if grace.is_zero() {
            return Ok(grace);
        }
        let until = Until::after(grace);
        let mains = self.parting.mains.iter().map(|container| self.one(container, until));
        let sidecars = self.parting.sidecars.iter().map(|sidecar| self.prepare(sidecar, until));
        let (mains, ()) = join(join_all(mains), async {
            join_all(sidecars).await;
        })
        .await;
        mains.into_iter().collect::<Result<(), _>>()?;
        for sidecar in self.parting.sidecars.iter().rev() {
            self.end(sidecar, until).await?;
        }
        Ok(until.turn())
    }

    /// Ends one container by itself.
    ///
    /// # Errors
    /// As [`crate::Actuator::end_container`].
    pub(crate) async fn alone(
        &self,
        container: &str,
        grace: Duration,
    ) -> Result<(), ActuatorError> {
        if grace.is_zero() || !self.parting.hooks.contains_key(container) {
            let Hooks { actuator, uid, cancel, .. } = self.hooks;
            return actuator.end_container(uid, container, grace, cancel).await;
        }
        let until = Until::after(grace);
        self.prepare(container, until).await;
        self.end(container, until).await
    }

    async fn one(&self, container: &str, until: Until) -> Result<(), ActuatorError> {
        self.prepare(container, until).await;
        self.end(container, until).await
    }

    /// Runs its hook. One that fails keeps nobody from ending.
    async fn prepare(&self, container: &str, until: Until) {
        let Some(hook) = self.parting.hooks.get(container) else { return };
        if let Err(error) = self.hooks.run(container, hook, until.left()).await {
            let reason = error.reason().to_owned();
            // What a program wrote is nobody's log.
            warn!(pod = %self.hooks.uid, container, reason, "a preStop hook failed");
        }
    }

    async fn end(&self, container: &str, until: Until) -> Result<(), ActuatorError> {
        let Hooks { actuator, uid, cancel, .. } = self.hooks;
        match actuator.end_container(uid, container, until.turn(), cancel).await {
            // It never was there.
            Err(error) if error.reason() == "NotFound" => Ok(()),
            ended => ended,
        }
    }
}

/// When the grace is over; `None` is later than clocks tell.
#[derive(Clone, Copy)]
struct Until(Option<Instant>);

impl Until {
    fn after(grace: Duration) -> Self {
        Until(Instant::now().checked_add(grace))
    }

    fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
    }

    /// What a container whose turn it is has.
    fn turn(self) -> Duration {
        self.left().max(TURN_MIN)
    }
}
