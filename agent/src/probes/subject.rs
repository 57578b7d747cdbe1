//! Whom to ask: the containers that should run here, run, and have probes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::sync::Arc;

use setpoint_actuators::{Desired, DesiredPod, Life, Observed};
use setpoint_schemas::{Container, ContainerObserved, ContainerState, PodSpec, PodUid};

/// Which container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(super) uid: PodUid,
    pub(super) container: String,
}

/// A container that is asked, in the life that it is in.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(super) key: Key,
    pub(super) life: Life,
    spec: Arc<PodSpec>,
    /// Among the containers that last.
    index: usize,
    /// Where it is reached; empty when nobody knows.
    pub(super) address: String,
}

impl Key {
    /// A number below a thousand that differs from container to container.
    pub(super) fn spread(&self) -> i64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        i64::try_from(hasher.finish() % 1_000).unwrap_or(0)
    }
}

impl Subject {
    pub(super) fn container(&self) -> &Container {
        self.spec.lasting_containers().nth(self.index).unwrap_or(&self.spec.containers[0])
    }
}

/// The same container in the same life, asked the same way.
impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.life == other.life
            && self.address == other.address
            && (Arc::ptr_eq(&self.spec, &other.spec) || self.container() == other.container())
    }
}

/// All of them, from what should run and what runs.
pub(crate) fn subjects(desired: &Desired, observed: &[Observed]) -> Vec<Subject> {
    let of_pod = |runs: &Observed| {
        let pod = desired.pods.get(&runs.uid);
        let pod = pod.filter(|pod| pod.placement.generation == runs.generation);
        pod.map(|pod| of_pod(pod, runs)).unwrap_or_default()
    };
    observed.iter().flat_map(of_pod).collect()
}

fn of_pod(pod: &DesiredPod, runs: &Observed) -> Vec<Subject> {
    let with_probes = pod.spec.lasting_containers().enumerate().filter(|(_, c)| c.has_probes());
    let subject = |(index, container): (usize, &Container)| {
        let is_it =
            |c: &&ContainerObserved| c.name == container.name && c.state == ContainerState::Running;
        let seen = runs.containers.iter().find(is_it)?;
        Some(Subject {
            key: Key { uid: runs.uid.clone(), container: container.name.clone() },
            life: Life::of(seen),
            spec: pod.spec.clone(),
            index,
            address: address(&pod.spec, runs),
        })
    };
    with_probes.filter_map(subject).collect()
}

/// A pod with the node's network listens on the node.
fn address(spec: &PodSpec, runs: &Observed) -> String {
    match spec.host_network {
        Some(true) => Ipv4Addr::LOCALHOST.to_string(),
        _ => runs.address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use setpoint_actuators::Authority;
    use setpoint_schemas::samples;

    use super::*;

    fn desired(spec: &serde_json::Value) -> Desired {
        Desired::of(Authority::Full, &[samples::placement_of("a", &spec.to_string())])
    }

    fn runs(desired: &Desired, generation: i64, state: ContainerState) -> Observed {
        let placement = &desired.pods.values().next().expect("one pod").placement;
        let mut seen = samples::pod_observed().containers[0].clone();
        (seen.name, seen.state) = ("main".to_owned(), state);
        Observed {
            uid: placement.uid.clone(),
            generation: placement.generation + generation,
            term: 1,
            namespace: placement.pattern.namespace.clone(),
            name: placement.name.clone(),
            containers: vec![seen],
            address: "10.0.0.9".to_owned(),
            started_ms: 1,
        }
    }

    #[test]
    fn who_runs_as_it_should_and_has_probes_is_asked_where_it_is_reached() {
        let probe = serde_json::json!({"tcpSocket": {"port": 80}});
        let with = |probe: &serde_json::Value, host: bool| {
            desired(&serde_json::json!({"hostNetwork": host, "containers": [
                {"name": "main", "livenessProbe": probe}, {"name": "side"}]}))
        };
        let none = serde_json::Value::Null;
        let table = [
            (&probe, false, 0, ContainerState::Running, Some("10.0.0.9")),
            (&probe, true, 0, ContainerState::Running, Some("127.0.0.1")),
            (&probe, false, 0, ContainerState::Terminated, None),
            (&probe, false, 1, ContainerState::Running, None),
            (&none, false, 0, ContainerState::Running, None),
        ];
        for (probe, host, generation, state, expected) in table {
            let desired = with(probe, host);
            let found = subjects(&desired, &[runs(&desired, generation, state)]);
            let addresses: Vec<&str> = found.iter().map(|s| s.address.as_str()).collect();
            assert_eq!(addresses, expected.into_iter().collect::<Vec<_>>(), "{probe} {state:?}");
        }
    }

    #[test]
    fn containers_are_spread() {
        let spread = |n: usize| {
            let uid = PodUid::parse(&format!("pod-{n}")).expect("valid");
            Key { uid, container: "main".to_owned() }.spread()
        };
        let buckets: std::collections::BTreeSet<i64> = (0..100).map(|n| spread(n) / 100).collect();
        assert_eq!(buckets.len(), 10, "a hundred pods are in every tenth of a period");
    }
}
