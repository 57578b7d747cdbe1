//! From steps to placements: paced, in order of priority, each with what else was looked at.

use std::cell::{Cell, OnceCell};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_placement::{Considered, NodeId, Placing, PodId, PodShape};
use setpoint_rules::statefulset;
use setpoint_schemas::{Action, NodeName, Placement, PodUid, ResourceName, TakenDevice};

use crate::causes::Causes;
use crate::decide::Turn;
use crate::decided::{About, Compared, Reason};
use crate::epoch::PlacementChange;
use crate::state::{
    GATED, Identity, Pod, Rare, State, Template, Waiting, WaitingHere, Workload, WorkloadKind,
};
use crate::views::{Standing, Views};

/// Alternatives kept a decision: more tell no more.
const ALTERNATIVES_MAX: usize = 8;

/// A claim that has the name of one to be made with a pod is looked for again this often: whose it is, is
/// known by its name alone, and nobody is told when it goes.
const CLAIM_LOOK_MS: i64 = 10_000;

/// Pods that a workload needs.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) priority: i32,
    pub(crate) workload: u32,
    pub(crate) count: i64,
    /// The one node to go to (a DaemonSet's pod).
    pub(crate) node: Option<NodeName>,
    /// The identities that they have, in this order (a StatefulSet's pods).
    pub(super) identities: Vec<Identity>,
    /// Why some of them have not the claims that they would have, by their numbers.
    refused: BTreeMap<u32, String>,
    /// Which of these is at hand: those before it have a pod already, or wait.
    taken: Cell<usize>,
    /// Why they are needed, once one is placed: of all the same.
    causes: OnceCell<Causes>,
}

impl Start {
    /// So many pods of a workload, wherever there is room.
    pub(super) fn of(workload: u32, priority: i32, count: i64) -> Start {
        let (taken, causes, refused) = (Cell::new(0), OnceCell::new(), BTreeMap::new());
        let identities = Vec::new();
        Start { priority, workload, count, node: None, identities, refused, taken, causes }
    }

    /// The same, where these may not have the claims that they would have, and why.
    pub(super) fn without(self, refused: BTreeMap<u32, String>) -> Start {
        Start { refused, ..self }
    }

    /// A pod for each of these identities, wherever there is room.
    pub(super) fn of_identities(workload: u32, priority: i32, identities: Vec<Identity>) -> Start {
        let count = i64::try_from(identities.len()).unwrap_or(i64::MAX);
        Start { identities, ..Start::of(workload, priority, count) }
    }

    /// The identity that the next pod has.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identities.get(self.taken.get()).copied()
    }

    /// The number of the next pod, where it is a StatefulSet's.
    pub(super) fn ordinal(&self) -> Option<u32> {
        self.identity().map(|identity| identity.ordinal)
    }

    /// The identity at hand waits: the next one is looked at.
    pub(super) fn pass(&self) {
        self.taken.set(self.taken.get() + 1);
    }

    /// The template that the next pod has.
    fn template(&self, workload: &Workload) -> Option<Arc<Template>> {
        match self.identity() {
            Some(identity) => workload.template_to_be(identity.revision).cloned(),
            None => workload.current_template(),
        }
    }

    /// The revision that the next pod has.
    fn revision(&self, workload: &Workload) -> u32 {
        self.identity().map_or(workload.memo.current, |identity| identity.revision)
    }

    /// Whether all have the workload's current revision: only to such is room promised.
    fn is_current(&self, workload: &Workload) -> bool {
        self.identities.iter().all(|identity| identity.revision == workload.memo.current)
    }

    /// One pod, on this node or nowhere.
    pub(super) fn on(node: NodeName, workload: u32, priority: i32) -> Start {
        Start { node: Some(node), ..Start::of(workload, priority, 1) }
    }
}

