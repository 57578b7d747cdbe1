//! As whom a container runs.
//!
//! Source: the kubelet's `verifyRunAsNonRoot`, whose words these are.

use bollard::Docker;
use setpoint_actuators::{ActuatorError, PodToRun, annotations};
use setpoint_schemas::Container;

use crate::engine::unavailable;

/// What a pod asks for of one of its containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    user: Option<i64>,
    group: Option<i64>,
    non_root: bool,
    /// A user by name, which only our own annotation has.
    named: Option<String>,
}

/// The user in the engine's words, `None` for the image's own. The engine is asked for the image's
/// where that matters.
///
/// # Errors
/// Permanent when it must not be root and is, or nobody can say; transient when the engine does not
/// answer.
pub(crate) async fn user_of(
    docker: &Docker,
    pod: &PodToRun,
    container: &Container,
) -> Result<Option<String>, ActuatorError> {
    let wanted = Wanted::of(pod, container);
    let image = if wanted.needs_image() {
        let image = container.image.as_deref().unwrap_or_default();
        let found = docker.inspect_image(image).await;
        let found = found.map_err(unavailable("look at an image"))?;
        found.config.and_then(|config| config.user).unwrap_or_default()
    } else {
        String::new()
    };
    wanted.resolve(&image).map_err(|why| ActuatorError::permanent(REASON, why))
}

/// The reason of a container whose user must not be.
const REASON: &str = "CreateContainerConfigError";

impl Wanted {
    fn of(pod: &PodToRun, container: &Container) -> Self {
        let own = container.security_context.clone().unwrap_or_default();
        let of_pod = pod.spec.security_context.clone().unwrap_or_default();
        Wanted {
            user: own.run_as_user.or(of_pod.run_as_user),
            group: own.run_as_group.or(of_pod.run_as_group),
            non_root: own.run_as_non_root.or(of_pod.run_as_non_root).unwrap_or(false),
            named: pod.placement.pattern.annotations.get(annotations::USER).cloned(),
        }
    }

    fn needs_image(&self) -> bool {
        let unknown = self.user.is_none() && self.named.is_none();
        unknown && (self.non_root || self.group.is_some())
    }

    fn resolve(self, image: &str) -> Result<Option<String>, String> {
        let Wanted { user, group, non_root, named } = self;
        let theirs = named.clone().unwrap_or_else(|| image.to_owned());
        if non_root {
            match user {
                Some(0) => return Err("container's runAsUser breaks non-root policy".to_owned()),
                Some(_) => {}
                None => check(&theirs)?,
            }
        }
        let name = theirs.split(':').next().unwrap_or_default();
        let name = if name.is_empty() { "0" } else { name };
        Ok(match (user, group) {
            (Some(user), Some(group)) => Some(format!("{user}:{group}")),
            (Some(user), None) => Some(user.to_string()),
            (None, Some(group)) => Some(format!("{name}:{group}")),
            (None, None) => named,
        })
    }
}

/// Whether a user that is not given by its number is not root.
fn check(user: &str) -> Result<(), String> {
    let name = user.split(':').next().unwrap_or_default();
    match name.parse::<i64>() {
        Ok(0) => Err("container has runAsNonRoot and image will run as root".to_owned()),
        Ok(_) => Ok(()),
        Err(_) if name.is_empty() => {
            Err("container has runAsNonRoot and image will run as root".to_owned())
        }
        Err(_) => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify \
             user is non-root"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_not_be_root_is_known_not_to_be() {
        let wanted = |user, group, non_root| Wanted { user, group, non_root, named: None };
        // (wanted, the image's user, what comes of it)
        let table = [
            (wanted(None, None, false), "", Ok(None)),
            (wanted(Some(5), None, false), "", Ok(Some("5"))),
            (wanted(Some(5), Some(6), true), "root", Ok(Some("5:6"))),
            (wanted(Some(0), None, false), "", Ok(Some("0"))),
            (wanted(Some(0), None, true), "", Err("breaks non-root policy")),
            (wanted(None, Some(6), false), "", Ok(Some("0:6"))),
            (wanted(None, Some(6), false), "nginx:nginx", Ok(Some("nginx:6"))),
            (wanted(None, None, true), "", Err("will run as root")),
            (wanted(None, None, true), "0:5", Err("will run as root")),
            (wanted(None, None, true), "nginx", Err("non-numeric user (nginx)")),
            (wanted(None, None, true), "65534:1", Ok(None)),
            (
                Wanted { named: Some("web:www".into()), ..Wanted::default() },
                "",
                Ok(Some("web:www")),
            ),
        ];
        for (wanted, image, expected) in table {
            let told = format!("{wanted:?} {image}");
            match (wanted.resolve(image), expected) {
                (Ok(user), Ok(expected)) => assert_eq!(user.as_deref(), expected, "{told}"),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                (found, _) => panic!("{told}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_container_says_over_its_pod() {
        let text = r#"{"securityContext": {"runAsUser": 1, "runAsGroup": 2, "runAsNonRoot": true},
            "containers": [{"name": "a", "securityContext": {"runAsUser": 9}},
                           {"name": "b", "securityContext": {"runAsNonRoot": false}}]}"#;
        let pod = PodToRun::bare(
            setpoint_schemas::samples::placement_of("p", "{}"),
            serde_json::from_str(text).expect("a spec"),
        );
        let of = |index: usize| Wanted::of(&pod, &pod.spec.containers[index]);
        let wanted =
            |user, non_root| Wanted { user: Some(user), group: Some(2), non_root, named: None };
        assert_eq!((of(0), of(1)), (wanted(9, true), wanted(1, false)));
        assert!(!of(0).needs_image());
    }
}
