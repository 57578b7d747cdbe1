//! Running a hook of a container: a command in it, a request to it, or a wait.
//!
//! Source: the kubelet's `pkg/kubelet/lifecycle`: a hook has succeeded when its command ended with 0, or
//! its request was answered with a status below 400.
//! Absent: the network, which is the caller's.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use setpoint_schemas::{Hook, HttpGetAction, PodUid};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{Actuator, ActuatorError, ExecEnd};

/// What of a command's output is told: enough for a sentence.
const OUTPUT_CHARS_MAX: usize = 512;
/// A runtime that does not end what it was told to end, within this, does not answer.
const CANCEL_MAX: Duration = Duration::from_secs(5);
/// Where a pod with the node's own network is reached.
const LOOPBACK: &str = "127.0.0.1";

/// Sends the requests of hooks.
pub trait Call: Send + Sync {
    /// Sends this request to this host; its port is a number. The error is a sentence.
    fn get<'a>(
        &'a self,
        request: &'a HttpGetAction,
        host: &'a str,
    ) -> BoxFuture<'a, Result<(), String>>;
}

/// Nobody sends requests.
#[derive(Debug)]
pub(crate) struct NoCalls;

impl Call for NoCalls {
    fn get<'a>(&'a self, _: &'a HttpGetAction, _: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Err("this node sends no requests".to_owned()) })
    }
}

/// Who runs hooks of a pod.
#[derive(Clone, Copy)]
pub(crate) struct Hooks<'a> {
    pub(crate) actuator: &'a dyn Actuator,
    pub(crate) call: &'a dyn Call,
    pub(crate) uid: &'a PodUid,
    /// Whether the pod is reached on the node's own network.
    pub(crate) on_host: bool,
    pub(crate) cancel: &'a CancellationToken,
}

impl Hooks<'_> {
    /// Runs the hook of a container, for at most this long.
    ///
    /// # Errors
    /// [`ActuatorError::Cancelled`] when the token was cancelled; otherwise a sentence of why it
    /// failed.
    pub(crate) async fn run(
        &self,
        container: &str,
        hook: &Hook,
        within: Duration,
    ) -> Result<(), ActuatorError> {
        if let Some(action) = &hook.exec {
            return self.command(container, &action.command, within).await;
        }
        if let Some(request) = &hook.http_get {
            return self.bounded(within, self.request(request)).await;
        }
        if let Some(wait) = &hook.sleep {
            let time = Duration::from_secs(u64::try_from(wait.seconds).unwrap_or(0));
            let slept = async {
                sleep(time).await;
                Ok(())
            };
            return self.bounded(within, slept).await;
        }
        Err(failed("it says nothing that could be done"))
    }

    async fn command(
        &self,
        container: &str,
        command: &[String],
        within: Duration,
    ) -> Result<(), ActuatorError> {
        let token = self.cancel.child_token();
        let end = self.actuator.exec(self.uid, container, command, &token);
        tokio::pin!(end);
        let ended = tokio::select! {
            ended = &mut end => ended,
            () = sleep(within) => {
                token.cancel();
                let _ = timeout(CANCEL_MAX, end).await;
                return Err(late(within));
            }
        };
        judged(&ended?)
    }

    async fn request(&self, request: &HttpGetAction) -> Result<(), ActuatorError> {
        let host = match request.host.as_deref().filter(|host| !host.is_empty()) {
            Some(host) => host.to_owned(),
            None if self.on_host => LOOPBACK.to_owned(),
            None => self.address().await?,
        };
        self.call.get(request, &host).await.map_err(|why| failed(&why))
    }

    async fn address(&self) -> Result<String, ActuatorError> {
        let pods = self.actuator.observe().await?;
        let pod = pods.into_iter().find(|pod| pod.uid == *self.uid);
        let address = pod.map(|pod| pod.address).filter(|address| !address.is_empty());
        address.ok_or_else(|| failed("the pod has no address"))
    }

    async fn bounded(
        &self,
        within: Duration,
        call: impl Future<Output = Result<(), ActuatorError>>,
    ) -> Result<(), ActuatorError> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(ActuatorError::Cancelled),
            done = timeout(within, call) => done.unwrap_or_else(|_| Err(late(within))),
        }
    }
}

fn judged(end: &ExecEnd) -> Result<(), ActuatorError> {
    if end.exit_code == 0 {
        return Ok(());
    }
    let said: String =
        String::from_utf8_lossy(&end.output).chars().take(OUTPUT_CHARS_MAX).collect();
    let said = said.trim();
    let colon = if said.is_empty() { "" } else { ": " };
    Err(failed(&format!("its command ended with {}{colon}{said}", end.exit_code)))
}

fn late(within: Duration) -> ActuatorError {
    failed(&format!("it had not ended after {} s", within.as_secs()))
}

fn failed(why: &str) -> ActuatorError {
    ActuatorError::permanent("HookFailed", why)
}
