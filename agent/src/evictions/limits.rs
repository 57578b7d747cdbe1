//! The limits that a pod's spec sets on what it keeps on the node's disk, and which of them is exceeded.
//!
//! Source: the kubelet's `localStorageEviction`, its order and its words.
//! Absent: measuring. A part of which nothing could be measured exceeds nothing.

use setpoint_actuators::{Parts, Stored};
use setpoint_schemas::{Container, PodSpec, Quantity};

/// What Kubernetes calls the disk.
const DISK: &str = "ephemeral-storage";

/// The limits of one pod; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of folders that begin empty, by volume.
    volumes: Vec<(String, Quantity)>,
    /// Of containers, by name.
    containers: Vec<(String, Quantity)>,
    /// Of all together, in bytes.
    total: Option<i64>,
    /// All that counts for the total.
    all: Parts,
}

impl Limits {
    /// Those of a spec; `None` when it sets none, as most do.
    pub(crate) fn of(spec: &PodSpec) -> Option<Limits> {
        let is_limit = |quantity: &&Quantity| quantity.units() > 0;
        let volumes = spec.volumes.iter().filter_map(|volume| {
            let limit = volume.on_disk()?.size_limit.as_ref().filter(is_limit)?;
            Some((volume.name.clone(), limit.clone()))
        });
        let volumes: Vec<_> = volumes.collect();
        let limit = |container: &Container| {
            let limit = container.resources.limits.get(DISK).filter(is_limit)?;
            Some((container.name.clone(), limit.clone()))
        };
        let containers: Vec<_> = spec.containers.iter().filter_map(limit).collect();
        let total = total(spec);
        if volumes.is_empty() && containers.is_empty() && total.is_none() {
            return None;
        }
        let on_disk = spec.volumes.iter().filter(|volume| volume.on_disk().is_some());
        let all = Parts {
            volumes: on_disk.map(|volume| volume.name.clone()).collect(),
            containers: spec.every_container().map(|container| container.name.clone()).collect(),
        };
        Some(Limits { volumes, containers, total, all })
    }

    /// What is to be measured.
    pub(crate) fn parts(&self) -> Parts {
        if self.total.is_some() {
            return self.all.clone();
        }
        let volumes = self.volumes.iter().map(|(name, _)| name.clone()).collect();
        Parts { volumes, containers: Vec::new() }
    }

    /// Why a pod that uses so much is evicted; `None` when it keeps within its limits.
    pub(crate) fn exceeded(&self, stored: &Stored) -> Option<String> {
        let exceeds = |used: Option<&i64>, limit: &Quantity| used > Some(&limit.units());
        for (name, limit) in &self.volumes {
            if exceeds(stored.volumes.get(name), limit) {
                let limit = limit.as_str();
                return Some(format!(
                    "Usage of EmptyDir volume {name:?} exceeds the limit {limit:?}. "
                ));
            }
        }
        if let Some(total) = self.total.filter(|total| stored.total() > *total) {
            let total = in_words(total);
            return Some(format!(
                "Pod ephemeral local storage usage exceeds the total limit of containers {total}. "
            ));
        }
        let mut containers = self.containers.iter();
        let (name, limit) =
            containers.find(|(name, limit)| exceeds(stored.containers.get(name), limit))?;
        let limit = limit.as_str();
        Some(format!("Container {name} exceeded its local ephemeral storage limit {limit:?}. "))
    }
}

/// What all containers may use together: the sum of those that run for as long as the pod does, or the
/// hungriest of those that come before. `None` where none of them has a limit.
fn total(spec: &PodSpec) -> Option<i64> {
    let limit = |container: &Container| {
        container.resources.limits.get(DISK).map(Quantity::units).filter(|bytes| *bytes > 0)
    };
    let lasting = spec.lasting_containers().filter_map(limit).reduce(i64::saturating_add);
    let inits = spec.init_containers.iter().filter_map(limit).max();
    lasting.max(inits)
}

/// An amount as Kubernetes writes it: by the largest power of 1024 that divides it.
fn in_words(bytes: i64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let whole = units.iter().find(|(_, bits)| bytes != 0 && bytes % (1i64 << bits) == 0);
    whole.map_or_else(|| bytes.to_string(), |(unit, bits)| format!("{}{unit}", bytes >> bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = r#"{
        "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}],
        "initContainers": [{"name": "first"}],
        "containers": [
            {"name": "main", "resources": {"limits": {"ephemeral-storage": "1Gi"}}},
            {"name": "side", "resources": {"limits": {"ephemeral-storage": "512Mi"}}}]}"#;

    fn limits(spec: &str) -> Option<Limits> {
        Limits::of(&serde_json::from_str(spec).expect("a spec"))
    }

    fn stored(volumes: &[(&str, i64)], containers: &[(&str, i64)]) -> Stored {
        let of = |parts: &[(&str, i64)]| {
            parts.iter().map(|(name, mib)| ((*name).to_owned(), mib << 20)).collect()
        };
        Stored { volumes: of(volumes), containers: of(containers) }
    }

    #[test]
    fn the_first_limit_that_is_exceeded_is_told_in_the_kubelets_words() {
        let limits = limits(SPEC).expect("there are some");
        let table: [(&[(&str, i64)], &[(&str, i64)], Option<&str>); 5] = [
            (&[("cache", 1_024)], &[("main", 100)], None),
            (
                &[("cache", 1_025)],
                &[],
                Some("Usage of EmptyDir volume \"cache\" exceeds the limit \"1Gi\". "),
            ),
            (
                &[("cache", 1_000), ("tmp", 500)],
                &[("main", 20), ("first", 17)],
                Some(
                    "Pod ephemeral local storage usage exceeds the total limit of containers \
                     1536Mi. ",
                ),
            ),
            (
                &[],
                &[("main", 600), ("side", 513)],
                Some("Container side exceeded its local ephemeral storage limit \"512Mi\". "),
            ),
            (&[("shm", 100)], &[], None),
        ];
        for (volumes, containers, expected) in table {
            let found = limits.exceeded(&stored(volumes, containers));
            assert_eq!(found.as_deref(), expected, "{volumes:?} {containers:?}");
        }
        let all = limits.parts();
        assert_eq!((all.volumes, all.containers.len()), (vec!["cache".into(), "tmp".into()], 3));
    }

    #[test]
    fn a_pod_without_limits_is_not_measured_and_one_with_a_volumes_alone_in_that() {
        assert_eq!(limits(r#"{"volumes": [{"name": "tmp", "emptyDir": {}}]}"#), None);
        let zero = r#"{"volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "0"}}]}"#;
        assert_eq!(limits(zero), None, "as the kubelet has it");
        let one = r#"{"volumes": [{"name": "a", "emptyDir": {"sizeLimit": 5}},
            {"name": "b", "emptyDir": {}}], "containers": [{"name": "main"}]}"#;
        let parts = limits(one).expect("one").parts();
        assert_eq!(parts, Parts { volumes: vec!["a".into()], containers: Vec::new() });
    }

    #[test]
    fn an_amount_is_written_as_kubernetes_does() {
        for (bytes, text) in [(1 << 30, "1Gi"), (1536 << 20, "1536Mi"), (1_000, "1000"), (0, "0")] {
            assert_eq!(in_words(bytes), text);
        }
    }
}
