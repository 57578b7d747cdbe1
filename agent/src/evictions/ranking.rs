//! Who is evicted first when the node is short of memory.
//!
//! Source: the kubelet's `rankMemoryPressure`: who uses more than he asked for comes before who does not,
//! then the lower priority, then the larger excess; and its words.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use setpoint_actuators::{Desired, DesiredPod, Usage};
use setpoint_schemas::{PRIORITY_MAX, PodUid};

use super::Eviction;
use super::sent::Sent;

/// What a node lacks, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// How much must be left, as it was written.
    pub(crate) least: String,
    /// How much is left.
    pub(crate) available: i64,
}

/// The pod that is evicted first; `None` when none of the node's pods was measured. Pods of the highest
/// priorities, which keep a node alive, are left alone, as the kubelet leaves critical ones; so are those that
/// were sent and do not end.
pub(crate) fn first(
    desired: &Desired,
    usage: &[Usage],
    shortage: &Shortage,
    sent: &Sent,
) -> Option<Eviction> {
    let mut used: BTreeMap<&PodUid, i64> = BTreeMap::new();
    for one in usage {
        let sum = used.entry(&one.uid).or_default();
        *sum = sum.saturating_add(one.memory_bytes);
    }
    let running = used.iter().filter_map(|(uid, used)| {
        let pod = desired.pods.get(*uid).filter(|pod| !pod.ended && !is_critical(pod))?;
        if sent.has(uid, pod.placement.generation) {
            return None;
        }
        Some((*uid, pod, used - pod.spec.requests().memory_bytes))
    });
    let rank = |(uid, pod, excess): &(&PodUid, &DesiredPod, i64)| {
        let priority = pod.spec.priority.unwrap_or(0);
        (*excess <= 0, priority, Reverse(*excess), (*uid).clone())
    };
    let (uid, pod, _) = running.min_by_key(rank)?;
    let generation = pod.placement.generation;
    Some(Eviction { uid: uid.clone(), generation, why: words(pod, uid, usage, shortage) })
}

fn is_critical(pod: &DesiredPod) -> bool {
    pod.spec.priority.is_some_and(|priority| priority > PRIORITY_MAX)
}

fn words(pod: &DesiredPod, uid: &PodUid, usage: &[Usage], shortage: &Shortage) -> String {
    let Shortage { least, available } = shortage;
    let available = kibibytes(*available);
    let mut why = format!(
        "The node was low on resource: memory. Threshold quantity: {least}, available: {available}. "
    );
    for container in pod.spec.every_container() {
        let used = usage.iter().find(|one| one.uid == *uid && one.container == container.name);
        let asked = container.resources.reserved().memory_bytes;
        if let Some(used) = used.filter(|used| used.memory_bytes > asked) {
            why += &format!(
                "Container {} was using {}, request is {}, has larger consumption of memory. ",
                container.name,
                kibibytes(used.memory_bytes),
                if asked == 0 { "0".to_owned() } else { kibibytes(asked) },
            );
        }
    }
    why
}

fn kibibytes(bytes: i64) -> String {
    format!("{}Ki", bytes >> 10)
}

#[cfg(test)]
mod tests {
    use setpoint_actuators::Authority;
    use setpoint_schemas::samples;

    use super::*;

    /// A pod of one container that asks for so many MiB.
    fn pod(uid: &str, asks: i64, priority: i64) -> setpoint_schemas::Placement {
        let spec = serde_json::json!({"priority": priority, "containers": [
            {"name": "main", "resources": {"requests": {"memory": format!("{asks}Mi")}}}]});
        samples::placement_of(uid, &spec.to_string())
    }

    fn used(uid: &str, mib: i64) -> Usage {
        let uid = PodUid::parse(uid).expect("a uid");
        Usage { uid, container: "main".into(), cpu_nanos: 0, memory_bytes: mib << 20 }
    }

    const SHORT: i64 = 96 << 10;

    fn first_of(
        pods: &[setpoint_schemas::Placement],
        usage: &[(&str, i64)],
    ) -> Option<(String, String)> {
        let desired = Desired::of(Authority::Full, pods);
        let usage: Vec<Usage> = usage.iter().map(|(uid, mib)| used(uid, *mib)).collect();
        let shortage = Shortage { least: "100Mi".to_owned(), available: SHORT };
        let found = first(&desired, &usage, &shortage, &Sent::default());
        found.map(|found| (found.uid.to_string(), found.why))
    }

    #[test]
    fn who_exceeds_what_he_asked_for_goes_first_then_the_lower_then_the_larger() {
        let pods =
            [pod("a", 100, 5), pod("b", 10, 5), pod("c", 10, 9), pod("d", 10, 2_000_000_000)];
        let who = |usage: &[(&str, i64)]| first_of(&pods, usage).map(|(uid, _)| uid);
        assert_eq!(who(&[("a", 90), ("b", 20), ("c", 200)]).as_deref(), Some("b"));
        assert_eq!(who(&[("a", 150), ("b", 20)]).as_deref(), Some("a"), "the larger excess");
        assert_eq!(who(&[("a", 90), ("c", 5)]).as_deref(), Some("a"), "the lower priority");
        assert_eq!(who(&[("d", 900)]), None, "the node lives by it");
        assert_eq!(who(&[("gone", 900)]), None);
    }

    #[test]
    fn who_was_sent_and_does_not_end_keeps_nobody_else_from_going() {
        let desired = Desired::of(Authority::Full, &[pod("a", 10, 0), pod("b", 10, 5)]);
        let usage = [used("a", 200), used("b", 100)];
        let shortage = Shortage { least: "100Mi".to_owned(), available: SHORT };
        let mut sent = Sent::default();
        for expected in [Some("a"), Some("b"), None] {
            let found = first(&desired, &usage, &shortage, &sent);
            let who = found.as_ref().map(|found| found.uid.to_string());
            assert_eq!(who.as_deref(), expected);
            if let Some(found) = found {
                sent.note(&found, tokio::time::Instant::now());
            }
        }
    }

    #[test]
    fn it_is_told_in_the_kubelets_words() {
        let (_, why) = first_of(&[pod("a", 100, 0)], &[("a", 512)]).expect("it goes");
        let expected = "The node was low on resource: memory. Threshold quantity: 100Mi, available: \
                        96Ki. Container main was using 524288Ki, request is 102400Ki, has larger \
                        consumption of memory. ";
        assert_eq!(why, expected);
    }
}
