//! What is to be reported: numbered when it was seen, kept until the API has it.
//!
//! Invariants: sequences rise; a newer observation of a pod replaces an unsent older one; a
//! snapshot is sent only with or after every observation of a lower sequence. What is told again
//! keeps its number, so that who has it already takes no notice. Bounded: at most one observation
//! for each pod that is there, and [`GONE_MAX`] for pods that are not; of a report
//! [`OBSERVATIONS_MAX`] and [`MESSAGES_BYTES_MAX`].
//! Absent: I/O, clocks.

use std::collections::BTreeMap;

use setpoint_actuators::PodStatus;
use setpoint_schemas::{
    ContainerObserved, NodeName, NodeReport, NodeSnapshot, PodObserved, PodPhase, PodUid, SessionId,
};

/// One request stays well below the API's bound on bodies.
const OBSERVATIONS_MAX: usize = 200;
/// So it does where much ended at once and all left messages: written as JSON they take twice as much, and
/// the API takes eight.
const MESSAGES_BYTES_MAX: usize = 1 << 20;
/// What a node loses between two reports; beyond this a snapshot says the same in fewer words.
const GONE_MAX: usize = 1_000;

/// What is to be reported.
#[derive(Debug)]
pub(crate) struct Outbox {
    node: NodeName,
    session: SessionId,
    sequence: i64,
    /// What was last seen of each pod.
    seen: BTreeMap<PodUid, Seen>,
    /// What the API does not have yet, by pod.
    unsent: BTreeMap<PodUid, PodObserved>,
    snapshot_due: bool,
    /// Before the first look nothing is told: an empty snapshot would say that all is gone.
    has_looked: bool,
    /// The epoch of the list that was gone by at the last look; −1: none.
    epoch: i64,
}

/// What was seen of a pod, and when it was numbered.
#[derive(Debug, Clone)]
struct Seen {
    status: PodStatus,
    sequence: i64,
    time_ms: i64,
}

impl Outbox {
    /// An outbox of a new session; a snapshot is due once something was seen.
    pub(crate) fn new(node: NodeName, session: SessionId) -> Self {
        let (seen, unsent) = (BTreeMap::new(), BTreeMap::new());
        let (sequence, snapshot_due, has_looked, epoch) = (0, true, false, -1);
        Outbox { node, session, sequence, seen, unsent, snapshot_due, has_looked, epoch }
    }

    /// The next look goes by the list of this epoch. The first list there is makes a snapshot due: what
    /// is absent is known to be gone by it.
    pub(crate) fn go_by(&mut self, epoch: i64) {
        self.snapshot_due |= self.epoch < 0 && epoch >= 0;
        self.epoch = epoch;
    }

    /// Takes in all that is seen now. Pods that are no longer seen are gone. Returns whether there
    /// is something new to report.
    pub(crate) fn see(&mut self, view: BTreeMap<PodUid, PodStatus>, now_ms: i64) -> bool {
        let known = std::mem::take(&mut self.seen);
        let mut is_news = false;
        for (uid, seen) in known.iter().filter(|(uid, _)| !view.contains_key(*uid)) {
            is_news = true;
            let sequence = self.next();
            let last = Seen { status: gone(&seen.status), sequence, time_ms: now_ms };
            self.tell(uid, &last);
        }
        for (uid, status) in view {
            let same = known.get(&uid).filter(|seen| seen.status == status);
            let seen = same.cloned().unwrap_or_else(|| {
                is_news = true;
                Seen { status, sequence: self.next(), time_ms: now_ms }
            });
            if same.is_none() {
                self.tell(&uid, &seen);
            }
            self.seen.insert(uid, seen);
        }
        self.has_looked = true;
        self.forget_many_gone();
        is_news
    }

    /// Asks for a snapshot with the next report.
    pub(crate) fn want_snapshot(&mut self) {
        self.snapshot_due = true;
    }

    /// Tells everything again, and a snapshot: who missed something has it then.
    pub(crate) fn want_all(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        for (uid, last) in &seen {
            self.tell(uid, last);
        }
        self.seen = seen;
        self.snapshot_due = true;
    }

    /// The next report, the oldest observations first; `None` when the API has everything.
    pub(crate) fn report(&mut self, now_ms: i64) -> Option<NodeReport> {
        if !self.has_looked || (self.unsent.is_empty() && !self.snapshot_due) {
            return None;
        }
        let mut due: Vec<&PodObserved> = self.unsent.values().collect();
        due.sort_by_key(|pod| pod.sequence);
        let observed: Vec<PodObserved> =
            due[..that_fit(&due)].iter().map(|pod| (*pod).clone()).collect();
        let fits = observed.len() == due.len();
        let snapshot = (fits && self.snapshot_due).then(|| NodeSnapshot {
            node: self.node.clone(),
            session: self.session.clone(),
            sequence: self.next(),
            time_ms: now_ms,
            uids: self.seen.keys().cloned().collect(),
            epoch: self.epoch,
        });
        Some(NodeReport { observed, snapshot })
    }

