//! Observed pods: what runs moves a pod through its life.

use std::collections::BTreeSet;
use std::sync::Arc;

use setpoint_schemas::{NodeSnapshot, Observation, PodPhase, PodUid, Position};

use crate::Served;
use crate::causes::{Cause, cause_of_snapshot};
use crate::decide::Turn;
use crate::state::{Deadline, Heard, Pod, Word, Workload};
use crate::views::{Fact, Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// A node observed a pod. Stale observations and pods that we did not place change nothing: a
    /// pod without a placement is an orphan, and its agent stops it by its placement list.
    pub(crate) fn pod_observed(&mut self, observed: Observation, at: Position) {
        if observed.phase() == PodPhase::Gone {
            self.orphan_gone(&observed.node_name(), observed.uid());
        }
        let id = self.state.pods.id_of(observed.uid());
        match id.and_then(|id| self.said_by_its_node(id, &observed)) {
            Some(true) => {}
            Some(false) => return self.keep_early(Word::Pod(observed), at),
            None if !self.is_present(observed.node(), observed.session()) => {
                return self.keep_early(Word::Pod(observed), at);
            }
            None if id.is_none() => return self.watched_pod(observed),
            None => return self.set_aside(&observed),
        }
        let heard = Heard::of(observed.session(), observed.sequence());
        if let Some(id) = id.filter(|id| self.is_news(*id, heard)) {
            match observed.phase() {
                PodPhase::Gone => {
                    if let Some(cause) = self.observed_cause(id, at, &observed) {
                        self.pod_gone(observed.uid(), Some(heard), &cause);
                    }
                }
                _ => self.pod_is(id, observed, heard, at),
            }
        }
    }

    /// Whether the present session of the node that holds the pod says this; `None`: it is said by
    /// another node.
    fn said_by_its_node(&self, id: u32, observed: &Observation) -> Option<bool> {
        let record = &self.state.host(self.state.pods.get(&id)?)?.row.record;
        observed.is_by(&record.node).then(|| observed.is_in(&record.session))
    }

    /// Newer by sequence within its node's present session.
    fn is_news(&self, id: u32, heard: Heard) -> bool {
        self.state.pods.get(&id).is_some_and(|pod| pod.is_news(heard))
    }

    /// A pod is as it is observed.
    fn pod_is(&mut self, id: u32, observed: Observation, heard: Heard, at: Position) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let owner = self.state.owner(pod);
        let min_ready_ms = owner.map_or(0, |owner| owner.wants.min_ready_ms);
        let is_watched = owner.is_some_and(Workload::is_watched);
        let template = owner.and_then(|owner| owner.templates.get(&pod.revision));
        let is_open = template.is_none_or(|template| template.opens(pod));
        let said = (observed.phase(), observed.is_ready() && is_open);
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        let (before, workload, node) = (pod.standing, pod.workload, pod.node);
        let phase = pod.last.as_ref().map(|last| last.phase);
        let (standing, ready_ms) = standing(pod, said, self.now, min_ready_ms);
        (pod.standing, pod.ready_ms) = (standing, ready_ms.into());
        pod.heard = Some(heard);
        pod.observe(&observed, at);
        self.state.touch_pod(id);
        self.state.observations.keep(id, &observed);
        self.sighted(id);
        self.job_pod_observed(id, &observed);
        if is_watched {
            self.pod_begins(id, &observed);
        }
        if standing == Standing::Ready && before != Standing::Ready {
            self.state
                .schedule(ready_ms + min_ready_ms, Deadline::MinReady(observed.uid().clone()));
        }
        if standing != before {
            if let Some(why) = self.state.pods.get(&id).and_then(|pod| self.state.why_of(pod)) {
                self.because(workload, why);
            }
            self.refact(id);
        }
        if phase != Some(observed.phase()) {
            self.dependants_look(workload);
        }
        if before == Standing::Ended && standing != Standing::Ended {
            self.foresee_eviction(id, node);
        }
        self.out.served.push(Served::Pod(observed));
    }

    /// The conditions of a pod are others now: where its gates open or close it stands otherwise.
    pub(crate) fn gates_moved(&mut self, id: u32, cause: &Cause) {
        let min_ready_ms = self.min_ready_ms(id);
        let Some(pod) = self.state.pods.get(&id).filter(|pod| pod.is_there) else { return };
        let Some(last) = pod.last else { return };
        let said = (last.phase, last.ready && self.state.is_open(pod));
        let (before, workload, uid) = (pod.standing, pod.workload, pod.uid.clone());
        let (standing, ready_ms) = standing(pod, said, self.now, min_ready_ms);
        if standing == before {
            return;
        }
        if let Some(pod) = self.state.pods.get_mut(&id) {
            (pod.standing, pod.ready_ms) = (standing, ready_ms.into());
        }
        self.state.touch_pod(id);
        if standing == Standing::Ready {
            self.state.schedule(ready_ms + min_ready_ms, Deadline::MinReady(uid));
        }
        self.because(workload, cause);
        self.refact(id);
    }

    /// What is observed of a placed pod, as a cause.
    fn observed_cause(&self, id: u32, at: Position, observed: &Observation) -> Option<Cause> {
        let said = (observed.phase(), observed.is_ready(), observed.reason());
        self.state.observed_as(self.state.pods.get(&id)?, at, said)
    }

    fn min_ready_ms(&self, id: u32) -> i64 {
        let workload =
            self.state.pods.get(&id).and_then(|pod| self.state.workload.get(&pod.workload));
        workload.map_or(0, |workload| workload.wants.min_ready_ms)
    }

    /// The time to be ready for changed: each ready pod is looked at when it is over by the new one.
    pub(crate) fn reschedule_ready(&mut self, workload: u32) {
        let Some(owner) = self.state.workload.get(&workload) else { return };
        let min_ready_ms = owner.wants.min_ready_ms;
        let pods = owner.pods.iter().filter_map(|pod| self.state.pods.get(pod));
        let ready = pods.filter(|pod| pod.standing == Standing::Ready);
        let due: Vec<(i64, PodUid)> =
            ready.map(|pod| (pod.ready_ms.get() + min_ready_ms, pod.uid.clone())).collect();
        due.into_iter().for_each(|(at, uid)| self.state.schedule(at, Deadline::MinReady(uid)));
    }

    /// A pod has been ready for long enough.
    pub(crate) fn min_ready_elapsed(&mut self, uid: &PodUid) {
        let Some(id) = self.state.pods.id_of(uid) else { return };
        let min_ready_ms = self.min_ready_ms(id);
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        if pod.standing != Standing::Ready {
            return;
        }
        let at = pod.ready_ms.get() + min_ready_ms;
        if self.now < at {
            self.state.schedule(at, Deadline::MinReady(uid.clone()));
            return;
        }
        pod.standing = Standing::Available;
        let workload = pod.workload;
        self.state.touch_pod(id);
        let pod = self.state.pods.get(&id);
        if let Some(why) = pod.and_then(|pod| self.state.why_of(pod)) {
            self.because(workload, why);
        }
        self.refact(id);
    }

    /// Nothing is left of a pod on its node: a stopping one is done with, a placed one is to be
    /// started there again by its agent. What the node said of it before this is stale from now on.
    pub(crate) fn pod_gone(&mut self, uid: &PodUid, heard: Option<Heard>, cause: &Cause) {
        let Some(id) = self.state.pods.id_of(uid) else { return };
        let Some(pod) = self.state.pods.get(&id) else { return };
        let (workload, node) = (pod.workload, pod.node);
        if pod.standing == Standing::Stopping {
            let Some(host) = self.state.host(pod) else { return };
            let node = host.row.record.node.clone();
            self.because(workload, cause);
            self.forget(uid);
            self.pod_leaves(uid, &node);
            return;
        }
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        pod.heard = heard.or(pod.heard);
        if pod.is_finished() {
            self.state.touch_pod(id);
            return;
        }
        let was_there = std::mem::take(&mut pod.is_there);
        let was_seen = std::mem::take(&mut pod.is_seen).then_some((pod.node, id));
        let stood = std::mem::replace(&mut pod.standing, Standing::Starting);
        pod.ready_ms = 0.into();
        self.state.touch_pod(id);
        self.state.observations.clear(id);
        if let Some(sighting) = was_seen {
            self.views.update(Fact::Seen(sighting), -1);
        }
        if was_there {
            self.out.served.push(Served::PodGone(uid.clone()));
        }
        if stood != Standing::Starting {
            self.because(workload, cause);
            self.refact(id);
        }
        if stood == Standing::Ended {
            self.foresee_eviction(id, node);
        }
    }

    /// All that a node has: what it had before and is absent is gone. A pod that has ended for good has
    /// ended, whatever is left of it.
    pub(crate) fn snapshot(&mut self, snapshot: Arc<NodeSnapshot>, at: Position) {
        if !self.is_present(snapshot.node.as_str(), snapshot.session.as_str()) {
            return self.keep_early(Word::All(snapshot), at);
        }
        let Some(id) = self.state.nodes.get(&snapshot.node).copied() else { return };
        let (cause, heard) = (
            cause_of_snapshot(at, &snapshot),
            Heard::of(snapshot.session.as_str(), snapshot.sequence),
        );
        let older = |pod: &Pod| {
            pod.is_news(heard) && pod.standing != Standing::Ended && self.is_proof(pod, &snapshot)
        };
        let present: BTreeSet<&PodUid> = snapshot.uids.iter().collect();
        let mut absent: Vec<PodUid> = self
            .state
            .pods
            .on(id)
            .filter(|pod| !present.contains(&pod.uid) && older(pod))
            .map(|pod| pod.uid.clone())
            .collect();
        absent.sort();
        for uid in absent {
            self.pod_gone(&uid, Some(heard), &cause);
        }
        if !self.watched_snapshot(&snapshot) {
            self.look_for_orphans(id, &snapshot, &cause);
        }
    }
}

