//! How much of the disk the parts of a pod use.
//!
//! A container works in a folder of its own where its spec names none, and its output lies there too: that
//! is what it wrote beside its volumes. What it writes elsewhere on the machine nobody can tell from what
//! others do.

use std::io;
use std::path::Path;

use setpoint_actuators::volume::size::size;
use setpoint_actuators::{Parts, Stored};
use setpoint_schemas::PodUid;

use crate::disk::Layout;
use crate::volumes;

/// Those that are asked about, as far as they are there.
pub(crate) fn stored(layout: &Layout, uid: &PodUid, parts: &Parts) -> io::Result<Stored> {
    let Some(pod) = layout.read_pod(uid)? else { return Ok(Stored::default()) };
    let measured = |name: &String, folder: &Path| Some((name.clone(), size(folder).ok()?));
    let folder = layout.pod(uid);
    let volumes = parts.volumes.iter();
    let volumes =
        volumes.filter_map(|name| measured(name, &volumes::root(&folder, name).ok()?)).collect();
    let containers = pod.containers.iter().enumerate();
    let asked = containers.filter(|(_, container)| parts.containers.contains(&container.name));
    let containers = asked
        .filter_map(|(index, container)| measured(&container.name, &layout.container(uid, index)))
        .collect();
    Ok(Stored { volumes, containers })
}
