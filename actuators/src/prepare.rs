//! What a pod needs before its runtime can start it.

use futures::future::BoxFuture;
use setpoint_schemas::PodUid;

use crate::desired::DesiredPod;
use crate::{ActuatorError, PodToRun};

/// Makes a placement ready to start: resolves what its spec only names. A failure becomes the
/// pod's status and is tried again.
pub trait Prepare: Send + Sync {
    /// The pod with environment and files.
    fn prepare<'a>(&'a self, pod: &'a DesiredPod)
    -> BoxFuture<'a, Result<PodToRun, ActuatorError>>;

    /// Waits until a pod may be stopped: until those who send it work have heard that it goes.
    fn release<'a>(&'a self, _uid: &'a PodUid) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
