//! Profiles of seccomp that lie in files of the node: the engine wants them whole.

use std::fs;
use std::path::{Component, Path};

use setpoint_actuators::{ActuatorError, PodToRun};
use setpoint_schemas::Container;

use crate::{DockerConfig, rights};

/// The largest profile of the field has 30 KB; the engine keeps it with each container.
const PROFILE_BYTES_MAX: u64 = 1 << 20;

/// The engine's option for the profile that a container names, where it names one in a file.
///
/// # Errors
/// Permanent when the name leaves the folder of profiles or the file is none; transient when it
/// cannot be read now.
pub(crate) fn option(
    config: &DockerConfig,
    pod: &PodToRun,
    container: &Container,
) -> Result<Option<String>, ActuatorError> {
    let profile = rights::seccomp(&pod.spec, container).filter(|found| found.kind == "Localhost");
    let Some(profile) = profile else { return Ok(None) };
    let name = profile.localhost_profile.as_deref().unwrap_or_default();
    let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(is_name) {
        return Err(wrong(format!("seccomp profile {name:?} leaves the folder of profiles")));
    }
    let path = config.seccomp.join(name);
    let unread = |error: std::io::Error| {
        let message = format!("failed to read seccomp profile {}: {error}", path.display());
        ActuatorError::transient("CreateContainerConfigError", message)
    };
    let of = fs::metadata(&path).map_err(unread)?;
    if !of.is_file() || of.len() > PROFILE_BYTES_MAX {
        let path = path.display();
        return Err(wrong(format!("seccomp profile {path} is no file of at most 1 MiB")));
    }
    let text = fs::read_to_string(&path).map_err(unread)?;
    Ok(Some(format!("seccomp={text}")))
}

fn wrong(message: String) -> ActuatorError {
    ActuatorError::permanent("CreateContainerConfigError", message)
}

#[cfg(test)]
mod tests {

    use setpoint_schemas::{FleetId, samples};

    use super::*;

    #[test]
    fn a_profile_is_read_from_the_nodes_folder_and_from_nowhere_else() {
        let root = tempfile::tempdir().expect("a folder");
        let fleet = FleetId::parse("f").expect("a fleet");
        let config = DockerConfig::new("unix:///d", fleet, root.path().to_owned());
        fs::create_dir(&config.seccomp).expect("made");
        fs::write(config.seccomp.join("tight.json"), "{}").expect("written");
        fs::write(root.path().join("outside.json"), "{}").expect("written");
        let read = |profile: &str| {
            let text = format!(
                r#"{{"securityContext": {{"seccompProfile": {profile}}},
                     "containers": [{{"name": "c"}}]}}"#
            );
            let spec = serde_json::from_str(&text).expect("a spec");
            let placement = samples::placement_of("p", "{}");
            let pod = PodToRun::bare(placement, spec);
            option(&config, &pod, &pod.spec.containers[0])
        };
        let named =
            |name: &str| read(&format!(r#"{{"type": "Localhost", "localhostProfile": "{name}"}}"#));
        assert_eq!(named("tight.json").expect("it is there").as_deref(), Some("seccomp={}"));
        assert_eq!(read(r#"{"type": "RuntimeDefault"}"#).expect("nothing to read"), None);
        assert!(named("later.json").expect_err("it is absent").is_transient());
        for name in ["../outside.json", "/etc/passwd", ""] {
            assert!(!named(name).expect_err(name).is_transient(), "{name}");
        }
    }
}
