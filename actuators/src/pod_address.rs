//! The pod's own address where a container asks for it.
//!
//! Whoever prepares a pod does not know it yet: the runtime gives it. Until then a text stands for it
//! that no manifest can hold, for neither a variable nor an argument has a NUL.

use crate::PodToRun;

/// Stands for the pod's address in its environment, its commands and the paths of its mounts.
pub const POD_ADDRESS: &str = "\0podIP\0";

impl PodToRun {
    /// Whether a container is to be told the pod's address.
    #[must_use]
    pub fn wants_address(&self) -> bool {
        let variables = self.env.values().flatten().map(|(_, value)| value);
        let containers = || self.spec.every_container();
        let words = containers().flat_map(|c| c.command.iter().chain(&c.args));
        let paths = containers().flat_map(|c| c.volume_mounts.iter().flat_map(|m| &m.sub_path));
        variables.chain(words).chain(paths).any(|text| text.contains(POD_ADDRESS))
    }

    /// The pod, told this address.
    #[must_use]
    pub fn located(&self, address: &str) -> PodToRun {
        let mut pod = self.clone();
        let put = |text: &mut String| *text = text.replace(POD_ADDRESS, address);
        pod.env.values_mut().flatten().for_each(|(_, value)| put(value));
        for container in pod.spec.every_container_mut() {
            container.command.iter_mut().chain(&mut container.args).for_each(put);
            let mounts = container.volume_mounts.iter_mut();
            mounts.filter_map(|mount| mount.sub_path.as_mut()).for_each(put);
        }
        pod
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use setpoint_schemas::{Container, PodSpec, VolumeMount, samples};

    use super::*;

    #[test]
    fn the_address_is_put_wherever_it_was_asked_for() {
        let asked = |before: &str| format!("{before}{POD_ADDRESS}:80");
        let mount = VolumeMount { sub_path: Some(asked("logs/")), ..VolumeMount::default() };
        let main = Container {
            name: "main".into(),
            args: vec!["--listen".into(), asked("")],
            volume_mounts: vec![mount],
            ..Container::default()
        };
        let spec = PodSpec { containers: vec![main], ..PodSpec::default() };
        let env = BTreeMap::from([("main".to_owned(), vec![("URL".to_owned(), asked("http://"))])]);
        let placement = samples::placement_of("p", "{}");
        let pod = PodToRun { env, ..PodToRun::bare(placement, spec) };
        assert!(pod.wants_address());
        let told = pod.located("10.0.0.9");
        assert!(!told.wants_address());
        assert_eq!(told.env["main"][0].1, "http://10.0.0.9:80");
        let main = &told.spec.containers[0];
        assert_eq!(main.args[1], "10.0.0.9:80");
        assert_eq!(main.volume_mounts[0].sub_path.as_deref(), Some("logs/10.0.0.9:80"));
    }
}
