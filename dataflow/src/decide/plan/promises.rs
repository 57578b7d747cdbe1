//! Promises: room that others leave is kept for a pod until it is there, and given up when it will
//! not be.

use setpoint_placement::{Bound, NodeId, Nominee, Placing, PodId};
use setpoint_schemas::NodeName;

use super::placing::{NewPod, Start};
use super::preempting::Guests;
use crate::decide::Turn;
use crate::decided::Compared;
use crate::state::{Nominated, WorkloadKind};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Keeps room for a workload's pod of this number.
    pub(super) fn promise(&mut self, id: u32, counter: u64, nominated: Nominated) {
        let epoch = self.out.number;
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        workload.count_in(epoch);
        workload.memo.next_pod = workload.memo.next_pod.max(counter + 1);
        let group = nominated.alone(counter);
        workload.memo.nominated.insert(counter, nominated);
        let is_daemon = workload.kind == WorkloadKind::Daemon;
        self.hold_promise(id, counter);
        if !is_daemon {
            self.tell_waiting(id, None, Some(group));
        }
    }

    /// Makes the placer keep what is promised.
    pub(crate) fn hold_promise(&mut self, id: u32, counter: u64) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let Some(nominated) = workload.memo.nominated.get(&counter) else { return };
        let (Some(node), Some(template)) = (
            self.state.nodes.get(&nominated.node).copied(),
            workload.template_to_be(nominated.revision),
        ) else {
            return;
        };
        let shape = self.state.shape_of(workload, template, workload.ordinal_to_be(counter));
        let uid = workload.pod_uid(counter);
        let number = self.state.nominees.add(node, (id, counter), uid, nominated.since_ms);
        let devices = &nominated.devices;
        self.fleet.nominate_with(PodId(number), NodeId(node), &shape, devices);
    }

    /// Keeps the room no longer.
    pub(super) fn unpromise(&mut self, id: u32, counter: u64) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let Some(nominated) = workload.memo.nominated.remove(&counter) else { return };
        let is_daemon = workload.kind == WorkloadKind::Daemon;
        if let Some(number) = self.state.nominees.remove(id, counter) {
            self.fleet.release(PodId(number));
        }
        self.state.meta.retry.freed = true;
        if let Some(node) = self.state.nodes.get(&nominated.node).copied() {
            self.daemons_hope(node, false);
        }
        let group = (!is_daemon).then(|| nominated.alone(counter));
        self.tell_waiting(id, group, None);
    }

    /// What was promised to a DaemonSet's pod on this node is kept no longer.
    pub(super) fn unpromise_here(&mut self, id: u32, node: &NodeName) {
        let workload = self.state.workload.get(&id);
        let here = workload.and_then(|workload| workload.memo.waiting_here.get(node));
        if let Some(counter) = here.map(|here| here.counter) {
            self.unpromise(id, counter);
        }
    }

    /// All that is promised to a workload is given up.
    pub(crate) fn unpromise_all(&mut self, id: u32) {
        let counters = self.promised_to(id);
        counters.into_iter().for_each(|counter| self.unpromise(id, counter));
    }

    /// Places those of a workload's promised pods for which there is room, the promised one or
    /// another; gives up promises that will not be kept or are not needed; and says how many were
    /// placed and how many still wait.
    pub(super) fn take_up(&mut self, start: &Start, granted: i64) -> (i64, i64) {
        let counters = self.promised_to(start.workload);
        let (mut placed, mut waiting) = (0, 0);
        for counter in counters {
            if placed + waiting == start.count {
                self.unpromise(start.workload, counter);
                continue;
            }
            match self.standing_of_promise(start.workload, counter, Bound::Free) {
                Nominee::Fits if placed < granted => {
                    placed += i64::from(self.keep_promise(start, counter, None));
                }
                Nominee::Waits if placed < granted => {
                    match self.room_elsewhere(start.workload, counter) {
                        Some(room) => {
                            placed += i64::from(self.keep_promise(start, counter, Some(room)));
                        }
                        None => waiting += 1,
                    }
                }
                Nominee::Fits | Nominee::Waits => waiting += 1,
                Nominee::Lost => self.unpromise(start.workload, counter),
            }
        }
        (placed, waiting)
    }

    /// The same for the one pod of a DaemonSet that waits for room on this node: whether it was
    /// placed; `None` when nothing is promised to it.
    pub(super) fn take_up_here(&mut self, start: &Start, node: &NodeName) -> Option<bool> {
        let workload = self.state.workload.get(&start.workload)?;
        let counter = workload.memo.waiting_here.get(node)?.counter;
        workload.memo.nominated.get(&counter)?;
        match self.standing_of_promise(start.workload, counter, Bound::ToNode) {
            Nominee::Fits => Some(self.keep_promise(start, counter, None)),
            Nominee::Waits => Some(false),
            Nominee::Lost => {
                self.unpromise(start.workload, counter);
                None
            }
        }
    }

    fn promised_to(&self, id: u32) -> Vec<u64> {
        let workload = self.state.workload.get(&id);
        workload.map(|w| w.memo.nominated.keys().copied().collect()).unwrap_or_default()
    }

    fn standing_of_promise(&mut self, id: u32, counter: u64, bound: Bound) -> Nominee {
        let Some(workload) = self.state.workload.get(&id) else { return Nominee::Lost };
        let nominated = workload.memo.nominated.get(&counter);
        if nominated.is_none_or(|nominated| nominated.revision != workload.memo.current) {
            return Nominee::Lost;
        }
        let Some(number) = self.state.nominees.id_of(id, counter) else { return Nominee::Lost };
        self.fleet.nominee(PodId(number), bound, &Guests(self.state))
    }

    /// Room that is there before the promised one.
    fn room_elsewhere(&mut self, id: u32, counter: u64) -> Option<Room> {
        let workload = self.state.workload.get(&id)?;
        let (uid, template) = (workload.pod_uid(counter), workload.current_template()?);
        let shape = self.state.shape_of(workload, &template, workload.ordinal_to_be(counter));
        match self.place_anywhere(&uid, &shape) {
            Placing::Placed { node, considered } => {
                Some(Room { node, alternatives: self.alternatives(&considered) })
            }
            Placing::Unplaceable(_) => None,
        }
    }

    /// There is room for the pod, the promised one unless it is another: it gets it.
    fn keep_promise(&mut self, start: &Start, counter: u64, other: Option<Room>) -> bool {
        let Some(workload) = self.state.workload.get(&start.workload) else { return false };
        let Some(template) = workload.current_template() else { return false };
        let (current, ordinal) =
            ((workload.memo.current, &*template), workload.ordinal_to_be(counter));
        let of_pod = (ordinal, &workload.pod_uid(counter));
        if self.state.claims_forbid(workload, &template, ordinal).is_some()
            || self.state.made_claims_forbid(workload, &template, of_pod).is_some()
            || self.not_made((start.workload, workload), current, 0).is_some()
            || self.made_claims_refused(workload, &template, of_pod).is_some()
        {
            self.unpromise(start.workload, counter);
            return false;
        }
        let Some(nominated) = workload.memo.nominated.get(&counter) else { return false };
        let Some(node) = self.state.nodes.get(&nominated.node).copied() else { return false };
        let uid = workload.pod_uid(counter);
        let promised = Room { node: NodeId(node), alternatives: Vec::new() };
        let retry = self.state.meta.retry;
        self.unpromise(start.workload, counter);
        if other.is_none() {
            // What is freed here is taken at once: nobody else need look.
            self.state.meta.retry = retry;
        }
        let Room { node, alternatives } = other.unwrap_or(promised);
        self.placed(start, &template, node, NewPod { uid, counter, alternatives });
        true
    }
}

/// Where a pod goes, and what else was looked at.
struct Room {
    node: NodeId,
    alternatives: Vec<Compared>,
}
