//! The files of ConfigMaps and Secrets, written where the engine can bind them.
//!
//! Guarantee: a Secret's files are below the folder of secrets and nowhere else. How a volume changes
//! is [`volume`]'s to say.

use std::io;
use std::path::PathBuf;

use setpoint_actuators::{FileToMount, PodToRun, volume};
use setpoint_schemas::{PodUid, Volume};

use crate::DockerConfig;

/// The folder of one volume of a pod.
pub(crate) fn folder(config: &DockerConfig, uid: &PodUid, volume: &Volume) -> PathBuf {
    let base = if volume.secret.is_some() { &config.secrets } else { &config.files };
    base.join(&*uid.text()).join(&volume.name)
}

/// Writes all volumes of the pod; the files of each change at once.
pub(crate) fn write(config: &DockerConfig, pod: &PodToRun) -> io::Result<()> {
    let all = volumes(config, pod);
    all.into_iter().try_for_each(|(folder, files)| volume::write(&folder, files))
}

/// The same for those that the pod has; all of them, whichever fails.
pub(crate) fn refresh(config: &DockerConfig, pod: &PodToRun) -> io::Result<()> {
    let all = volumes(config, pod).into_iter();
    all.map(|(folder, files)| volume::refresh(&folder, files)).fold(Ok(()), Result::and)
}

/// Takes away all files of a pod.
pub(crate) fn remove(config: &DockerConfig, uid: &PodUid) -> io::Result<()> {
    [&config.files, &config.secrets]
        .into_iter()
        .try_for_each(|base| volume::remove(&base.join(&*uid.text())))
}

fn volumes<'a>(config: &DockerConfig, pod: &'a PodToRun) -> Vec<(PathBuf, &'a [FileToMount])> {
    let files = |volume: &Volume| pod.volumes.get(&volume.name).map_or(&[][..], Vec::as_slice);
    let each = |volume| (folder(config, &pod.placement.uid, volume), files(volume));
    pod.spec.volumes.iter().map(each).collect()
}