impl<V: Views> Turn<'_, V> {
    /// Places what is needed: highest priority first, then in the order that they come in, which is
    /// that of their keys and nodes, as far as the pacing allows.
    pub(crate) fn place_all(&mut self, mut starts: Vec<Start>) {
        starts.sort_by_key(|start| Reverse(start.priority));
        let (rate, burst) = {
            let policy = &self.state.meta.policy;
            (policy.starts_per_second, policy.starts_burst)
        };
        // A workload's starts stand together.
        let mut served: Vec<(u32, bool)> = Vec::new();
        for start in starts {
            let bucket = self.state.meta.bucket;
            let mut bucket = bucket.filled(self.now, rate, burst);
            let granted = bucket.take(start.count);
            let begun = self.out.placements.len();
            let is_done = match &start.node {
                Some(node) => granted == 1 && self.place_here(&start, node),
                None => self.place_alike(&start, granted) == start.count,
            };
            let placed = self.out.placements[begun..].iter().filter(|c| c.placement.is_some());
            let placed = i64::try_from(placed.count()).unwrap_or(granted);
            bucket.tokens_milli += (granted - placed) * 1_000;
            self.state.meta.bucket = bucket;
            match served.last_mut() {
                Some((last, is_all)) if *last == start.workload => *is_all &= is_done,
                _ => served.push((start.workload, is_done)),
            }
            if granted < start.count {
                self.state.dirty.insert(start.workload);
                if let Some(node) = &start.node {
                    self.state.look_on(start.workload, node);
                }
            }
        }
        served.into_iter().filter(|(_, all)| *all).for_each(|(id, _)| self.causes_served(id));
    }

    /// What a workload was looked at for has been done.
    fn causes_served(&mut self, id: u32) {
        if let Some(workload) = self.state.workload.get_mut(&id) {
            workload.memo.whys_served = true;
            self.state.touch_workload(id);
        }
    }

    /// Places one pod, or says why it has to wait.
    pub(super) fn place_one(&mut self, start: &Start) -> Attempt {
        let Some(workload) = self.state.workload.get(&start.workload) else {
            return Attempt::NotMeant;
        };
        let Some(template) = start.template(workload) else { return Attempt::NotMeant };
        let here = start.node.as_ref().and_then(|node| workload.memo.waiting_here.get(node));
        let (counter, uid) = match here {
            Some(here) => (here.counter, workload.pod_uid(here.counter)),
            None => self.next_named(workload),
        };
        if let Some(why) = start.ordinal().and_then(|ordinal| start.refused.get(&ordinal)) {
            return Attempt::Waits(why.clone());
        }
        if let Some(why) = self.state.claims_forbid(workload, &template, start.ordinal()) {
            return Attempt::Waits(why);
        }
        let of_pod = (start.ordinal(), &uid);
        let taken = self.state.made_claims_forbid(workload, &template, of_pod);
        let awaits_claims = taken.is_some();
        let revised = (start.revision(workload), &*template);
        let promised = workload.memo.nominated.len();
        let forbidden = taken
            .or_else(|| self.not_made((start.workload, workload), revised, promised))
            .or_else(|| self.made_claims_refused(workload, &template, of_pod));
        // On one node it may not be meant to be, and then nothing is forbidden.
        if let Some(why) = forbidden.clone().filter(|_| start.node.is_none()) {
            if awaits_claims {
                self.state.look_again(start.workload, self.now + CLAIM_LOOK_MS);
            }
            return Attempt::Waits(why);
        }
        let shape = self.state.shape_of(workload, &template, start.ordinal());
        let placing = match &start.node {
            Some(node) => match self.state.nodes.get(node) {
                Some(node) => self.fleet.place_on(NodeId(*node), &shape),
                None => None,
            },
            None => Some(self.place_anywhere(&uid, &shape)),
        };
        let workload = self.state.workload.get(&start.workload);
        let placing = match (placing, workload) {
            (Some(placing), Some(workload)) => Some(self.elsewhere(workload, placing)),
            (placing, _) => placing,
        };
        match placing {
            Some(_) if template.is_gated => Attempt::Waits(GATED.to_owned()),
            Some(_) if forbidden.is_some() => {
                if let Some(node) = start.node.as_ref().filter(|_| awaits_claims) {
                    self.state.look_on(start.workload, node);
                    self.state.look_again(start.workload, self.now + CLAIM_LOOK_MS);
                }
                Attempt::Waits(forbidden.unwrap_or_default())
            }
            Some(Placing::Placed { node, considered }) => {
                let alternatives = self.alternatives(&considered);
                let placed = NewPod { uid, counter, alternatives };
                self.placed(start, &template, node, placed);
                Attempt::Placed
            }
            Some(Placing::Unplaceable(reasons)) => Attempt::NoRoom(reasons.to_string()),
            None => Attempt::NotMeant,
        }
    }

    pub(super) fn place_anywhere(&mut self, uid: &PodUid, shape: &Arc<PodShape>) -> Placing {
        let samples = usize::try_from(self.state.meta.policy.placement_samples).unwrap_or(1).max(1);
        let epoch = u64::try_from(self.out.number).unwrap_or(0);
        self.fleet.place(uid, shape, epoch, samples)
    }

    /// A DaemonSet's pod: on its node, waiting for room there, or not meant for it. Says whether
    /// nothing is left to do.
    fn place_here(&mut self, start: &Start, node: &NodeName) -> bool {
        let attempt = match self.take_up_here(start, node) {
            Some(true) => Attempt::Placed,
            Some(false) => return false,
            None => self.place_one(start),
        };
        let (reason, has_hope) = match attempt {
            Attempt::NoRoom(reason) => (reason, true),
            Attempt::Waits(reason) => (reason, false),
            Attempt::Placed | Attempt::NotMeant => {
                self.wait_here(start.workload, node, None);
                return true;
            }
        };
        let next = self.next_of(start);
        let Some(workload) = self.state.workload.get_mut(&start.workload) else { return true };
        workload.count_in(self.out.number);
        let memo = &mut workload.memo;
        let known = memo.waiting_here.get(node).map(|here| here.counter);
        let counter = known.unwrap_or(next);
        memo.next_pod = memo.next_pod.max(counter + 1);
        let revision = memo.current;
        let preempting = if has_hope { self.preempt(start, counter, &reason) } else { None };
        let reason = preempting.unwrap_or(reason);
        let here = WaitingHere { reason, counter, revision };
        self.wait_here(start.workload, node, Some(here));
        false
    }

    /// Places `granted` pods of a workload as long as there is room, or lower ones can make some:
    /// they are alike, so when one has to wait the others do. Says how many were placed.
    fn place_alike(&mut self, start: &Start, granted: i64) -> i64 {
        let is_current = self.expect_identities(start);
        let (mut placed, mut promised) =
            if is_current { self.take_up(start, granted) } else { (0, 0) };
        let mut reason = None;
        let mut left = granted - placed;
        if self.are_unlike(start) {
            (placed, promised, reason) =
                self.place_each(start, granted, is_current, (placed, promised));
            left = 0;
        }
        for _ in 0..left {
            if placed + promised == start.count || reason.is_some() {
                break;
            }
            match self.place_one(start) {
                Attempt::Placed => placed += 1,
                Attempt::NoRoom(why) if !is_current => reason = Some(why),
                Attempt::NoRoom(why) => match self.preempt(start, self.next_of(start), &why) {
                    Some(_) => promised += 1,
                    None => reason = Some(why),
                },
                Attempt::Waits(why) => reason = Some(why),
                Attempt::NotMeant => break,
            }
        }
        let Some(workload) = self.state.workload.get(&start.workload) else { return placed };
        let memo = &workload.memo;
        // Those that only wait for the pacing keep the reason that they had, if any.
        let reason = reason.or_else(|| memo.waiting.as_ref().map(|waiting| waiting.reason.clone()));
        let count = u64::try_from(start.count - placed - promised).unwrap_or(0);
        let (from, revision) = (memo.next_pod, memo.current);
        let waiting = reason.filter(|_| count > 0);
        let waiting = waiting.map(|reason| Waiting { reason, from, count, revision });
        self.wait(start.workload, waiting);
        placed
    }

    /// The pods that are to have these identities wait under their names; whether room may be promised to
    /// them. Where others were expected before, they are told anew.
    fn expect_identities(&mut self, start: &Start) -> bool {
        let Some(workload) = self.state.workload.get(&start.workload) else { return false };
        let is_current = start.is_current(workload);
        let ordinals: Vec<u32> = start.identities.iter().map(|identity| identity.ordinal).collect();
        let is_same = workload.memo.ordinals == ordinals;
        if (!is_same && workload.memo.waits()) || !is_current {
            self.waits_no_more(start.workload);
        }
        if !is_same && let Some(workload) = self.state.workload.get_mut(&start.workload) {
            workload.memo.ordinals = ordinals;
            self.state.touch_workload(start.workload);
        }
        is_current
    }

    /// The number that the workload's next pod will have.
    pub(super) fn next_of(&self, start: &Start) -> u64 {
        let workload = self.state.workload.get(&start.workload);
        workload.map_or(0, |workload| self.next_named(workload).0)
    }

    /// Number and uid of the workload's next pod: the next one whose name nobody has. Of some thousands of
    /// pods two would share a name, which has fourteen million endings.
    fn next_named(&self, workload: &Workload) -> (u64, PodUid) {
        let next = workload.memo.next_pod;
        // A bare pod is the only one of its name, and a StatefulSet's is named by its number.
        let has_own_name = matches!(workload.kind, WorkloadKind::Bare | WorkloadKind::Stateful);
        let is_free = |uid: &PodUid| has_own_name || !self.state.is_named(workload, uid);
        let mut pods = (next..).map(|counter| (counter, workload.pod_uid(counter)));
        let first = pods.find(|(_, uid)| is_free(uid));
        first.unwrap_or_else(|| (next, workload.pod_uid(next)))
    }

    /// The best of the nodes that were compared.
    pub(super) fn alternatives(&self, considered: &[Considered]) -> Vec<Compared> {
        let compared = |one: &Considered| {
            let node = self.fleet.node(one.node)?.name.clone();
            Some(Compared { node, scores: one.scores })
        };
        let mut best = Vec::with_capacity(considered.len().min(ALTERNATIVES_MAX));
        best.extend(considered.iter().take(ALTERNATIVES_MAX).filter_map(compared));
        best
    }

    /// One that has a node: reserved there, entered, told.
    pub(super) fn placed(&mut self, start: &Start, template: &Template, node: NodeId, new: NewPod) {
        let Some(info) = self.fleet.node(node) else { return };
        let node_name = info.name.clone();
        let devices = self.choose_devices(node, template);
        let causes = start.causes.get_or_init(|| self.state.causes(start.workload)).clone();
        let Some(workload) = self.state.workload.get_mut(&start.workload) else { return };
        let resource = workload.text.clone();
        workload.count_in(self.out.number);
        workload.memo.next_pod = workload.memo.next_pod.max(new.counter + 1);
        let identity = start.identity();
        let revision = identity.map_or(workload.memo.current, |identity| identity.revision);
        let worn = workload.worn_to_be(revision).cloned();
        let mut rare = None;
        if let Some(Identity { ordinal, .. }) = identity {
            start.pass();
            workload.memo.ordinals.retain(|waiting| *waiting != ordinal);
            let name = Some(statefulset::pod_name(&workload.key.name, ordinal));
            let claims = workload.own_claims().to_vec();
            rare = Rare { name, claims, ..Rare::default() }.boxed();
        }
        let mut pod = Pod {
            uid: new.uid.clone(),
            heard: None,
            last: None,
            rare,
            counter: new.counter,
            generation: 1,
            epoch: self.out.number.into(),
            placed_ms: self.now.into(),
            ready_ms: 0.into(),
            workload: start.workload,
            node: node.0,
            revision,
            standing: Standing::Starting,
            is_there: false,
            told: None,
            is_seen: false,
            is_touched: false,
        };
        pod.wears(worn);
        if !devices.is_empty() {
            self.set_devices(&new.uid, devices.clone());
        }
        let pod = self.with_index(pod);
        let placement = placement_of(self.state, &pod);
        let id = self.enter(pod, &template.shape, &devices);
        if !template.made_with.is_empty() {
            self.make_claims_with(id);
        }
        if !template.claims.is_empty() || identity.is_some() || !template.made_with.is_empty() {
            self.take_claims(id, &node_name);
        }
        self.state.touch_workload(start.workload);
        let about = About {
            pod: Some(new.uid.clone()),
            resource: Some(resource.clone()),
            node: Some(node_name.clone()),
            causes,
            alternatives: new.alternatives,
            ..About::default()
        };
        let reason = Reason::TooFew(resource, devices);
        self.ledger.write(Action::Place, "placement", reason, about);
        self.out.placements.push(PlacementChange { uid: new.uid, node: node_name, placement });
        self.state.meta.retry.joined |= !self.state.waiting.hopeful().is_empty();
    }

    /// A new pod is known by uid and name, and counts in the views and on its node.
    fn enter(&mut self, mut pod: Pod, shape: &Arc<PodShape>, devices: &[TakenDevice]) -> u32 {
        let (workload, node) = (pod.workload, pod.node);
        self.state.takes_worn(&mut pod);
        let id = self.state.pods.insert(pod);
        self.state.touch_pod(id);
        self.state.name_pod(id);
        self.fleet.reserve_with(PodId(id), NodeId(node), shape, devices);
        if let Some(workload) = self.state.workload.get_mut(&workload) {
            workload.pods.insert(id);
        }
        self.guard(id);
        self.refact(id);
        self.node_changed_allocation(node);
        self.foresee_eviction(id, node);
        id
    }
}