    /// The API has this report.
    pub(crate) fn sent(&mut self, report: &NodeReport) {
        for pod in &report.observed {
            if self.unsent.get(&pod.uid).is_some_and(|kept| kept.sequence == pod.sequence) {
                self.unsent.remove(&pod.uid);
            }
        }
        if report.snapshot.is_some() {
            self.snapshot_due = false;
        }
    }

    fn next(&mut self) -> i64 {
        self.sequence += 1;
        self.sequence
    }

    /// When many are gone, the snapshot alone says so: what it does not list is not there.
    fn forget_many_gone(&mut self) {
        let is_gone = |pod: &PodObserved| pod.phase == PodPhase::Gone;
        if self.unsent.values().filter(|pod| is_gone(pod)).count() > GONE_MAX {
            self.unsent.retain(|_, pod| !is_gone(pod));
            self.snapshot_due = true;
        }
    }

    fn tell(&mut self, uid: &PodUid, seen: &Seen) {
        let status = seen.status.clone();
        let observed = PodObserved {
            uid: uid.clone(),
            node: self.node.clone(),
            session: self.session.clone(),
            sequence: seen.sequence,
            time_ms: seen.time_ms,
            namespace: status.namespace,
            name: status.name,
            generation: status.generation,
            phase: status.phase,
            ready: status.ready,
            reason: status.reason,
            message: status.message,
            address: status.address,
            started_ms: status.started_ms,
            containers: status.containers,
        };
        self.unsent.insert(uid.clone(), observed);
    }
}

/// How many of these one report takes: always the first.
fn that_fit(due: &[&PodObserved]) -> usize {
    let mut bytes = 0;
    let fit = due.iter().take(OBSERVATIONS_MAX).take_while(|pod| {
        let is_room = bytes < MESSAGES_BYTES_MAX;
        bytes += message_bytes(pod);
        is_room
    });
    fit.count()
}

/// What is said of a pod in sentences, which programs may have written.
fn message_bytes(pod: &PodObserved) -> usize {
    let of_container = |container: &ContainerObserved| {
        container.message.len() + container.last.as_ref().map_or(0, |last| last.message.len())
    };
    pod.message.len() + pod.containers.iter().map(of_container).sum::<usize>()
}

