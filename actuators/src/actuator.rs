//! The contract of a runtime: observe, start, stop, restart or end one container, run a command in it.
//!
//! Invariants, all proven by [`crate::conformance`]: every call is idempotent and may be repeated
//! after a crash at any point; a call that is cancelled leaves a pod that [`Actuator::observe`]
//! still tells of, or nothing; a pod of an older term or generation never replaces a newer one;
//! what does not carry this fleet's labels is neither told of nor touched.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use setpoint_schemas::PodUid;
use setpoint_schemas::call::{ExecOptions, LogOptions};
use tokio_util::sync::CancellationToken;

use crate::session::{Lines, Session};
use crate::{ActuatorError, Observed, Parts, PodToRun, RuntimeInfo, Stored, Until, Usage};

/// One call to a runtime, under way.
pub type Act<'a, T> = BoxFuture<'a, Result<T, ActuatorError>>;

/// So much of a command's output is kept: the kubelet's bound for a probe's.
pub const OUTPUT_BYTES_MAX: usize = 10 << 10;

/// How a command ended that was run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecEnd {
    /// Its exit code; as in a shell, 128 and the signal's number when a signal ended it, 127 when
    /// there is no such program, 126 when it cannot be run.
    pub exit_code: i32,
    /// What it wrote to standard output and error, up to [`OUTPUT_BYTES_MAX`].
    pub output: Vec<u8>,
}

/// Hints that something changed. Lossy and without content: whoever gets one observes again.
pub type Changes = BoxStream<'static, ()>;

/// A container runtime on one node, as the agent uses it. The fleet whose pods it minds is given
/// to the implementation when it is made.
///
/// An implementation need not order calls for the same pod: the dispatcher has at most one action
/// in flight a pod.
pub trait Actuator: Send + Sync {
    /// What the runtime is and what the machine has.
    ///
    /// # Errors
    /// Transient when the runtime does not answer.
    fn describe(&self) -> Act<'_, RuntimeInfo>;

    /// All pods of this fleet on this node, in any order: also those that a former instance
    /// started, those that are half started, and those whose containers have ended. A container
    /// that ended is told with its exit code until the pod is stopped or the container restarted.
    ///
    /// # Errors
    /// Transient when the runtime does not answer. Never a part of the pods: all or an error.
    fn observe(&self) -> Act<'_, Vec<Observed>>;

