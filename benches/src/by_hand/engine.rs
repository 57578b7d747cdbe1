//! The engine by hand: statuses in, decisions out.

use setpoint_rules::identity;
use setpoint_schemas::PodUid;

use super::decode::{HEADER_BYTES, Observed, Phase, observed};
use super::hash::{Ids, number};
use super::pods::{Node, Pod, STANDINGS, Standing, Workload};

/// What each pod asks for, thousandths of a core and bytes: all pods of the bench are alike.
const ASKS: (i64, i64) = (100, 128 << 20);
/// Nodes looked at for a pod, as the policy has it by default.
const SAMPLES: u32 = 8;

/// The engine.
#[derive(Default)]
pub(crate) struct ByHand {
    header: [u8; HEADER_BYTES],
    nodes: Vec<Node>,
    workloads: Vec<Workload>,
    pods: Vec<Pod>,
    ids: Ids,
    /// Rows of pods that are gone, to be used again.
    free: Vec<u32>,
    dirty: Vec<u32>,
}

/// What a batch brought about.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Statuses that were news.
    pub(crate) taken: usize,
    pub(crate) decisions: Vec<Decision>,
}

/// What was decided of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) action: Action,
    pub(crate) uid: u128,
    pub(crate) workload: u32,
    pub(crate) node: u32,
}

/// What is done with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
}

impl ByHand {
    /// An engine that reads records with this header.
    pub(crate) fn new(header: &[u8]) -> anyhow::Result<Self> {
        let header = header.get(..HEADER_BYTES).unwrap_or_default().try_into()?;
        Ok(ByHand { header, ..ByHand::default() })
    }

    /// A node with nothing on it; nodes are numbered as they come.
    pub(crate) fn add_node(&mut self, name: &str, session: &str, free: (i64, i64, i64)) {
        let (name, session) = (name.as_bytes().into(), session.as_bytes().into());
        let (cpu_milli, memory_bytes, pods) = free;
        self.nodes.push(Node { name, session, cpu_milli, memory_bytes, pods });
    }

    /// A workload without pods whose next pod has this number; workloads are numbered as they come.
    pub(crate) fn add_workload(&mut self, uid: &str, desired: i64, next: u64) {
        let (uid, ended, endings) = (uid.to_owned(), Vec::new(), Vec::new());
        let (tally, is_dirty) = ([0; STANDINGS], false);
        self.workloads.push(Workload { uid, desired, next, endings, tally, ended, is_dirty });
    }

    /// A pod that is available, of this workload on this node.
    pub(crate) fn add_pod(&mut self, uid: &str, workload: u32, node: u32) -> anyhow::Result<()> {
        let uid = number(uid.as_bytes()).ok_or_else(|| anyhow::anyhow!("{uid} is no UUID"))?;
        let pod = Pod { phase: Phase::Running, ready: true, ..blank(uid, workload, node) };
        self.workloads[workload as usize].endings.push(ending(uid));
        self.insert(Pod { standing: Standing::Available, ..pod });
        Ok(())
    }

    /// Takes in one status; `false` when the bytes are not one.
    pub(crate) fn take(&mut self, bytes: &[u8], effects: &mut Effects) -> bool {
        let Some((header, datum)) = bytes.split_at_checked(HEADER_BYTES) else { return false };
        let known = (header == self.header).then(|| observed(datum)).flatten();
        let Some(observed) = known else { return false };
        if let Some(id) = number(observed.uid).and_then(|uid| self.ids.get(&uid).copied()) {
            effects.taken += usize::from(self.observed(id, &observed));
        }
        true
    }

    /// Whether it was news.
    fn observed(&mut self, id: u32, observed: &Observed<'_>) -> bool {
        let pod = &mut self.pods[id as usize];
        let node = &self.nodes[pod.node as usize];
        let is_its_node = *node.name == *observed.node && *node.session == *observed.session;
        if !is_its_node || observed.sequence <= pod.sequence {
            return false;
        }
        pod.sequence = observed.sequence;
        if observed.phase == Phase::Gone && pod.standing == Standing::Stopping {
            self.remove(id);
            return true;
        }
        (pod.phase, pod.ready) = (observed.phase, observed.ready);
        (pod.started_ms, pod.restarts) = (observed.started_ms, observed.restarts);
        let before = pod.standing;
        let now = standing(before, observed);
        if now != before {
            pod.standing = now;
            let workload = pod.workload;
            self.stands(id, workload, before, now);
        }
        true
    }

    fn stands(&mut self, id: u32, workload: u32, before: Standing, now: Standing) {
        let row = &mut self.workloads[workload as usize];
        row.tally[before as usize] -= 1;
        row.tally[now as usize] += 1;
        if now == Standing::Ended {
            row.ended.push(id);
            if !std::mem::replace(&mut row.is_dirty, true) {
                self.dirty.push(workload);
            }
        }
    }