fn gone(status: &PodStatus) -> PodStatus {
    PodStatus {
        phase: PodPhase::Gone,
        ready: false,
        reason: String::new(),
        message: String::new(),
        address: String::new(),
        containers: Vec::new(),
        ..status.clone()
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::{Namespace, ResourceName};

    use super::*;

    fn outbox() -> Outbox {
        let node = NodeName::parse("n1").expect("valid");
        Outbox::new(node, SessionId::parse("s1").expect("valid"))
    }

    fn view(pods: &[(&str, PodPhase)]) -> BTreeMap<PodUid, PodStatus> {
        let status = |phase| PodStatus {
            namespace: Namespace::parse("default").expect("valid"),
            name: ResourceName::parse("web").expect("valid"),
            generation: 1,
            phase,
            ready: false,
            reason: String::new(),
            message: String::new(),
            address: String::new(),
            started_ms: 0,
            containers: Vec::new(),
        };
        let entry =
            |(uid, phase): &(&str, PodPhase)| (PodUid::parse(uid).expect("valid"), status(*phase));
        pods.iter().map(entry).collect()
    }

    fn told(report: &NodeReport) -> Vec<String> {
        let told = |p: &PodObserved| format!("{} {:?} #{}", p.uid, p.phase, p.sequence);
        report.observed.iter().map(told).collect()
    }

    #[test]
    fn the_first_report_has_a_snapshot_after_its_observations() {
        let mut outbox = outbox();
        assert!(outbox.see(view(&[("a", PodPhase::Running)]), 1));
        let report = outbox.report(1).expect("there is news");
        assert_eq!(told(&report), ["a Running #1"]);
        let snapshot = report.snapshot.as_ref().expect("it is due");
        assert_eq!((snapshot.sequence, snapshot.uids.len()), (2, 1));
        outbox.sent(&report);
        assert_eq!(outbox.report(2), None);
    }

    #[test]
    fn nothing_is_told_before_the_first_look() {
        let mut outbox = outbox();
        outbox.want_snapshot();
        assert_eq!(outbox.report(1), None);
        outbox.see(view(&[]), 1);
        assert!(outbox.report(1).expect("it is due").snapshot.is_some());
    }

    #[test]
    fn what_has_not_changed_is_not_told_again() {
        let mut outbox = outbox();
        outbox.see(view(&[("a", PodPhase::Running)]), 1);
        assert!(!outbox.see(view(&[("a", PodPhase::Running)]), 2));
    }

    #[test]
    fn a_report_that_failed_is_told_again_with_what_came_since() {
        let mut outbox = outbox();
        outbox.see(view(&[("a", PodPhase::Pending), ("b", PodPhase::Pending)]), 1);
        let lost = outbox.report(1).expect("there is news");
        outbox.see(view(&[("a", PodPhase::Running), ("b", PodPhase::Pending)]), 2);
        let report = outbox.report(2).expect("it is still unsent");
        assert!(told(&report)[0].starts_with("b "), "the older first");
        assert!(told(&report)[1].starts_with("a Running"), "the newer replaces");
        let sequence = |r: &NodeReport| r.snapshot.as_ref().expect("still due").sequence;
        assert!(sequence(&report) > sequence(&lost));
    }

    #[test]
    fn news_that_came_while_a_report_was_under_way_is_kept() {
        let mut outbox = outbox();
        outbox.see(view(&[("a", PodPhase::Pending)]), 1);
        let under_way = outbox.report(1).expect("there is news");
        outbox.see(view(&[("a", PodPhase::Running)]), 2);
        outbox.sent(&under_way);
        let report = outbox.report(3).expect("the newer is unsent");
        assert_eq!(told(&report), ["a Running #3"]);
        assert_eq!(report.snapshot, None);
    }

    #[test]
    fn a_pod_that_is_no_longer_there_is_gone_and_not_in_the_snapshot() {
        let mut outbox = outbox();
        outbox.see(view(&[("a", PodPhase::Running)]), 1);
        let report = outbox.report(1).expect("there is news");
        outbox.sent(&report);
        outbox.see(view(&[]), 2);
        outbox.want_snapshot();
        let report = outbox.report(2).expect("there is news");
        assert_eq!(told(&report), ["a Gone #3"]);
        assert!(report.snapshot.expect("it was asked for").uids.is_empty());
    }

    #[test]
    fn everything_is_told_again_under_its_old_numbers() {
        let mut outbox = outbox();
        outbox.see(view(&[("a", PodPhase::Running), ("b", PodPhase::Pending)]), 1);
        let report = outbox.report(1).expect("there is news");
        outbox.sent(&report);
        outbox.see(view(&[("a", PodPhase::Running), ("b", PodPhase::Running)]), 2);
        outbox.want_all();
        let again = outbox.report(3).expect("it was asked for");
        assert_eq!(told(&again), ["a Running #1", "b Running #4"]);
        assert!(again.snapshot.is_some_and(|snapshot| snapshot.sequence > 4));
    }

    #[test]
    fn an_outage_in_which_many_pods_go_leaves_a_snapshot_and_no_crowd() {
        let mut outbox = outbox();
        for n in 0..2 * GONE_MAX {
            outbox.see(view(&[(&format!("p{n}"), PodPhase::Running)]), 1);
        }
        assert!(outbox.unsent.len() <= GONE_MAX + 1, "{} are kept", outbox.unsent.len());
        while let Some(report) = outbox.report(2) {
            if let Some(snapshot) = &report.snapshot {
                assert_eq!(snapshot.uids.len(), 1);
            }
            outbox.sent(&report);
        }
    }

    #[test]
    fn a_snapshot_waits_until_every_older_observation_fits_beside_it() {
        let names: Vec<String> = (0..OBSERVATIONS_MAX + 1).map(|i| format!("p{i}")).collect();
        let pods: Vec<_> = names.iter().map(|n| (n.as_str(), PodPhase::Running)).collect();
        let mut outbox = outbox();
        outbox.see(view(&pods), 1);
        let first = outbox.report(1).expect("there is news");
        assert_eq!((first.observed.len(), &first.snapshot), (OBSERVATIONS_MAX, &None));
        outbox.sent(&first);
        let second = outbox.report(1).expect("there is more");
        assert_eq!((second.observed.len(), second.snapshot.is_some()), (1, true));
    }

    #[test]
    fn pods_that_say_much_are_told_in_several_reports_and_a_snapshot_with_the_last() {
        let names: Vec<String> = (0..9).map(|i| format!("p{i}")).collect();
        let pods: Vec<_> = names.iter().map(|n| (n.as_str(), PodPhase::Failed)).collect();
        let table: [(usize, &[usize]); 3] =
            [(0, &[9]), (MESSAGES_BYTES_MAX / 4, &[4, 4, 1]), (2 * MESSAGES_BYTES_MAX, &[1; 9])];
        for (bytes, reports) in table {
            let mut said = view(&pods);
            said.values_mut().for_each(|status| status.message = "x".repeat(bytes));
            let mut outbox = outbox();
            outbox.see(said, 1);
            let mut told = Vec::new();
            while let Some(report) = outbox.report(1) {
                told.push(report.observed.len());
                assert_eq!(report.snapshot.is_some(), told.len() == reports.len());
                outbox.sent(&report);
            }
            assert_eq!(told, reports, "{bytes} bytes each");
        }
    }
}
