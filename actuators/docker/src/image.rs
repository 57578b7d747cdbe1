//! Images: present or pulled, as `imagePullPolicy` says.
//!
//! Guarantee: a registry that refuses is asked again only after a wait that doubles from 10 s to
//! 5 min, however often the pod is started meanwhile; one that says nothing is given up after a minute,
//! whoever may pull. Source: the kubelet's `ImagePullBackOff`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::TryStreamExt;
use setpoint_actuators::{ActuatorError, Credentials, Login};
use setpoint_schemas::Container;

use crate::engine::{is_absent, unavailable};

/// The kubelet's first wait.
const BACKOFF_FIRST: Duration = Duration::from_secs(10);
/// The kubelet's longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// All logins together are tried for this long, until the first word of the registry: an engine itself
/// gives a registry 15 s to say that it is one, over TLS and without.
const BEGIN_MAX: Duration = Duration::from_secs(60);
/// A pull that has begun and makes no progress for this long has failed.
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

/// The pulls that failed, by image and by whom.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Mutex<HashMap<Key, Failure>>);

/// An image, and a hash of the logins that it was asked for with: who has better ones need not wait.
type Key = (String, u64);

/// A pull of an image by somebody.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    image: &'a str,
    by: u64,
}

impl Attempt<'_> {
    fn key(self) -> Key {
        (self.image.to_owned(), self.by)
    }
}

fn who(logins: &[&Login]) -> u64 {
    let mut hasher = DefaultHasher::new();
    logins.hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug, Clone)]
struct Failure {
    wait: Duration,
    until: Instant,
    message: String,
}

impl Pulls {
    /// Makes sure that the container's image is there, pulled by whoever of these may, and returns its
    /// name.
    ///
    /// # Errors
    /// Permanent `InvalidImageName` without one; `ErrImageNeverPull`, `ErrImagePull` or
    /// `ImagePullBackOff`, each with what the registry said.
    pub(crate) async fn ensure(
        &self,
        docker: &Docker,
        container: &Container,
        credentials: &Credentials,
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
        let logins = credentials.for_image(image);
        let attempt = Attempt { image, by: who(&logins) };
        self.may_try(attempt, Instant::now())?;
        match pull_by_any(docker, image, &logins).await {
            Ok(()) => {
                self.lock().remove(&attempt.key());
                Ok(image.to_owned())
            }
            Err(message) => Err(self.failed(attempt, message, Instant::now())),
        }
    }

    fn may_try(&self, attempt: Attempt<'_>, now: Instant) -> Result<(), ActuatorError> {
        let (failures, image) = (self.lock(), attempt.image);
        let Some(failure) = failures.get(&attempt.key()).filter(|failure| failure.until > now)
        else {
            return Ok(());
        };
        let left = failure.until - now;
        let message = format!("Back-off pulling image {image:?}: {}", failure.message);
        Err(ActuatorError::transient("ImagePullBackOff", message).after(left))
    }

    fn failed(&self, attempt: Attempt<'_>, message: String, now: Instant) -> ActuatorError {
        let (mut failures, image) = (self.lock(), attempt.image);
        if failures.len() >= FAILURES_MAX {
            failures.clear();
        }
        let before = failures.get(&attempt.key()).map_or(Duration::ZERO, |failure| failure.wait);
        let wait = (before * 2).clamp(BACKOFF_FIRST, BACKOFF_MAX);
        let failure = Failure { wait, until: now + wait, message: message.clone() };
        failures.insert(attempt.key(), failure);
        let message = format!("failed to pull image {image}: {message}");
        ActuatorError::transient("ErrImagePull", message).after(wait)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Failure>> {
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

/// Why an image was not pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failed {
    /// By what was answered: somebody else may have a better answer.
    Answered(String),
    /// Nothing was answered: nobody else would be.
    Silent(String),
}

/// Pulls an image by the first login with which the registry gives it; without any when there is none.
async fn pull_by_any(docker: &Docker, image: &str, logins: &[&Login]) -> Result<(), String> {
    match logins {
        [] => pull(docker, image, None, BEGIN_MAX).await.map_err(Failed::into_words),
        logins => {
            let by = |login, left| async move { pull_by(docker, image, login, left).await };
            first_of(logins, BEGIN_MAX, by).await
        }
    }
}

/// Tries one login after the other, until one is let in, nobody answers, or so much time has passed.
async fn first_of<'l, F>(
    logins: &[&'l Login],
    within: Duration,
    mut by: impl FnMut(&'l Login, Duration) -> F,
) -> Result<(), String>
where
    F: Future<Output = Result<(), Failed>>,
{
    let until = Instant::now() + within;
    let mut said = String::new();
    for (tried, login) in logins.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let others = logins.len() - tried;
            return Err(format!("{said}; {others} more logins were not tried, for time"));
        }
        match by(login, left).await {
            Ok(()) => return Ok(()),
            Err(Failed::Silent(why)) => return Err(why),
            Err(Failed::Answered(why)) => said = why,
        }
    }
    Err(said)
}

impl Failed {
    fn into_words(self) -> String {
        match self {
            Failed::Answered(why) | Failed::Silent(why) => why,
        }
    }

