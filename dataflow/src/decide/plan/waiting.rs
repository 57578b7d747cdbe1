//! Pods that wait for a place: told one by one, tried again when there is hope.

use std::sync::Arc;

use setpoint_rules::quota::{is_refusal, rule_of};
use setpoint_schemas::{Action, NodeName, PodUid, ResourceKey};

use crate::Served;
use crate::decide::Turn;
use crate::decided::About;
use crate::state::{Retry, Waiting, WaitingHere};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Marks who may find a place now: everyone when room was made, and when a pod was placed those
    /// that look at other pods. Whom gates hold back no event helps.
    pub(crate) fn retry_waiting(&mut self) {
        let retry = std::mem::take(&mut self.state.meta.retry);
        if !retry.anyone() {
            return;
        }
        let again = self.state.waiting.hopeful().iter().filter(|key| self.is_hopeful(retry, key));
        let again: Vec<u32> =
            again.filter_map(|key| self.state.workloads.get(key).copied()).collect();
        for id in &again {
            // Whatever happened anywhere may help those that look at other pods.
            if self.state.daemons.contains(id) && self.looks_at_pods(*id) {
                self.look_where_it_waits(*id);
            }
        }
        self.state.dirty.extend(again);
    }

    fn looks_at_pods(&self, id: u32) -> bool {
        let template = self.state.workload.get(&id).and_then(|w| w.templates.get(&w.memo.current));
        template.is_some_and(|template| template.shape.looks_at_pods())
    }

    fn is_hopeful(&self, retry: Retry, key: &ResourceKey) -> bool {
        let workload = self.state.workloads.get(key).and_then(|id| self.state.workload.get(id));
        let template = workload.and_then(|w| w.templates.get(&w.memo.current));
        retry.freed || template.is_some_and(|template| template.shape.hopes_for_pods())
    }

    /// These pods of a workload have no place, or none has to wait any more. The ledger says it
    /// once, and again when the reason changes; readers see each of them.
    pub(crate) fn wait(&mut self, id: u32, waiting: Option<Waiting>) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if workload.memo.waiting == waiting {
            return;
        }
        let before = std::mem::replace(&mut workload.memo.waiting, waiting.clone());
        let reason = waiting.as_ref().map(|waiting| &*waiting.reason);
        self.queue(id, None, reason);
        self.tell_waiting(id, before, waiting);
    }

    /// The pod of a DaemonSet for this node has no room there, or does not wait any more.
    pub(crate) fn wait_here(&mut self, id: u32, node: &NodeName, waiting: Option<WaitingHere>) {
        if waiting.is_none() {
            self.unpromise_here(id, node);
        }
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let memo = &mut workload.memo;
        if memo.waiting_here.get(node) == waiting.as_ref() {
            return;
        }
        let after = waiting.as_ref().map(WaitingHere::alone);
        let before = match waiting {
            Some(waiting) => memo.waiting_here.insert(node.clone(), waiting),
            None => memo.waiting_here.remove(node),
        };
        self.queue(id, Some(node), after.as_ref().map(|after| &*after.reason));
        self.tell_waiting(id, before.map(|before| before.alone()), after);
    }

    pub(super) fn tell_waiting(
        &mut self,
        id: u32,
        before: Option<Waiting>,
        after: Option<Waiting>,
    ) {
        let told = self.out.served.len();
        self.tell_who_waits(id, before, after);
        let gone = |served: &Served| match served {
            Served::WaitingGone(uid) => Some(uid.clone()),
            _ => None,
        };
        let gone: Vec<PodUid> = self.out.served[told..].iter().filter_map(gone).collect();
        // What those own that wait no longer is looked at.
        gone.iter().for_each(|uid| self.owning_pod_moved(uid, id));
    }

    fn tell_who_waits(&mut self, id: u32, before: Option<Waiting>, after: Option<Waiting>) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let (key, memo) = (workload.key.clone(), &workload.memo);
        let (waits, is_held_back) = (memo.waits(), workload.is_held_back());
        self.state.touch_workload(id);
        self.state.status_changed(id);
        if waits {
            self.state.waiting.insert(key, is_held_back);
        } else {
            self.state.waiting.remove(&key);
        }
        let listed = |group: &Option<Waiting>, counter: u64, revision: u32| {
            let group = group.as_ref().filter(|group| group.revision == revision);
            group.is_some_and(|group| group.listed().contains(&counter))
        };
        let Some(workload) = self.state.workload.get(&id) else { return };
        if let Some(group) = &before {
            let promised = |counter: &u64| workload.memo.nominated.contains_key(counter);
            let gone = group.listed().filter(|c| !promised(c));
            let gone = gone.filter(|c| !listed(&after, *c, group.revision));
            let gone = gone.map(|counter| Served::WaitingGone(workload.pod_uid(counter)));
            self.out.served.extend(gone);
        }
        let Some(after) = &after else { return };
        let same_reason = before.as_ref().is_some_and(|before| before.reason == after.reason);
        for (counter, pod) in after.listed().zip(workload.pods_waiting(after)) {
            if !same_reason || !listed(&before, counter, after.revision) {
                self.out.served.push(Served::Waiting(Arc::new(pod)));
            }
        }
        if !same_reason {
            let promise = workload.memo.nominated.get(&after.from);
            // Who is not made is nobody that could be told of.
            let is_made = !is_refusal(&after.reason);
            let about = About {
                pod: is_made.then(|| workload.pod_uid(after.from)),
                resource: Some(workload.text.clone()),
                node: promise.map(|promise| promise.node.clone()),
                causes: self.state.causes(id),
                ..About::default()
            };
            let rule = match promise {
                _ if !is_made => rule_of(&after.reason),
                Some(_) => "preemption",
                None if workload.is_held() => "depends_on",
                None => "placement",
            };
            self.ledger.write(Action::Wait, rule, after.reason.clone(), about);
        }
    }

    /// Nothing of this workload waits any more.
    pub(crate) fn waits_no_more(&mut self, id: u32) {
        self.wait(id, None);
        let nodes = self.state.workload.get(&id).map(|w| w.memo.waiting_here.keys());
        let nodes: Vec<NodeName> = nodes.into_iter().flatten().cloned().collect();
        nodes.iter().for_each(|node| self.wait_here(id, node, None));
        self.unpromise_all(id);
    }
}
