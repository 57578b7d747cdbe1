//! All that the node says of its pods, from what should run, what runs and what is remembered.

use std::collections::{BTreeMap, HashMap};

use setpoint_actuators::{Books, Desired, Observed, PodStatus, Turn, status, status_of_orphan};
use setpoint_schemas::PodUid;

/// The status of every pod that should run or runs. Of one that has ended for good and of which nothing
/// is remembered here, nothing is said: the engine knows how it ended.
pub(crate) fn view(
    desired: &Desired,
    turn: &Turn,
    books: &Books,
    now_ms: i64,
) -> BTreeMap<PodUid, PodStatus> {
    let runs: HashMap<&PodUid, &Observed> =
        turn.observed.iter().map(|pod| (&pod.uid, pod)).collect();
    let wanted = desired.pods.iter().filter_map(|(uid, pod)| {
        let restarting = turn.restarting.get(uid).map(String::as_str);
        let status = status(pod, runs.get(uid).copied(), books.get(uid), restarting, now_ms);
        let is_forgotten = pod.ended && !status.phase.is_finished();
        (!is_forgotten).then(|| (uid.clone(), status))
    });
    let orphans = turn.observed.iter().filter(|pod| !desired.pods.contains_key(&pod.uid));
    wanted.chain(orphans.map(|pod| (pod.uid.clone(), status_of_orphan(pod)))).collect()
}