/// What became of placing one pod.
pub(super) enum Attempt {
    Placed,
    /// It has to wait, and why.
    NoRoom(String),
    /// It has to wait for what no room would give it, and for what.
    Waits(String),
    /// Its one node is not for it: the node's marks refuse it.
    NotMeant,
}

/// A pod about to be placed.
pub(super) struct NewPod {
    pub(super) uid: PodUid,
    pub(super) counter: u64,
    pub(super) alternatives: Vec<Compared>,
}

/// The record of a pod's placement; `None` for a name that cannot be on the log, which the door
/// has refused before.
pub(crate) fn placement_of(state: &State, pod: &Pod) -> Option<Arc<Placement>> {
    let (owner, host) = (state.owner(pod)?, state.host(pod)?);
    let epoch = pod.epoch.get();
    Some(Arc::new(Placement {
        uid: pod.uid.clone(),
        node: host.row.record.node.clone(),
        name: ResourceName::parse(&state.pod_name(pod)).ok()?,
        pattern: state.pattern_of(owner, pod)?,
        generation: i64::from(pod.generation),
        term: state.meta.reigns.term_of(epoch),
        epoch,
        placed_ms: pod.placed_ms.get(),
        devices: state.devices.of(&pod.uid).into(),
        at_most_one: owner.kind == WorkloadKind::Stateful,
    }))
}
