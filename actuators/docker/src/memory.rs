//! Folders in memory: volumes of the engine's own, which mounts them itself.
//!
//! Guarantee: one lasts as long as its pod, for the pod's sandbox has it mounted while containers end
//! and start again; the engine unmounts what nobody has. It carries the pod's labels, and goes with
//! the pod. A definition that a crash leaves behind holds no memory.

use bollard::Docker;
use bollard::models::{Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};
use setpoint_actuators::{ActuatorError, PodToRun, annotations, volume};
use setpoint_schemas::{FleetId, PodUid, Quantity, Volume};
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::{is_absent, unavailable};
use crate::names::{filter, pod_labels};
use crate::volumes;

/// The folder of the sandbox that they are mounted below; nobody looks there.
const HELD: &str = "/held";

/// The engine's name of a pod's volume.
pub(crate) fn name(fleet: &FleetId, pod: &PodToRun, volume: &Volume) -> String {
    let of = format!("{fleet}/{}/{}", pod.placement.uid, volume.name);
    format!("setpoint_{}_{:016x}", volume.name, xxh3_64(of.as_bytes()))
}

/// Makes those that the pod has not yet.
pub(crate) async fn make(
    docker: &Docker,
    fleet: &FleetId,
    pod: &PodToRun,
) -> Result<(), ActuatorError> {
    for volume in in_memory(pod) {
        let made = docker.create_volume(request(fleet, pod, volume)).await;
        made.map_err(unavailable("make a volume in memory"))?;
    }
    Ok(())
}

/// The mounts by which the sandbox holds them.
pub(crate) fn held(fleet: &FleetId, pod: &PodToRun) -> Vec<Mount> {
    let mount = |volume: &Volume| Mount {
        target: Some(format!("{HELD}/{}", volume.name)),
        source: Some(name(fleet, pod, volume)),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    };
    in_memory(pod).map(mount).collect()
}

/// Takes them away; no container has them any more.
pub(crate) async fn remove(
    docker: &Docker,
    fleet: &FleetId,
    uid: &PodUid,
) -> Result<(), ActuatorError> {
    let options = ListVolumesOptionsBuilder::new().filters(&filter(fleet, Some(uid))).build();
    let found = docker.list_volumes(Some(options)).await.map_err(unavailable("list volumes"))?;
    for volume in found.volumes.unwrap_or_default() {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        match docker.remove_volume(&volume.name, Some(options)).await {
            Err(error) if !is_absent(&error) => {
                return Err(unavailable("remove a volume in memory")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn in_memory(pod: &PodToRun) -> impl Iterator<Item = &Volume> {
    pod.spec.volumes.iter().filter(|volume| volume.in_memory().is_some())
}

/// How it is to be mounted; what is no known word is left out.
fn asked(pod: &PodToRun, volume: &Volume) -> Vec<String> {
    let key = format!("{}{}", annotations::TMPFS, volume.name);
    let text = pod.placement.pattern.annotations.get(&key).map_or("", String::as_str);
    let is_owner = |word: &str| {
        let number = word.strip_prefix("uid=").or_else(|| word.strip_prefix("gid="));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let known = |word: &&str| annotations::TMPFS_WORDS.contains(word) || is_owner(word);
    text.split(',').filter(known).map(str::to_owned).collect()
}

fn request(fleet: &FleetId, pod: &PodToRun, volume: &Volume) -> VolumeCreateRequest {
    let source = volume.in_memory();
    let group = volumes::group(pod);
    let mode = volumes::mode(source.and_then(|source| source.mode));
    let mut options = vec![format!("mode={:o}", volume::empty::mode_of(mode, group))];
    options.extend(group.map(|group| format!("gid={group}")));
    // To the kernel nothing at all is no limit; to the kubelet it is none asked for.
    let limit = source.and_then(|source| source.size_limit.as_ref()).map(Quantity::units);
    let limit = limit.filter(|bytes| *bytes > 0);
    options.extend(limit.map(|bytes| format!("size={bytes}")));
    options.extend(asked(pod, volume));
    let tmpfs = [("type", "tmpfs"), ("device", "tmpfs"), ("o", &options.join(","))];
    let driver_opts = tmpfs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    VolumeCreateRequest {
        name: Some(name(fleet, pod, volume)),
        driver: Some("local".to_owned()),
        driver_opts: Some(driver_opts.into()),
        labels: Some(pod_labels(fleet, pod)),
        ..VolumeCreateRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn a_folder_in_memory_is_mounted_as_asked_and_no_other_way() {
        // (the volume's source, its annotation, the pod's group, how it is mounted)
        let table = [
            (r#"{"medium": "Memory"}"#, "", "", "mode=777"),
            (
                r#"{"medium": "Memory", "sizeLimit": "1Mi", "mode": 448}"#,
                "noexec,suid,uid=5,gid=x,size=9",
                "",
                "mode=700,size=1048576,noexec,uid=5",
            ),
            (r#"{"medium": "Memory"}"#, "", r#"{"fsGroup": 7}"#, "mode=2777,gid=7"),
        ];
        let fleet = FleetId::parse("f").expect("a fleet");
        for (source, asked, security, expected) in table {
            let security = if security.is_empty() { "{}" } else { security };
            let text = format!(
                r#"{{"securityContext": {security},
                     "volumes": [{{"name": "m", "emptyDir": {source}}}]}}"#
            );
            let spec = serde_json::from_str(&text).expect("a spec");
            let mut placement = samples::placement_of("p", "{}");
            let key = format!("{}m", annotations::TMPFS);
            Arc::make_mut(&mut placement.pattern).annotations =
                BTreeMap::from([(key, asked.to_owned())]);
            let pod = PodToRun::bare(placement, spec);
            let made = request(&fleet, &pod, &pod.spec.volumes[0]);
            assert_eq!(made.driver_opts.expect("options")["o"], expected, "{source} {asked}");
        }
    }
}