    /// Makes the pod run. Level-triggered: containers that were never started are started, init
    /// containers too, but for those that [`PodToRun::held`] names; those that run or have ended are
    /// left as they are. Which comes before which is the caller's to know. A pod of the same uid and a **lower**
    /// generation is stopped first, with the grace of its spec, and started anew. Returns when
    /// every container that is not held was started once, not when it is ready.
    ///
    /// A container that cannot be started does not keep the others from it; the first error is
    /// returned at the end.
    ///
    /// # Errors
    /// [`ActuatorError::Fenced`] when the pod that runs has a higher generation or a higher term;
    /// [`ActuatorError::Cancelled`] when the token was cancelled; otherwise what the runtime said.
    /// The container that failed is named in the error; its `reason` becomes the container's.
    fn start<'a>(&'a self, pod: &'a PodToRun, cancel: &'a CancellationToken) -> Act<'a, ()>;

    /// Stops the pod and removes all that is left of it. Asks the containers to end (SIGTERM),
    /// kills those that still run after `grace`. Ok means: [`Actuator::observe`] no longer tells
    /// of it. A pod that is not there is stopped already.
    ///
    /// # Errors
    /// [`ActuatorError::Cancelled`] when the token was cancelled, which also ends the grace; the
    /// pod is then still told of, until stopped again.
    fn stop<'a>(
        &'a self,
        uid: &'a PodUid,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()>;

    /// Where a pod is reached from its node; empty for one that has no address of its own.
    ///
    /// # Errors
    /// Permanent with reason `NotFound` when there is no such pod; transient when the runtime does not answer.
    fn address<'a>(&'a self, uid: &'a PodUid) -> Act<'a, String> {
        Box::pin(async move {
            let found = self.observe().await?.into_iter().find(|pod| pod.uid == *uid);
            found.map(|pod| pod.address).ok_or_else(|| {
                ActuatorError::permanent("NotFound", format!("pod {uid} is not on this node"))
            })
        })
    }

    /// Makes the files of the pod's volumes what they are here, all of a volume at once, while its
    /// containers run on; its environment is not looked at. A pod that is not there gets none.
    ///
    /// # Errors
    /// Transient when a volume cannot be written; the others are.
    fn refresh<'a>(&'a self, pod: &'a PodToRun) -> Act<'a, ()>;

    /// Starts a container that has ended once more, as it was started first. A container that runs
    /// is left alone. The rule when to do so is [`crate::restart`], not the runtime's.
    ///
    /// # Errors
    /// Permanent with reason `NotFound` when there is no such pod or container.
    fn restart_container<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, ()>;

    /// Ends a container that runs: asks it to end (SIGTERM), kills it after `grace`. Ok means:
    /// [`Actuator::observe`] tells that it ended. One that has ended, or never ran, is left alone;
    /// whether it starts again is [`crate::restart`]'s rule.
    ///
    /// # Errors
    /// Permanent with reason `NotFound` when there is no such pod or container;
    /// [`ActuatorError::Cancelled`] when the token was cancelled, which ends the wait.
    fn end_container<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        grace: Duration,
        cancel: &'a CancellationToken,
    ) -> Act<'a, ()>;

    /// Runs a command in a container that runs, with its environment and working directory, without
    /// input, and waits for its end. A program that is not there is an end, not an error.
    ///
    /// # Errors
    /// Permanent with reason `NotFound` when there is no such pod or container, transient with
    /// reason `NotRunning` when it does not run; [`ActuatorError::Cancelled`] when the token was
    /// cancelled: the command was killed, as far as the runtime can.
    fn exec<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a [String],
        cancel: &'a CancellationToken,
    ) -> Act<'a, ExecEnd>;

    /// What each running container has used. One that cannot be measured is left out.
    ///
    /// # Errors
    /// Transient when the runtime does not answer.
    fn usage(&self) -> Act<'_, Vec<Usage>>;

    /// What these parts of a pod use of the node's disks. What cannot be measured is left out, and of a pod
    /// that is not there everything; a runtime that keeps nothing on a disk has nothing to tell.
    ///
    /// # Errors
    /// Transient when the runtime does not answer.
    fn stored<'a>(&'a self, uid: &'a PodUid, parts: &'a Parts) -> Act<'a, Stored> {
        let _ = (uid, parts);
        Box::pin(std::future::ready(Ok(Stored::default())))
    }

    /// The folders of this machine that it writes to: where there is no room, nothing starts.
    fn folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What a container wrote, both streams in the order in which it came. `limit_bytes` is the
    /// caller's to keep. Lines that the runtime no longer keeps are left out.
    ///
    /// # Errors
    /// As [`crate::session`] words them: `NotFound`, `NotStarted`, `NoPrevious`.
    fn logs<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        options: &'a LogOptions,
    ) -> Act<'a, Lines>;

    /// What a container that has ended left in the file for its last message, the end of it, up to
    /// [`crate::MESSAGE_BYTES_MAX`]; empty where it left nothing. Of a container that runs nobody asks.
    ///
    /// # Errors
    /// Permanent with reason `NotFound` when there is no such pod or container, where a runtime looks it up;
    /// transient when it cannot be read.
    fn message<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> Act<'a, Vec<u8>> {
        let _ = (uid, container);
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Runs a command in a container that runs, with its environment. The command ends with its
    /// container. One that cannot be run ends as in a shell, with 126 or 127 and words.
    ///
    /// # Errors
    /// As [`crate::session`] words them: `NotFound`, `NotRunning`.
    fn session<'a>(
        &'a self,
        uid: &'a PodUid,
        container: &'a str,
        command: &'a ExecOptions,
    ) -> Act<'a, Session>;

    /// From now on pods that may run at most once may do so until this time, or without an end. Says
    /// whether they end then by themselves, also when whoever calls is gone by then; a runtime that
    /// leaves containers to a daemon of its own cannot.
    fn fence(&self, until: Option<Until>) -> bool {
        let _ = until;
        false
    }

    /// Hints that something changed, from now on. A stream that ends is asked for again.
    fn changes(&self) -> Changes;
}
