//! The devices that a container of a pod has, as its programs are told of them.
//!
//! Absent: keeping a program to its share. Whoever has a share may use all of its device; shares are
//! accounted, so that the devices of all pods together suffice, and a program that can limit itself is
//! told how far.

use setpoint_schemas::{DEVICE_MILLI, TakenDevice};

use crate::PodToRun;

/// The variable with the thousandths of its device that a container may use, where it has a share.
pub const GPU_MILLI_VARIABLE: &str = "SETPOINT_GPU_MILLI";

impl PodToRun {
    /// The devices of the container of this name, as the runtime knows them.
    #[must_use]
    pub fn devices(&self, container: &str) -> Vec<String> {
        self.taken(container).map(|taken| taken.id.to_string()).collect()
    }

    /// What the container of this name is told of its devices: which, by a variable of this name, and
    /// how much of one where it has a share. Nothing when it has none.
    #[must_use]
    pub fn device_variables(&self, container: &str, which: &str) -> Vec<(String, String)> {
        let ids = self.devices(container);
        if ids.is_empty() {
            return Vec::new();
        }
        let mut variables = vec![(which.to_owned(), ids.join(","))];
        if let Some(share) = self.taken(container).find(|taken| taken.milli < DEVICE_MILLI) {
            variables.push((GPU_MILLI_VARIABLE.to_owned(), share.milli.to_string()));
        }
        variables
    }

    fn taken(&self, container: &str) -> impl Iterator<Item = &TakenDevice> {
        self.placement.devices.iter().filter(move |taken| *taken.container == *container)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use setpoint_schemas::samples;

    use super::*;

    fn pod(taken: &[(&str, &str, i32)]) -> PodToRun {
        let device = |(container, id, milli): &(&str, &str, i32)| TakenDevice {
            container: Arc::from(*container),
            index: 0,
            id: Arc::from(*id),
            milli: *milli,
        };
        let mut placement = samples::placement_of("p", "{}");
        placement.devices = taken.iter().map(device).collect();
        PodToRun::bare(placement, Default::default())
    }

    #[test]
    fn a_container_is_told_of_its_own_devices_and_of_its_share() {
        let told = |pod: &PodToRun, container| {
            let variables = pod.device_variables(container, "WHICH");
            variables.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
        };
        let whole = pod(&[("a", "GPU-1", 1000), ("a", "GPU-2", 1000), ("b", "GPU-3", 1000)]);
        assert_eq!(told(&whole, "a"), "WHICH=GPU-1,GPU-2");
        assert_eq!(told(&whole, "b"), "WHICH=GPU-3");
        assert_eq!(told(&whole, "c"), "");
        let share = pod(&[("a", "GPU-1", 300)]);
        assert_eq!(told(&share, "a"), "WHICH=GPU-1 SETPOINT_GPU_MILLI=300");
    }
}
