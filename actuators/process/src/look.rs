//! What there is of pods, and what they use: looked at anew each time, nothing is remembered.

use std::io;

use setpoint_actuators::{Observed, Usage};

use crate::container::Cell;
use crate::disk::Layout;
use crate::kin::{Kin, Table};
use crate::machine;

/// The pods with their containers, as the disk and the kernel tell of them.
pub(crate) fn observe(layout: &Layout, address: &str) -> io::Result<Vec<Observed>> {
    let mut seen = Vec::new();
    for pod in layout.read_pods()? {
        let container = |(index, file)| Cell::new(layout.container(&pod.uid, index)).observe(file);
        let containers = pod.containers.iter().enumerate().map(container);
        let containers = containers.collect::<io::Result<Vec<_>>>()?;
        let started = containers.iter().map(|c| c.started_ms).filter(|&ms| ms > 0).min();
        seen.push(Observed {
            uid: pod.uid.clone(),
            generation: pod.generation,
            term: pod.term,
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            containers,
            address: address.to_owned(),
            started_ms: started.unwrap_or(0),
        });
    }
    Ok(seen)
}

/// What the processes of each running container have used.
pub(crate) fn usage(layout: &Layout) -> io::Result<Vec<Usage>> {
    let table = Table::read();
    let page_bytes = machine::page_bytes();
    let mut usage = Vec::new();
    for pod in layout.read_pods()? {
        for (index, file) in pod.containers.iter().enumerate() {
            let cell = Cell::new(layout.container(&pod.uid, index));
            let Some(main) = cell.running()? else { continue };
            let family = Kin::of(cell.dir(), Some(main)).look(&table);
            usage.push(Usage {
                uid: pod.uid.clone(),
                container: file.name.clone(),
                cpu_nanos: family.iter().map(|s| s.cpu_nanos).sum(),
                memory_bytes: family.iter().map(|s| s.resident_pages).sum::<i64>() * page_bytes,
            });
        }
    }
    Ok(usage)
}
