//! DaemonSets: one pod on every node that they may run on.
//!
//! Guarantee: during an update a pod is replaced only while all others are available. Absent: which
//! nodes they may run on; placing says so of each.

use std::collections::BTreeSet;

use setpoint_schemas::NodeName;

use super::placing::Start;
use crate::decide::Turn;
use crate::state::{Waiting, Workload};
use crate::views::{Standing, Views};

/// The pods of a DaemonSet as they stand, those that stop left out.
#[derive(Default)]
struct Held {
    /// In order of their uids.
    pods: Vec<u32>,
    nodes: BTreeSet<u32>,
    /// The first, by uid, of another revision than the current one.
    outdated: Option<u32>,
    /// Whether all are available and none stops.
    is_available: bool,
}

impl<V: Views> Turn<'_, V> {
    /// Starts one pod on every node that has none, and replaces those of earlier revisions.
    pub(crate) fn plan_daemon(&mut self, id: u32, starts: &mut Vec<Start>) {
        self.state.daemons_dirty.insert(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        let causes = self.state.causes(id);
        let held = self.held(workload);
        if workload.deleted {
            for pod in held.pods {
                self.withdraw(pod, "daemon", "its workload was deleted", causes.clone());
            }
            self.waits_no_more(id);
            return;
        }
        let (from, revision) = (workload.memo.next_pod, workload.memo.current);
        let free = self.free_nodes(&held.nodes);
        self.wait_only_on(id, &free);
        let priority = match self.prioritize(id) {
            Ok(priority) => priority,
            Err(reason) => {
                let count = free.len() as u64;
                self.wait(id, Some(Waiting { reason, from, count, revision }));
                return;
            }
        };
        self.wait(id, None);
        let start = |node| Start::on(node, id, priority);
        starts.extend(free.into_iter().map(start));
        if let (true, Some(pod)) = (held.is_available, held.outdated) {
            self.withdraw(pod, "daemon", "replaced by the current revision", causes);
        }
    }

    fn held(&self, workload: &Workload) -> Held {
        let of = |id: &u32| self.state.pods.get(id).map(|pod| (*id, pod));
        let (mut pods, mut nodes) = (Vec::new(), BTreeSet::new());
        let mut is_available = true;
        for (id, pod) in workload.pods.iter().filter_map(of) {
            is_available &= pod.standing == Standing::Available;
            if pod.standing != Standing::Stopping {
                nodes.insert(pod.node);
                pods.push((&pod.uid, id, pod.revision));
            }
        }
        pods.sort();
        let outdated = pods.iter().find(|(.., revision)| *revision != workload.memo.current);
        Held {
            outdated: outdated.map(|(_, id, _)| *id),
            pods: pods.iter().map(|(_, id, _)| *id).collect(),
            nodes,
            is_available,
        }
    }

    /// The ready nodes without one of these pods.
    fn free_nodes(&self, held: &BTreeSet<u32>) -> BTreeSet<NodeName> {
        let nodes = self.fleet.nodes();
        let free = nodes.filter(|(node, info)| info.ready && !held.contains(&node.0));
        free.map(|(_, info)| info.name.clone()).collect()
    }

    /// Where it waited for room and is not wanted any more, it waits no longer.
    fn wait_only_on(&mut self, id: u32, free: &BTreeSet<NodeName>) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let waiting = workload.memo.waiting_here.keys();
        let left: Vec<NodeName> = waiting.filter(|node| !free.contains(*node)).cloned().collect();
        left.iter().for_each(|node| self.wait_here(id, node, None));
    }
}
