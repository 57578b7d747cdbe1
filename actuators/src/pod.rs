//! What the agent hands to a runtime, and what a runtime tells back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use setpoint_schemas::{
    ContainerObserved, Namespace, Placement, PodSpec, PodUid, ResourceName, Resources,
};

use crate::Credentials;

/// Kubernetes' `terminationGracePeriodSeconds` when a spec names none.
const GRACE_SECONDS_DEFAULT: u64 = 30;

/// A pod with everything that starting it needs: nothing is looked up behind this door.
#[derive(Clone, PartialEq, Eq)]
pub struct PodToRun {
    /// Uid, generation, term, names, labels, annotations.
    pub placement: Placement,
    /// The spec, parsed from the placement.
    pub spec: PodSpec,
    /// Per container name: its environment in order, `env` and `envFrom` resolved and `$(NAME)`
    /// expanded. A later entry of the same name wins.
    pub env: BTreeMap<String, Vec<(String, String)>>,
    /// Per volume name: the files of its ConfigMap or Secret. An optional one that is absent is an
    /// empty list.
    pub volumes: BTreeMap<String, Vec<FileToMount>>,
    /// What its images are pulled with.
    pub credentials: Credentials,
    /// The containers whose time to start has not come: they are left as they are.
    pub held: BTreeSet<String>,
}

/// A file of a volume.
#[derive(Clone, PartialEq, Eq)]
pub struct FileToMount {
    /// Relative to the volume's root, parts separated by `/`, never absolute, without `..`.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
    /// Permission bits, such as 0o644.
    pub mode: u32,
}

/// A pod of this fleet, as the runtime has it. Its phase is for the agent to say, which knows the
/// restart policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The pod.
    pub uid: PodUid,
    /// The generation that was started.
    pub generation: i64,
    /// The term under which it was started.
    pub term: i64,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ResourceName,
    /// Its containers in the order in which they begin, init containers first, as far as the runtime knows of them. One that was
    /// never started may be missing or `Waiting`. `restarts` is the agent's to fill in; a runtime
    /// leaves it 0.
    pub containers: Vec<ContainerObserved>,
    /// The pod's address; empty when it has none.
    pub address: String,
    /// When its first container started, milliseconds since 1970; 0 before that.
    pub started_ms: i64,
}

/// What one running container has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The pod.
    pub uid: PodUid,
    /// The container's name.
    pub container: String,
    /// Processor time since the container last started, in nanoseconds.
    pub cpu_nanos: i64,
    /// Memory in use, in bytes, page cache excluded where the runtime tells.
    pub memory_bytes: i64,
}

/// What a runtime is and what its machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// `docker`, `process` or `simulated`.
    pub runtime: String,
    /// The runtime's own version.
    pub version: String,
    /// Unlike every other runtime's, and the same for all that work on its containers; a label's
    /// value. Empty when it cannot say.
    pub id: String,
    /// What the machine has, before anything is reserved.
    pub capacity: Resources,
}

impl PodToRun {
    /// A pod that is given nothing from outside: no environment, no files, no logins, and all may start.
    #[must_use]
    pub fn bare(placement: Placement, spec: PodSpec) -> PodToRun {
        PodToRun {
            placement,
            spec,
            env: BTreeMap::new(),
            volumes: BTreeMap::new(),
            credentials: Credentials::default(),
            held: BTreeSet::new(),
        }
    }

    /// The time between the stop signal and the kill.
    #[must_use]
    pub fn grace(&self) -> Duration {
        grace_of(&self.spec)
    }
}

/// The time between the stop signal and the kill that a spec asks for; 30 s when it does not.
#[must_use]
pub fn grace_of(spec: &PodSpec) -> Duration {
    let seconds = spec.termination_grace_period_seconds;
    let seconds = seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(GRACE_SECONDS_DEFAULT);
    Duration::from_secs(seconds)
}

impl std::fmt::Debug for PodToRun {
    /// Without environment and files, which may be a Secret's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Placement { uid, generation, term, .. } = &self.placement;
        write!(f, "PodToRun({uid}, generation {generation}, term {term})")
    }
}

impl std::fmt::Debug for FileToMount {
    /// Without the content, which may be a Secret's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.bytes.len();
        write!(f, "FileToMount({:?}, {bytes} bytes, {:o})", self.path, self.mode)
    }
}