    /// The same without what the login must not tell.
    fn hiding(self, login: &Login) -> Self {
        match self {
            Failed::Answered(why) => Failed::Answered(login.hidden_in(&why)),
            silent => silent,
        }
    }
}

/// What is said of a failure holds nothing of the login.
async fn pull_by(
    docker: &Docker,
    image: &str,
    login: &Login,
    begin: Duration,
) -> Result<(), Failed> {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let credentials = DockerCredentials {
        username: some(&login.username),
        password: some(&login.password),
        identitytoken: some(&login.identity_token),
        ..DockerCredentials::default()
    };
    let pulled = pull(docker, image, Some(credentials), begin).await;
    pulled.map_err(|failed| failed.hiding(login))
}

/// Pulls an image; the first word may take so long.
async fn pull(
    docker: &Docker,
    image: &str,
    credentials: Option<DockerCredentials>,
    begin: Duration,
) -> Result<(), Failed> {
    let (name, tag) = name_and_tag(image);
    let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
    let mut progress = std::pin::pin!(docker.create_image(Some(options), None, credentials));
    let mut patience = begin;
    loop {
        match tokio::time::timeout(patience, progress.try_next()).await {
            Ok(Ok(Some(_))) => patience = PROGRESS_MAX,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(Error::DockerResponseServerError { message, .. })) => {
                return Err(Failed::Answered(message));
            }
            Ok(Err(error)) => return Err(Failed::Answered(error.to_string())),
            Err(_elapsed) => {
                let seconds = patience.as_secs();
                let why = format!("the registry has sent nothing for {seconds} s");
                return Err(Failed::Silent(why));
            }
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

    fn nobody(image: &str) -> Attempt<'_> {
        Attempt { image, by: who(&[]) }
    }

    /// What a registry does with a login in a test.
    #[derive(Debug, Clone, Copy)]
    enum Does {
        Give,
        Refuse,
        /// It refuses later than anybody waits.
        Dawdle,
        SayNothing,
    }

    #[tokio::test]
    async fn a_registry_that_never_answers_is_given_up_whoever_may_pull() {
        use Does::{Dawdle, Give, Refuse, SayNothing};
        let (hour, moment) = (Duration::from_secs(3_600), Duration::from_millis(10));
        let err = |why: &str| Err(why.to_owned());
        // (what it does with each login, within what time, the outcome, how many were tried)
        let table: [(&[Does], Duration, Result<(), String>, usize); 4] = [
            (&[Refuse, Give, Refuse], hour, Ok(()), 2),
            (&[Refuse, Refuse], hour, err("no"), 2),
            (&[SayNothing, Give, Give], moment, err("nothing was said"), 1),
            (&[Dawdle, Give, Give], moment, err("no; 2 more logins were not tried, for time"), 1),
        ];
        for (answers, within, outcome, expected) in table {
            let logins: Vec<Login> = answers.iter().map(|_| Login::default()).collect();
            let mut tried = 0;
            let by = |_: &Login, left: Duration| {
                let does = answers[tried];
                tried += 1;
                async move {
                    match does {
                        Give => return Ok(()),
                        Refuse => {}
                        Dawdle => tokio::time::sleep(within * 2).await,
                        SayNothing => {
                            tokio::time::sleep(left).await;
                            return Err(Failed::Silent("nothing was said".to_owned()));
                        }
                    }
                    Err(Failed::Answered("no".to_owned()))
                }
            };
            let found = first_of(&logins.iter().collect::<Vec<_>>(), within, by).await;
            assert_eq!((found, tried), (outcome, expected), "{answers:?}");
        }
    }

    #[test]
    fn a_registry_that_refuses_is_asked_ever_more_seldom() {
        let (pulls, mut now) = (Pulls::default(), Instant::now());
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert!(pulls.may_try(nobody("a:1"), now).is_ok());
            let error = pulls.failed(nobody("a:1"), "no such host".to_owned(), now);
            assert_eq!(error.reason(), "ErrImagePull");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
            let soon = pulls.may_try(nobody("a:1"), now + Duration::from_secs(1));
            let soon = soon.expect_err("too early");
            assert_eq!(soon.reason(), "ImagePullBackOff");
            assert!(soon.to_string().contains("no such host"), "{soon}");
            assert!(pulls.may_try(nobody("b:1"), now).is_ok(), "another image does not wait");
            let login = Login { username: "me".to_owned(), ..Login::default() };
            let by_me = Attempt { image: "a:1", by: who(&[&login]) };
            assert!(pulls.may_try(by_me, now).is_ok(), "nor does somebody else");
            now += Duration::from_secs(seconds);
        }
    }
}
