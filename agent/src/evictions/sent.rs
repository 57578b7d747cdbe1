//! Evictions that were sent for want of memory: who is waited for, and who did not end.
//!
//! Guarantee: while a pod may still be ending nobody else is evicted; one that does not end keeps the node from
//! evicting others for a while only.
//! Absent: pods that are no longer to run. They are forgotten, and so this is no larger than the node's list.

use std::collections::BTreeMap;
use std::time::Duration;

use setpoint_actuators::Desired;
use setpoint_schemas::PodUid;
use tokio::time::Instant;

use super::Eviction;

/// An evicted pod ends within some seconds and gives its memory back: who has not by then will not soon.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// What was sent and has not ended, by uid and generation, and when.
#[derive(Debug, Default)]
pub(crate) struct Sent(BTreeMap<(PodUid, i64), Instant>);

impl Sent {
    /// Forgets those that have ended, or are not to run any more as they were.
    pub(crate) fn keep_to(&mut self, desired: &Desired) {
        self.0.retain(|(uid, generation), _| {
            let pod = desired.pods.get(uid).filter(|pod| !pod.ended);
            pod.is_some_and(|pod| pod.placement.generation == *generation)
        });
    }

    /// Whether one of them may still be ending.
    pub(crate) fn awaits_one(&self, now: Instant) -> bool {
        self.0.values().any(|at| now.duration_since(*at) < ENDS_WITHIN)
    }

    /// This one is sent now.
    pub(crate) fn note(&mut self, eviction: &Eviction, now: Instant) {
        self.0.insert((eviction.uid.clone(), eviction.generation), now);
    }

    /// Whether this pod was sent already.
    pub(crate) fn has(&self, uid: &PodUid, generation: i64) -> bool {
        !self.0.is_empty() && self.0.contains_key(&(uid.clone(), generation))
    }
}

#[cfg(test)]
mod tests {
    use setpoint_actuators::Authority;
    use setpoint_schemas::samples;

    use super::*;

    #[test]
    fn who_was_sent_is_waited_for_a_while_and_forgotten_with_its_placement() {
        let spec = r#"{"containers": [{"name": "main"}]}"#;
        let placement = samples::placement_of("a", spec);
        let (uid, generation) = (placement.uid.clone(), placement.generation);
        let desired = Desired::of(Authority::Full, &[placement]);
        let (mut sent, begun) = (Sent::default(), Instant::now());
        assert!(!sent.awaits_one(begun) && !sent.has(&uid, generation));
        sent.note(&Eviction { uid: uid.clone(), generation, why: String::new() }, begun);
        sent.keep_to(&desired);
        assert!(sent.awaits_one(begun + Duration::from_secs(29)));
        assert!(!sent.awaits_one(begun + ENDS_WITHIN), "it does not end");
        assert!(sent.has(&uid, generation) && !sent.has(&uid, generation + 1));
        sent.keep_to(&Desired::of(Authority::Full, &[]));
        assert!(!sent.has(&uid, generation) && !sent.awaits_one(begun));
    }
}
