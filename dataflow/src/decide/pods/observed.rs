//! Observed pods: what runs moves a pod through its life.

use std::collections::BTreeSet;
use std::sync::Arc;

use setpoint_schemas::{Cause, NodeSnapshot, PodObserved, PodPhase, PodUid};

use crate::Served;
use crate::decide::Turn;
use crate::state::{Deadline, Heard, Pod, Table, Word};
use crate::views::{Fact, Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// A node observed a pod. Stale observations and pods that we did not place change nothing: a
    /// pod without a placement is an orphan, and its agent stops it by its placement list.
    pub(crate) fn pod_observed(&mut self, observed: &PodObserved, cause: Cause) {
        if observed.phase == PodPhase::Gone {
            self.orphan_gone(&observed.node, &observed.uid);
        }
        if !self.is_present(&observed.node, &observed.session) {
            return self.keep_early(Word::Pod(Box::new(observed.clone())), cause);
        }
        match self.state.pod_by_uid(&observed.uid).map(|pod| pod.row.node == observed.node) {
            None => return self.watched_pod(observed),
            Some(false) => return self.set_aside(observed),
            Some(true) => {}
        }
        if !self.is_news(observed) {
            return;
        }
        let heard = Heard { session: observed.session.clone(), sequence: observed.sequence };
        if observed.phase == PodPhase::Gone {
            self.pod_gone(&observed.uid, Some(heard), &cause);
            return;
        }
        let Some(id) = self.state.pods.get(&observed.uid).copied() else { return };
        let min_ready_ms = self.min_ready_ms(id);
        let Some(pod) = self.state.pod.get_mut(&id) else { return };
        let before = pod.row.standing;
        let (standing, ready_ms) = standing(&pod.row, observed, self.now, min_ready_ms);
        (pod.row.standing, pod.row.ready_ms) = (standing, ready_ms);
        (pod.row.observed, pod.row.heard) = (Some(observed.clone()), Some(heard));
        pod.row.cause = Some(cause.clone());
        let key = pod.row.workload.clone();
        self.state.touch(Table::Pods, &observed.uid);
        self.out.served.push(Served::Pod(Arc::new(observed.clone())));
        self.sighted(id);
        if standing == Standing::Ready && before != Standing::Ready {
            self.state.schedule(ready_ms + min_ready_ms, Deadline::MinReady(observed.uid.clone()));
        }
        if standing != before {
            self.because(&key, &cause);
            self.refact(id);
        }
    }

    /// Newer by sequence within its node's present session, from the node that holds the pod.
    fn is_news(&self, observed: &PodObserved) -> bool {
        let Some(pod) = self.state.pod_by_uid(&observed.uid) else { return false };
        pod.row.node == observed.node && pod.is_news(&observed.session, observed.sequence)
    }

    fn min_ready_ms(&self, id: u32) -> i64 {
        let workload =
            self.state.pod.get(&id).and_then(|pod| self.state.workload.get(&pod.workload));
        workload.map_or(0, |w| i64::from(w.spec.min_ready_seconds.max(0)) * 1_000)
    }

    /// The time to be ready for changed: each ready pod is looked at when it is over by the new one.
    pub(crate) fn reschedule_ready(&mut self, workload: u32) {
        let Some(owner) = self.state.workload.get(&workload) else { return };
        let min_ready_ms = i64::from(owner.spec.min_ready_seconds.max(0)) * 1_000;
        let pods = owner.pods.iter().filter_map(|pod| self.state.pod.get(pod));
        let ready = pods.filter(|pod| pod.row.standing == Standing::Ready);
        let due: Vec<(i64, PodUid)> =
            ready.map(|pod| (pod.row.ready_ms + min_ready_ms, pod.row.uid.clone())).collect();
        due.into_iter().for_each(|(at, uid)| self.state.schedule(at, Deadline::MinReady(uid)));
    }

    /// A pod has been ready for long enough.
    pub(crate) fn min_ready_elapsed(&mut self, uid: &PodUid) {
        let Some(id) = self.state.pods.get(uid).copied() else { return };
        let min_ready_ms = self.min_ready_ms(id);
        let Some(pod) = self.state.pod.get_mut(&id) else { return };
        if pod.row.standing != Standing::Ready {
            return;
        }
        if self.now < pod.row.ready_ms + min_ready_ms {
            let at = pod.row.ready_ms + min_ready_ms;
            self.state.schedule(at, Deadline::MinReady(uid.clone()));
            return;
        }
        pod.row.standing = Standing::Available;
        let (key, cause) = (pod.row.workload.clone(), pod.row.cause.clone());
        self.state.touch(Table::Pods, uid);
        if let Some(cause) = cause {
            self.because(&key, &cause);
        }
        self.refact(id);
    }

    /// Nothing is left of a pod on its node: a stopping one is done with, a placed one is to be
    /// started there again by its agent. What the node said of it before this is stale from now on.
    pub(crate) fn pod_gone(&mut self, uid: &PodUid, heard: Option<Heard>, cause: &Cause) {
        let Some(id) = self.state.pods.get(uid).copied() else { return };
        let Some(pod) = self.state.pod.get_mut(&id) else { return };
        let key = pod.row.workload.clone();
        if pod.row.standing == Standing::Stopping {
            let node = pod.row.node.clone();
            self.because(&key, cause);
            self.forget(uid);
            self.pod_leaves(uid, &node);
            return;
        }
        pod.row.heard = heard.or(pod.row.heard.take());
        let was_there = pod.row.observed.take().is_some();
        let was_seen = std::mem::take(&mut pod.is_seen).then_some((pod.node, id));
        let stood = std::mem::replace(&mut pod.row.standing, Standing::Starting);
        pod.row.ready_ms = 0;
        self.state.touch(Table::Pods, uid);
        if let Some(sighting) = was_seen {
            self.views.update(Fact::Seen(sighting), -1);
        }
        if was_there {
            self.out.served.push(Served::PodGone(uid.clone()));
        }
        if stood != Standing::Starting {
            self.because(&key, cause);
            self.refact(id);
        }
    }

    /// All that a node has: what it had before and is absent is gone.
    pub(crate) fn snapshot(&mut self, snapshot: &NodeSnapshot, cause: Cause) {
        if !self.is_present(&snapshot.node, &snapshot.session) {
            return self.keep_early(Word::All(Box::new(snapshot.clone())), cause);
        }
        let Some(id) = self.state.nodes.get(&snapshot.node).copied() else { return };
        let older = |pod: &Pod| pod.is_news(&snapshot.session, snapshot.sequence);
        let present: BTreeSet<&PodUid> = snapshot.uids.iter().collect();
        let mut absent: Vec<PodUid> = self
            .state
            .pods_on(id)
            .filter(|pod| older(pod) && !present.contains(&pod.row.uid))
            .map(|pod| pod.row.uid.clone())
            .collect();
        absent.sort();
        for uid in absent {
            let heard = Heard { session: snapshot.session.clone(), sequence: snapshot.sequence };
            self.pod_gone(&uid, Some(heard), &cause);
        }
        if !self.watched_snapshot(snapshot) {
            self.look_for_orphans(id, snapshot, &cause);
        }
    }
}

/// Where a pod stands by this observation, and since when it is ready.
fn standing(
    row: &crate::state::PodRow,
    observed: &PodObserved,
    now: i64,
    min_ready_ms: i64,
) -> (Standing, i64) {
    if row.standing == Standing::Stopping {
        return (Standing::Stopping, 0);
    }
    if observed.phase == PodPhase::Running && observed.ready && row.standing == Standing::Available
    {
        return (Standing::Available, row.ready_ms);
    }
    let since = if row.ready_ms > 0 { row.ready_ms } else { now };
    standing_since(observed, since, now, min_ready_ms)
}

/// Where a pod stands by this observation, if it is ready since then.
pub(crate) fn standing_since(
    observed: &PodObserved,
    since: i64,
    now: i64,
    min_ready_ms: i64,
) -> (Standing, i64) {
    match observed.phase {
        PodPhase::Succeeded | PodPhase::Failed => (Standing::Ended, 0),
        PodPhase::Running if observed.ready => {
            let long_enough = min_ready_ms == 0 || now >= since + min_ready_ms;
            (if long_enough { Standing::Available } else { Standing::Ready }, since)
        }
        _ => (Standing::Starting, 0),
    }
}
