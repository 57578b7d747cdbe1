//! One action of the dispatcher: a work that was planned, carried out on a runtime in its time.

use std::sync::Arc;
use std::time::Duration;

use setpoint_schemas::PodUid;
use tokio_util::sync::CancellationToken;

use crate::desired::DesiredPod;
use crate::farewell::Farewell;
use crate::hooks::{Call, Hooks};
use crate::parting::{Parting, numbered};
use crate::plan::Work;
use crate::prepare::Prepare;
use crate::{Actuator, ActuatorError};

/// An image of some gigabytes over a slow line; beyond this the pull hangs.
const START_MAX: Duration = Duration::from_secs(600);
/// A hook that has not ended by then would keep its pod from all else for good.
const HOOK_MAX: Duration = Duration::from_secs(600);
/// Starting a container again needs no pull.
const RESTART_MAX: Duration = Duration::from_secs(60);
/// What a stop may take beyond its grace.
const STOP_EXTRA: Duration = Duration::from_secs(30);

/// What came of an action.
pub(crate) struct Ended {
    pub(crate) uid: PodUid,
    pub(crate) result: Result<(), ActuatorError>,
}

/// One action, with all that it needs.
pub(crate) struct Action {
    pub(crate) actuator: Arc<dyn Actuator>,
    pub(crate) prepare: Arc<dyn Prepare>,
    pub(crate) call: Arc<dyn Call>,
    pub(crate) parting: Parting,
    pub(crate) uid: PodUid,
    pub(crate) pod: Option<DesiredPod>,
    pub(crate) work: Work,
    pub(crate) cancel: CancellationToken,
}

impl Action {
    /// Carries it out, for as long as it may take.
    pub(crate) async fn run(self) -> Ended {
        let result = match tokio::time::timeout(self.deadline(), self.act()).await {
            Ok(result) => result,
            Err(_) => {
                Err(ActuatorError::transient("DeadlineExceeded", "the runtime takes too long"))
            }
        };
        Ended { uid: self.uid, result }
    }

    fn deadline(&self) -> Duration {
        match &self.work {
            Work::Stop { grace } | Work::Finish { grace } | Work::End { grace, .. } => {
                grace.saturating_add(STOP_EXTRA)
            }
            Work::Greet { .. } => HOOK_MAX.saturating_add(STOP_EXTRA),
            Work::Restart { .. } => RESTART_MAX,
            Work::Start { .. } => START_MAX,
        }
    }

    async fn act(&self) -> Result<(), ActuatorError> {
        match (&self.work, &self.pod) {
            (Work::Stop { grace }, _) => {
                tokio::select! {
                    () = self.prepare.release(&self.uid) => {}
                    () = self.cancel.cancelled() => return Err(ActuatorError::Cancelled),
                }
                let left = match self.parting.is_plain() {
                    true => *grace,
                    false => self.farewell().all(*grace).await?,
                };
                self.actuator.stop(&self.uid, left, &self.cancel).await
            }
            (Work::Finish { grace }, _) => self.farewell().all(*grace).await.map(drop),
            (Work::Restart { container, .. }, _) => {
                self.actuator.restart_container(&self.uid, container).await
            }
            (Work::End { container, grace, .. }, _) => {
                self.farewell().alone(container, *grace).await
            }
            (Work::Greet { container, .. }, Some(pod)) => self.greet(pod, container).await,
            (Work::Start { held, .. }, Some(pod)) => {
                let mut ready = tokio::select! {
                    ready = self.prepare.prepare(pod) => ready?,
                    () = self.cancel.cancelled() => return Err(ActuatorError::Cancelled),
                };
                ready.held.clone_from(held);
                self.actuator.start(&ready, &self.cancel).await
            }
            // Both are planned for pods of the list only.
            (Work::Start { .. } | Work::Greet { .. }, None) => Err(ActuatorError::Cancelled),
        }
    }

    async fn greet(&self, pod: &DesiredPod, name: &str) -> Result<(), ActuatorError> {
        let container = pod.spec.every_container().find(|container| container.name == name);
        let lifecycle = container.and_then(|container| container.lifecycle.as_ref());
        match (container, lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref())) {
            (Some(container), Some(hook)) => {
                self.hooks().run(name, &numbered(hook, container), HOOK_MAX).await
            }
            _ => Ok(()),
        }
    }

    fn farewell(&self) -> Farewell<'_> {
        Farewell { hooks: self.hooks(), parting: &self.parting }
    }

    fn hooks(&self) -> Hooks<'_> {
        Hooks {
            actuator: &*self.actuator,
            call: &*self.call,
            uid: &self.uid,
            on_host: self.parting.on_host,
            cancel: &self.cancel,
        }
    }
}