/// Where a pod stands of which this is said, its phase and whether it is ready, and since when it is
/// ready.
fn standing(
    pod: &Pod,
    (phase, ready): (PodPhase, bool),
    now: i64,
    min_ready_ms: i64,
) -> (Standing, i64) {
    if pod.standing == Standing::Stopping {
        return (Standing::Stopping, 0);
    }
    if pod.is_finished() {
        return (Standing::Ended, 0);
    }
    let is_ready = phase == PodPhase::Running && ready;
    if is_ready && pod.standing == Standing::Available {
        return (Standing::Available, pod.ready_ms.get());
    }
    let since = if pod.ready_ms.get() > 0 { pod.ready_ms.get() } else { now };
    standing_since((phase, ready), since, now, min_ready_ms)
}

/// Where a pod of this phase stands, ready or not, if it is ready since then.
pub(crate) fn standing_since(
    (phase, ready): (PodPhase, bool),
    since: i64,
    now: i64,
    min_ready_ms: i64,
) -> (Standing, i64) {
    match phase {
        PodPhase::Succeeded | PodPhase::Failed => (Standing::Ended, 0),
        PodPhase::Running if ready => {
            let long_enough = min_ready_ms == 0 || now >= since + min_ready_ms;
            (if long_enough { Standing::Available } else { Standing::Ready }, since)
        }
        _ => (Standing::Starting, 0),
    }
}