    /// Decides what the statuses since the last settle ask for.
    pub(crate) fn settle(&mut self, effects: &mut Effects) {
        for workload in std::mem::take(&mut self.dirty) {
            let row = &mut self.workloads[workload as usize];
            row.is_dirty = false;
            for id in std::mem::take(&mut row.ended) {
                let pod = &mut self.pods[id as usize];
                if pod.standing != Standing::Ended {
                    continue;
                }
                pod.standing = Standing::Stopping;
                let (uid, node) = (pod.uid, pod.node);
                self.workloads[workload as usize].unname(ending(uid));
                self.stands(id, workload, Standing::Ended, Standing::Stopping);
                effects.decisions.push(Decision { action: Action::Stop, uid, workload, node });
            }
            self.start(workload, effects);
        }
    }

    fn start(&mut self, workload: u32, effects: &mut Effects) {
        let row = &self.workloads[workload as usize];
        for _ in 0..row.desired - row.live() {
            let row = &mut self.workloads[workload as usize];
            let uid = row.next_uid();
            let ending = identity::ending(&uid);
            let Some(uid) = number(uid.text().as_bytes()) else { continue };
            let Some(node) = self.choose(uid) else { continue };
            self.workloads[workload as usize].endings.push(ending);
            self.insert(blank(uid, workload, node));
            effects.decisions.push(Decision { action: Action::Start, uid, workload, node });
        }
    }

    /// Of some nodes that the uid names the one with the most of its scarcer resource free; when
    /// none of them has room, the first that has.
    fn choose(&self, uid: u128) -> Option<u32> {
        let count = u32::try_from(self.nodes.len()).ok()?;
        let named = |sample: u32| (uid.rotate_right(16 * sample) as u32) % count;
        let best = (0..SAMPLES).map(named).max_by_key(|node| self.room(*node))?;
        let has_room = |node: &u32| self.room(*node) > 0;
        Some(best).filter(has_room).or_else(|| (0..count).find(has_room))
    }

    /// How many more pods fit.
    fn room(&self, node: u32) -> i64 {
        let node = &self.nodes[node as usize];
        node.pods.min(node.cpu_milli / ASKS.0).min(node.memory_bytes / ASKS.1)
    }

    fn insert(&mut self, pod: Pod) {
        self.workloads[pod.workload as usize].tally[pod.standing as usize] += 1;
        self.reserve(pod.node, 1);
        let id = match self.free.pop() {
            Some(id) => {
                self.pods[id as usize] = pod;
                id
            }
            None => {
                self.pods.push(pod);
                self.pods.len() as u32 - 1
            }
        };
        self.ids.insert(pod.uid, id);
    }

    fn remove(&mut self, id: u32) {
        let pod = self.pods[id as usize];
        self.workloads[pod.workload as usize].tally[pod.standing as usize] -= 1;
        self.reserve(pod.node, -1);
        self.ids.remove(&pod.uid);
        self.free.push(id);
    }

    fn reserve(&mut self, node: u32, pods: i64) {
        let node = &mut self.nodes[node as usize];
        node.pods -= pods;
        node.cpu_milli -= pods * ASKS.0;
        node.memory_bytes -= pods * ASKS.1;
    }

    /// How many of a workload's pods stand where: starting, available, stopping, ended.
    pub(crate) fn tally(&self, workload: u32) -> [i64; STANDINGS] {
        self.workloads[workload as usize].tally
    }

    /// The pods that are placed and not stopping: uid, whether it was last said to be ready, and its
    /// node.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (u128, bool, u32)> {
        let pods = self.ids.values().map(|id| &self.pods[*id as usize]);
        pods.filter(|pod| pod.standing != Standing::Stopping)
            .map(|pod| (pod.uid, pod.ready, pod.node))
    }

    /// That what is free of each node is what its pods leave of this, counted anew.
    pub(crate) fn check(&self, allocatable: (i64, i64, i64)) -> anyhow::Result<()> {
        let mut pods = vec![0; self.nodes.len()];
        self.ids.values().for_each(|id| pods[self.pods[*id as usize].node as usize] += 1);
        for (node, pods) in self.nodes.iter().zip(pods) {
            let left = (node.cpu_milli + pods * ASKS.0, node.memory_bytes + pods * ASKS.1);
            let counted = (left.0, left.1, node.pods + pods);
            anyhow::ensure!(counted == allocatable, "a node by hand has {counted:?} in all");
        }
        Ok(())
    }
}

/// The number of a uid.
pub(crate) fn number_of(uid: &str) -> Option<u128> {
    number(uid.as_bytes())
}

fn ending(uid: u128) -> u32 {
    identity::ending(&PodUid::of_uuid(uid.to_be_bytes()))
}

/// A pod that was just placed.
fn blank(uid: u128, workload: u32, node: u32) -> Pod {
    Pod {
        uid,
        sequence: 0,
        started_ms: 0,
        node,
        workload,
        restarts: 0,
        phase: Phase::Pending,
        ready: false,
        standing: Standing::Starting,
    }
}

fn standing(before: Standing, observed: &Observed<'_>) -> Standing {
    match observed.phase {
        _ if before == Standing::Stopping => Standing::Stopping,
        Phase::Succeeded | Phase::Failed => Standing::Ended,
        Phase::Running if observed.ready => Standing::Available,
        _ => Standing::Starting,
    }
}
