//! The folders of claims, on this node, and the paths of volumes that somebody wrote.
//!
//! A claim's folder lies below the agent's state, under the name of its volume, which no other claim
//! has; a volume that somebody wrote lies where it says. Runtimes are given either as a path of the node: what
//! they do with one they do with it.
//! Guarantee: a pod is given the folder of a claim that lives here, or does not start. A folder that is
//! not there is made, empty and open to every user of a container, as a claim's is; a `local` one of
//! somebody else must be there ([`found`]), and the type of a `hostPath` says what is made.
//! Absent: its size. What a claim asks for is not held against what is in the folder.

mod found;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use setpoint_actuators::{ActuatorError, volume};
use setpoint_schemas::{
    HostPathSource, Namespace, PodSpec, SELECTED_NODE, VOLUME_SOURCE, VolumeSource,
};

use crate::AgentOptions;
use crate::client::Api;

/// The folder of all claims, below the agent's state.
const FOLDER: &str = "claims";
/// A server that is behind the one that placed the pod has the claim soon.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A claim as the API answers it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claim {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    volume_name: String,
}

/// The folder of a volume; `None` for a name that is none of a volume that was made for a claim.
pub(crate) fn folder(state: &Path, volume: &str) -> Option<PathBuf> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_plain = volume.starts_with("pvc-") && volume.bytes().all(fits);
    is_plain.then(|| state.join(FOLDER).join(volume))
}

/// Makes paths of the node of the claims that a pod's volumes name.
///
/// # Errors
/// Transient when a claim is not there, lives elsewhere or nowhere, or its folder cannot be made.
pub(super) async fn give(
    api: &Api,
    options: &AgentOptions,
    (namespace, pod): (&Namespace, &str),
    spec: &mut PodSpec,
) -> Result<(), ActuatorError> {
    let group = spec.security_context.as_ref().and_then(|security| security.fs_group);
    let group = group.and_then(|group| u32::try_from(group).ok());
    let mut read_only = Vec::new();
    for volume in &mut spec.volumes {
        let Some(name) = volume.claim_of(pod) else { continue };
        volume.ephemeral = None;
        let source = volume.persistent_volume_claim.take().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}");
        let claim: Claim = api.get(&path).await.map_err(|error| match error.is_not_found() {
            true => not_ready(format!("persistentvolumeclaim {name:?} not found")),
            false => not_ready(format!("failed to look up the claim {name}: {error}")),
        })?;
        let unfit = |why: String| not_ready(format!("claim {name}: {why}"));
        volume.host_path = Some(match written(&claim, options).map_err(unfit)? {
            Written::Path(path) => path,
            Written::Local(folder) => {
                let volume = &claim.spec.volume_name;
                found::be_there(volume, &folder).await.map_err(unfit)?;
                as_path(&folder)
            }
            Written::Nowhere => {
                let folder = place(&claim, options).map_err(unfit)?;
                let made = volume::empty::make(&folder, volume::empty::MODE_DEFAULT, group);
                made.map_err(|error| {
                    not_ready(format!("failed to make the folder of {name}: {error}"))
                })?;
                as_path(&folder)
            }
        });
        if source.read_only == Some(true) {
            read_only.push(volume.name.clone());
        }
    }
    let mounts = spec.every_container_mut().flat_map(|container| &mut container.volume_mounts);
    for mount in mounts.filter(|mount| read_only.contains(&mount.name)) {
        mount.read_only = Some(true);
    }
    Ok(())
}

/// Where somebody wrote that a claim's data lies.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    /// At a path of the node, whose type says what may be made.
    Path(HostPathSource),
    /// In a folder that must be there.
    Local(PathBuf),
    /// Nobody wrote it: in a folder of the agent's.
    Nowhere,
}

