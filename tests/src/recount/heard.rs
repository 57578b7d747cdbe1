//! What nodes say, as far as it counts: of their present session, newer than what counted before, and of pods
//! that are theirs.

use setpoint_schemas::{
    Input, NodeName, NodeRecord, NodeSnapshot, PodObserved, PodPhase, PodUid, SessionId,
};

use super::world::{NodeSeen, PodSeen, World};

impl World {
    /// What an earlier life of the agent says is late.
    pub(super) fn node_said(&mut self, record: &NodeRecord) {
        let known = self.nodes.get(&record.node).map(|node| &node.record);
        let is_late = |known: &NodeRecord| {
            known.session != record.session
                && record.started_ms > 0
                && record.started_ms < known.started_ms
        };
        if known.is_some_and(is_late) {
            return;
        }
        let seen = self.nodes.get(&record.node);
        let (lost, doubted) = seen.map_or((false, false), |seen| (seen.lost, seen.doubted));
        let node = NodeSeen { lost, doubted, ..NodeSeen::new(record.clone()) };
        self.nodes.insert(record.node.clone(), node);
        self.heard_at_last(record);
    }

    /// A session spoke before its record was read: when all is read, it was never to come.
    fn too_early(&mut self, of: (&NodeName, &SessionId, Option<&PodUid>), at: i64, word: Input) {
        let key = (of.0.clone(), of.1.clone(), of.2.cloned());
        let is_newer = self.early.get(&key).is_none_or(|(sequence, _)| *sequence < at);
        if !self.is_complete && is_newer {
            self.early.insert(key, (at, word));
        }
    }

    fn heard_at_last(&mut self, record: &NodeRecord) {
        let is_its = |node: &NodeName, session: &SessionId| {
            *node == record.node && *session == record.session
        };
        let early = std::mem::take(&mut self.early).into_iter();
        let (mut now, later): (Vec<_>, Vec<_>) =
            early.partition(|((node, session, _), _)| is_its(node, session));
        self.early = later.into_iter().collect();
        now.sort_by_key(|(_, (sequence, _))| *sequence);
        for (_, (_, word)) in now {
            match word {
                Input::Pod(observed) => self.observed(&observed.whole()),
                Input::Snapshot(snapshot) => self.snapshot(&snapshot),
                _ => {}
            }
        }
    }

    /// An observation counts when it is of the pod's own node in its present session, and newer
    /// than the last that counted.
    pub(super) fn observed(&mut self, observed: &PodObserved) {
        let node = self.nodes.get(&observed.node);
        if node.is_none_or(|node| node.record.session != observed.session) {
            let of = (&observed.node, &observed.session, Some(&observed.uid));
            let word = Input::Pod(observed.clone().into());
            return self.too_early(of, observed.sequence, word);
        }
        let Some(pod) = self.pods.get(&observed.uid) else { return };
        let heard = (observed.session.clone(), observed.sequence);
        let newer = pod.heard.as_ref().is_none_or(|last| last.0 != heard.0 || last.1 < heard.1);
        if pod.placement.node != observed.node || !newer {
            return;
        }
        if observed.phase == PodPhase::Gone {
            return self.gone(&observed.uid, Some(heard));
        }
        let workload = pod.placement.pattern.workload.to_string();
        let min_ready_ms = self.min_ready_ms(&workload);
        let now_ms = self.now_ms;
        let ended = matches!(observed.phase, PodPhase::Succeeded | PodPhase::Failed);
        if ended {
            self.ended_ms.insert(workload, now_ms);
        }
        let Some(pod) = self.pods.get_mut(&observed.uid) else { return };
        pod.heard = Some(heard);
        if pod.is_finished() {
            return;
        }
        pod.ended = ended;
        pod.begun = ended || observed.phase == PodPhase::Running;
        pod.said_ready = observed.phase == PodPhase::Running && observed.ready;
        pod.stand(now_ms, min_ready_ms);
    }

    /// Its node has nothing left of a pod. One that is still placed there starts again; what was
    /// said of it before is stale.
    fn gone(&mut self, uid: &PodUid, heard: Option<(SessionId, i64)>) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        if pod.stopping {
            self.pods.remove(uid);
            self.went.insert(uid.clone());
            return;
        }
        if pod.is_finished() {
            pod.heard = heard.or(pod.heard.take());
            return;
        }
        (pod.ready_since, pod.available, pod.ended) = (None, false, false);
        (pod.begun, pod.said_ready) = (false, false);
        pod.heard = heard.or(pod.heard.take());
    }

    pub(super) fn snapshot(&mut self, snapshot: &NodeSnapshot) {
        let node = self.nodes.get(&snapshot.node);
        if node.is_none_or(|node| node.record.session != snapshot.session) {
            let of = (&snapshot.node, &snapshot.session, None);
            let word = Input::Snapshot(Box::new(snapshot.clone()));
            return self.too_early(of, snapshot.sequence, word);
        }
        let older = |pod: &PodSeen| {
            pod.heard
                .as_ref()
                .is_none_or(|last| last.0 != snapshot.session || last.1 < snapshot.sequence)
        };
        let absent = self.pods.iter().filter(|(uid, pod)| {
            let stays = pod.ended && !pod.stopping;
            pod.placement.node == snapshot.node
                && !stays
                && older(pod)
                && pod.is_over_by(snapshot)
                && !snapshot.uids.contains(uid)
        });
        let absent: Vec<PodUid> = absent.map(|(uid, _)| uid.clone()).collect();
        let heard = (snapshot.session.clone(), snapshot.sequence);
        absent.iter().for_each(|uid| self.gone(uid, Some(heard.clone())));
    }
}
