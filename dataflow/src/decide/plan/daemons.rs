//! DaemonSets: one pod on every node that they may run on.
//!
//! Guarantee: a node never has two of these pods that are to run. Absent: which nodes they may run on; placing says so of each.
//! Which pods an update replaces now is a rule (`rules/daemonset.rs`).

use std::collections::{BTreeMap, BTreeSet};

use setpoint_placement::{NodeId, NodeInfo};
use setpoint_rules::daemonset::{self, Standing};
use setpoint_schemas::{NodeName, PodUid};

use super::placing::Start;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::state::{Look, Pod, Waiting, Workload};
use crate::views::{self, Views};

/// The pods of a DaemonSet as they stand, those on lost nodes left out: of these nobody knows when they return.
#[derive(Default)]
struct Held {
    /// Those that do not stop, in order of their uids.
    pods: Vec<u32>,
    standings: Vec<Standing>,
    /// How many stop.
    stopping: usize,
}

impl<V: Views> Turn<'_, V> {
    /// Starts one pod on every node that has none, and replaces those of earlier revisions. Only nodes
    /// are looked at where something happened.
    pub(crate) fn plan_daemon(&mut self, id: u32, starts: &mut Vec<Start>) {
        self.state.daemons_dirty.insert(id);
        let look = self.state.take_look(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        if workload.deleted {
            let causes = self.state.causes(id);
            let with_uid = |id: &u32| self.state.pods.get(id).map(|pod| (pod.uid.clone(), *id));
            let pods: BTreeMap<PodUid, u32> = workload.pods.iter().filter_map(with_uid).collect();
            for pod in pods.into_values() {
                self.withdraw(pod, "daemon", "its workload was deleted", causes.clone());
            }
            self.waits_no_more(id);
            return;
        }
        let (from, revision) = (workload.memo.next_pod, workload.memo.current);
        let priority = match self.held_back(id).map_or_else(|| self.prioritize(id), Err) {
            Ok(priority) => priority,
            Err(reason) => {
                // Looked at everywhere once its class is there, or what it depends on is so far.
                self.state.look_everywhere(id);
                self.unpromise_all(id);
                let free = self.free_nodes(id, &Look::Everywhere);
                self.wait_only_on(id, &Look::Everywhere, &free);
                let count = free.len() as u64;
                self.wait(id, Some(Waiting { reason, from, count, revision }));
                return;
            }
        };
        self.wait(id, None);
        let free = self.free_nodes(id, &look);
        self.wait_only_on(id, &look, &free);
        let counts = self.state.workload.get(&id).map(|workload| workload.counts_with(free.len()));
        if counts.is_some_and(|counts| self.track_progress(id, &counts)) {
            return;
        }
        let free = self.without_held(id, free);
        let start = |node| Start::on(node, id, priority);
        starts.extend(free.into_iter().map(start));
        self.replace_outdated(id);
    }

    /// These nodes without those on which a pod failed a moment ago: they are looked at again when they have
    /// waited, and nobody else waits with them.
    fn without_held(&mut self, id: u32, mut free: BTreeSet<NodeName>) -> BTreeSet<NodeName> {
        let now = self.now;
        let Some(workload) = self.state.workload.get(&id) else { return free };
        let (memory, not_before_ms) = (&workload.memo.rescheduled, workload.memo.not_before_ms);
        // None waits for longer than the one that failed last.
        if now >= not_before_ms {
            return free;
        }
        let until = |node: &NodeName| (node.clone(), memory.held_until_ms(node, not_before_ms));
        let held: BTreeMap<NodeName, i64> =
            free.iter().map(until).filter(|(_, until_ms)| now < *until_ms).collect();
        for node in held.keys() {
            free.remove(node);
            self.state.look_on(id, node);
        }
        if let Some(first_ms) = held.into_values().min() {
            self.state.look_again(id, first_ms);
        }
        free
    }

    /// Replaces pods of earlier revisions, as far as that may be now.
    fn replace_outdated(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        if !workload.has_outdated() || workload.stands_still() {
            return;
        }
        let update = workload.wants.daemon_update(workload.pods_wanted());
        let held = self.held(workload);
        let going = daemonset::outdated(update, held.stopping, &held.standings);
        if going.is_empty() {
            return;
        }
        let causes = self.state.causes(id);
        for place in going {
            let reason = "replaced by the current revision";
            self.withdraw(held.pods[place], "daemon", reason, causes.clone());
        }
    }

    fn held(&self, workload: &Workload) -> Held {
        let is_lost = |pod: &Pod| self.state.host(pod).is_none_or(|host| host.row.lost);
        let of = |id: &u32| self.state.pods.get(id).map(|pod| (&pod.uid, *id, pod));
        let pods = workload.pods.iter().filter_map(of);
        let (mut held, mut stay) = (Held::default(), Vec::new());
        for (uid, id, pod) in pods.filter(|(.., pod)| !is_lost(pod)) {
            match pod.standing {
                views::Standing::Stopping => held.stopping += 1,
                _ => stay.push((uid, id, pod)),
            }
        }
        stay.sort_unstable_by_key(|(uid, ..)| *uid);
        for (_, id, pod) in stay {
            held.pods.push(id);
            held.standings.push(Standing {
                available: pod.standing == views::Standing::Available,
                updated: pod.revision == workload.memo.current,
                told: pod.last.is_some(),
            });
        }
        held
    }

    /// The nodes, of those that are looked at, that are ready, and not only watched, without one of
    /// these pods.
    fn free_nodes(&self, id: u32, look: &Look) -> BTreeSet<NodeName> {
        let takes = |info: &NodeInfo| info.ready && !info.watched;
        match look {
            Look::Everywhere => {
                let held = self.nodes_of(id);
                let nodes = self.fleet.nodes();
                let free = nodes.filter(|(node, info)| takes(info) && !held.contains(&node.0));
                free.map(|(_, info)| info.name.clone()).collect()
            }
            Look::On(nodes) => {
                let number = |name: &NodeName| self.state.nodes.get(name).copied();
                let free = nodes.iter().filter_map(number);
                let free = free.filter(|node| !self.has_pod_on(id, *node));
                let infos = free.filter_map(|node| self.fleet.node(NodeId(node)));
                infos.filter(|info| takes(info)).map(|info| info.name.clone()).collect()
            }
        }
    }

    /// Every node with one of its pods that does not stop.
    fn nodes_of(&self, id: u32) -> BTreeSet<u32> {
        let pods = self.state.workload.get(&id).into_iter().flat_map(|workload| &workload.pods);
        let stay = pods.filter_map(|pod| self.state.pods.get(pod));
        stay.filter(|pod| pod.standing != views::Standing::Stopping).map(|pod| pod.node).collect()
    }

    fn has_pod_on(&self, id: u32, node: u32) -> bool {
        let is_its = |pod: &Pod| pod.workload == id && pod.standing != views::Standing::Stopping;
        self.state.pods.on(node).any(is_its)
    }

    /// Where it waited for room and is not wanted any more, it waits no longer.
    fn wait_only_on(&mut self, id: u32, look: &Look, free: &BTreeSet<NodeName>) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let waiting = workload.memo.waiting_here.keys().filter(|node| look.has(node));
        let left: Vec<NodeName> = waiting.filter(|node| !free.contains(*node)).cloned().collect();
        left.iter().for_each(|node| self.wait_here(id, node, None));
    }

    /// A node is new or changed: every DaemonSet looks at it.
    pub(crate) fn daemons_look_at(&mut self, node: &NodeName, cause: &Cause) {
        for id in self.daemons() {
            self.state.look_on(id, node);
            self.because(id, cause);
        }
    }

    /// A node is gone: every DaemonSet looks where it is.
    pub(crate) fn daemons_look_around(&mut self, cause: &Cause) {
        for id in self.daemons() {
            self.state.look_everywhere(id);
            self.because(id, cause);
        }
    }

    /// A pod stops: if it is a DaemonSet's, its node lacks one.
    pub(crate) fn daemon_looks_after(&mut self, pod: u32) {
        let Some(pod) = self.state.pods.get(&pod) else { return };
        let (id, node) = (pod.workload, self.state.node.get(&pod.node));
        if self.state.daemons.contains(&id)
            && let Some(name) = node.map(|node| node.row.record.node.clone())
        {
            self.state.look_on(id, &name);
            // It is looked at in this epoch or, when that is full, in the next.
            self.state.daemons_dirty.insert(id);
        }
    }

    /// Whether others could not be near this pod.
    pub(crate) fn kept_others_away(&self, pod: &Pod) -> bool {
        let workload = self.state.workload.get(&pod.workload);
        let template = workload.and_then(|workload| workload.templates.get(&pod.revision));
        template.is_some_and(|template| template.shape.keeps_others_away())
    }

    /// Room was made on a node: those that wait for it there look again. Where whoever left kept
    /// others away, all do wherever they wait.
    pub(crate) fn daemons_hope(&mut self, node: u32, is_wide: bool) {
        if self.state.daemons.is_empty() {
            return;
        }
        let Some(node) = self.state.node.get(&node) else { return };
        let name = node.row.record.node.clone();
        for id in self.daemons_that_hope() {
            let waiting = self.state.workload.get(&id).map(|w| &w.memo.waiting_here);
            if is_wide {
                self.look_where_it_waits(id);
            } else if waiting.is_some_and(|waiting| waiting.contains_key(&name)) {
                self.state.look_on(id, &name);
            }
        }
    }

    /// All of them look again where they wait.
    pub(crate) fn daemons_look_where_they_wait(&mut self) {
        self.daemons_that_hope().into_iter().for_each(|id| self.look_where_it_waits(id));
    }

    /// A DaemonSet looks again at every node on which it waits for room.
    pub(super) fn look_where_it_waits(&mut self, id: u32) {
        let workload = self.state.workload.get(&id);
        let nodes = workload.into_iter().flat_map(|workload| workload.memo.waiting_here.keys());
        for node in nodes.cloned().collect::<Vec<_>>() {
            self.state.look_on(id, &node);
        }
    }

    fn daemons(&self) -> Vec<u32> {
        self.state.daemons.iter().copied().collect()
    }

    /// Those whose pods gates do not hold back: room helps no others.
    fn daemons_that_hope(&self) -> Vec<u32> {
        let is_gated = |id: &u32| self.state.workload.get(id).is_some_and(|w| w.is_gated());
        self.state.daemons.iter().filter(|id| !is_gated(id)).copied().collect()
    }
}