/// Where the claim's data lies, if that is on this node.
fn written(claim: &Claim, options: &AgentOptions) -> Result<Written, String> {
    is_here(claim, options)?;
    let Some(text) = claim.metadata.annotations.get(VOLUME_SOURCE) else {
        return Ok(Written::Nowhere);
    };
    let volume = &claim.spec.volume_name;
    let source: VolumeSource = serde_json::from_str(text)
        .map_err(|error| format!("the source of {volume} does not read: {error}"))?;
    if let Some(path) = source.host_path {
        return Ok(Written::Path(path));
    }
    let local = source.local.ok_or_else(|| format!("no node serves the source of {volume}"))?;
    Ok(Written::Local(PathBuf::from(local.path)))
}

/// Whether the claim has a volume, and that is on this node.
fn is_here(claim: &Claim, options: &AgentOptions) -> Result<(), String> {
    if claim.spec.volume_name.is_empty() {
        return Err("it has no volume yet".to_owned());
    }
    let node = claim.metadata.annotations.get(SELECTED_NODE).map_or("", String::as_str);
    if node != options.node.as_str() {
        return Err(format!("its data lives on {node:?}, not here"));
    }
    Ok(())
}

/// The folder of the agent's in which the claim's data lies.
fn place(claim: &Claim, options: &AgentOptions) -> Result<PathBuf, String> {
    let volume = &claim.spec.volume_name;
    let state = std::path::absolute(&options.state).map_err(|error| error.to_string())?;
    folder(&state, volume).ok_or_else(|| format!("{volume:?} is no volume of a claim"))
}

fn as_path(folder: &Path) -> HostPathSource {
    HostPathSource {
        path: folder.to_string_lossy().into_owned(),
        kind: Some("Directory".to_owned()),
    }
}

fn not_ready(message: String) -> ActuatorError {
    ActuatorError::transient("FailedMount", message).after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{FleetId, NodeName};

    use super::*;

    fn options() -> AgentOptions {
        let fleet = FleetId::parse("fleet").expect("a fleet");
        let node = NodeName::parse("node-1").expect("a node");
        AgentOptions::new(fleet, node, "http://x", PathBuf::new())
    }

    fn claim(source: Option<&str>, node: &str) -> Claim {
        let mut annotations = BTreeMap::from([(SELECTED_NODE.to_owned(), node.to_owned())]);
        annotations.extend(source.map(|text| (VOLUME_SOURCE.to_owned(), text.to_owned())));
        let spec = Spec { volume_name: "data".to_owned() };
        Claim { metadata: Metadata { annotations }, spec }
    }

    #[test]
    fn a_volume_that_somebody_wrote_lies_where_it_says() {
        let options = options();
        let here = tempfile::tempdir().expect("a folder");
        let local = |path: &Path| format!(r#"{{"local":{{"path":"{}"}}}}"#, path.display());
        let host = r#"{"hostPath":{"path":"/mnt/data","type":"DirectoryOrCreate"}}"#;
        let of = |source: Option<&str>, node: &str| written(&claim(source, node), &options);
        let node = options.node.as_str();
        assert_eq!(of(None, node), Ok(Written::Nowhere));
        let kind = Some("DirectoryOrCreate".to_owned());
        let path = HostPathSource { path: "/mnt/data".to_owned(), kind };
        assert_eq!(of(Some(host), node), Ok(Written::Path(path)));
        let folder = here.path().to_owned();
        assert_eq!(of(Some(&local(&folder)), node), Ok(Written::Local(folder)));
        let elsewhere = of(Some(host), "another").expect_err("it is not here");
        assert!(elsewhere.contains("not here"), "{elsewhere}");
        of(Some("{}"), node).expect_err("nothing lies there");
    }

    #[test]
    fn a_folder_has_the_name_of_a_claims_volume_and_no_other() {
        let state = Path::new("/state");
        let uid = "pvc-0b8c5a3e-9f1d-8c2a-a1b2-c3d4e5f60718";
        assert_eq!(folder(state, uid), Some(PathBuf::from(format!("/state/claims/{uid}"))));
        for name in ["", "pvc-..", "pvc-a/b", "../pvc-a", "data", "pvc-A", "."] {
            assert_eq!(folder(state, name), None, "{name}");
        }
    }
}
