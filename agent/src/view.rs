//! All that the node says of its pods, from what should run, what runs and what is remembered.

use std::collections::{BTreeMap, HashMap};

use setpoint_actuators::{Books, Desired, Observed, PodStatus, status, status_of_orphan};
use setpoint_schemas::PodUid;

/// The status of every pod that should run or runs.
pub(crate) fn view(
    desired: &Desired,
    observed: &[Observed],
    books: &Books,
    now_ms: i64,
) -> BTreeMap<PodUid, PodStatus> {
    let runs: HashMap<&PodUid, &Observed> = observed.iter().map(|pod| (&pod.uid, pod)).collect();
    let wanted = desired.pods.iter().map(|(uid, pod)| {
        (uid.clone(), status(pod, runs.get(uid).copied(), books.get(uid), now_ms))
    });
    let orphans = observed.iter().filter(|pod| !desired.pods.contains_key(&pod.uid));
    wanted.chain(orphans.map(|pod| (pod.uid.clone(), status_of_orphan(pod)))).collect()
}
