//! Images: present or pulled, as `imagePullPolicy` says.
//!
//! Guarantee: a registry that refuses is asked again only after a wait that doubles from 10 s to
//! 5 min, however often the pod is started meanwhile. Source: the kubelet's `ImagePullBackOff`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::TryStreamExt;
use setpoint_actuators::ActuatorError;
use setpoint_schemas::Container;

use crate::engine::{is_absent, unavailable};

/// The kubelet's first wait.
const BACKOFF_FIRST: Duration = Duration::from_secs(10);
/// The kubelet's longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A pull without any progress for this long has failed.
const PROGRESS_MAX: Duration = Duration::from_secs(120);
/// More images than a node has pods fail at once only by mistake; then all are forgotten.
const FAILURES_MAX: usize = 1_000;

/// When to ask for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// The pulls that failed, by image.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Mutex<HashMap<String, Failure>>);

#[derive(Debug, Clone)]
struct Failure {
    wait: Duration,
    until: Instant,
    message: String,
}

impl Pulls {
    /// Makes sure that the container's image is there, and returns its name.
    ///
    /// # Errors
    /// Permanent `InvalidImageName` without one; `ErrImageNeverPull`, `ErrImagePull` or
    /// `ImagePullBackOff`, each with what the registry said.
    pub(crate) async fn ensure(
        &self,
        docker: &Docker,
        container: &Container,
    ) -> Result<String, ActuatorError> {
        let image = container.image.as_deref().unwrap_or_default();
        if image.is_empty() {
            let message = format!("container {} names no image", container.name);
            return Err(ActuatorError::permanent("InvalidImageName", message));
        }
        let policy = policy_of(container.image_pull_policy.as_deref(), image);
        if policy != PullPolicy::Always && is_present(docker, image).await? {
            return Ok(image.to_owned());
        }
        if policy == PullPolicy::Never {
            let message = format!("image {image} is absent and imagePullPolicy is Never");
            return Err(ActuatorError::transient("ErrImageNeverPull", message));
        }
        self.may_try(image, Instant::now())?;
        match pull(docker, image).await {
            Ok(()) => {
                self.lock().remove(image);
                Ok(image.to_owned())
            }
            Err(message) => Err(self.failed(image, message, Instant::now())),
        }
    }

    fn may_try(&self, image: &str, now: Instant) -> Result<(), ActuatorError> {
        let failures = self.lock();
        let Some(failure) = failures.get(image).filter(|failure| failure.until > now) else {
            return Ok(());
        };
        let left = failure.until - now;
        let message = format!("Back-off pulling image {image:?}: {}", failure.message);
        Err(ActuatorError::transient("ImagePullBackOff", message).after(left))
    }

    fn failed(&self, image: &str, message: String, now: Instant) -> ActuatorError {
        let mut failures = self.lock();
        if failures.len() >= FAILURES_MAX {
            failures.clear();
        }
        let before = failures.get(image).map_or(Duration::ZERO, |failure| failure.wait);
        let wait = (before * 2).clamp(BACKOFF_FIRST, BACKOFF_MAX);
        let failure = Failure { wait, until: now + wait, message: message.clone() };
        failures.insert(image.to_owned(), failure);
        let message = format!("failed to pull image {image}: {message}");
        ActuatorError::transient("ErrImagePull", message).after(wait)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the engine has the image.
pub(crate) async fn is_present(docker: &Docker, image: &str) -> Result<bool, ActuatorError> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(unavailable("look for an image")(error)),
    }
}

async fn pull(docker: &Docker, image: &str) -> Result<(), String> {
    let (name, tag) = name_and_tag(image);
    let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
    let mut progress = std::pin::pin!(docker.create_image(Some(options), None, None));
    loop {
        match tokio::time::timeout(PROGRESS_MAX, progress.try_next()).await {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(Error::DockerResponseServerError { message, .. })) => return Err(message),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_elapsed) => return Err("the registry sends nothing".to_owned()),
        }
    }
}

/// Kubernetes' default: `Always` for the tag `latest` or none, otherwise `IfNotPresent`.
fn policy_of(text: Option<&str>, image: &str) -> PullPolicy {
    match text {
        Some("Always") => PullPolicy::Always,
        Some("IfNotPresent") => PullPolicy::IfNotPresent,
        Some("Never") => PullPolicy::Never,
        _ if name_and_tag(image).1 == "latest" => PullPolicy::Always,
        _ => PullPolicy::IfNotPresent,
    }
}

/// The name and the tag or digest, `latest` when it has none. A colon before a slash is a port's.
fn name_and_tag(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_pulled_as_kubernetes_defaults_it() {
        let table = [
            (None, "nginx", PullPolicy::Always),
            (None, "nginx:latest", PullPolicy::Always),
            (None, "nginx:1.27", PullPolicy::IfNotPresent),
            (None, "localhost:5000/nginx", PullPolicy::Always),
            (None, "localhost:5000/nginx:1", PullPolicy::IfNotPresent),
            (None, "nginx@sha256:00", PullPolicy::IfNotPresent),
            (Some("Never"), "nginx", PullPolicy::Never),
            (Some("Always"), "nginx:1.27", PullPolicy::Always),
        ];
        for (policy, image, expected) in table {
            assert_eq!(policy_of(policy, image), expected, "{policy:?} {image}");
        }
    }

    #[test]
    fn a_registry_that_refuses_is_asked_ever_more_seldom() {
        let (pulls, mut now) = (Pulls::default(), Instant::now());
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert!(pulls.may_try("a:1", now).is_ok());
            let error = pulls.failed("a:1", "no such host".to_owned(), now);
            assert_eq!(error.reason(), "ErrImagePull");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
            let soon = pulls.may_try("a:1", now + Duration::from_secs(1)).expect_err("too early");
            assert_eq!(soon.reason(), "ImagePullBackOff");
            assert!(soon.to_string().contains("no such host"), "{soon}");
            assert!(pulls.may_try("b:1", now).is_ok(), "another image does not wait");
            now += Duration::from_secs(seconds);
        }
    }
}
