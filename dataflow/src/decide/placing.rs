//! From steps to placements: paced, in order of priority, each with what else was looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_placement::{NodeId, Placing, PodId, PodShape};
use setpoint_rules::identity;
use setpoint_schemas::{
    Action, Alternative, Namespace, NodeName, Placement, PodUid, ResourceKey, ResourceName,
};

use super::turn::Turn;
use crate::Served;
use crate::epoch::{PlacementChange, WaitingPod};
use crate::state::{About, Pod, PodRow, Table, Template, WorkloadKind};
use crate::views::{Standing, Views};

/// Alternatives kept a decision: more tell no more.
const ALTERNATIVES_MAX: usize = 8;

/// Pods that a workload needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) priority: i32,
    pub(crate) key: ResourceKey,
    pub(crate) workload: u32,
    pub(crate) count: i64,
    /// The one node to go to (a DaemonSet's pod), with the shape that says so.
    pub(crate) node: Option<NodeName>,
}

impl<V: Views> Turn<'_, V> {
    /// Places what is needed: highest priority first, then by key, as far as the pacing allows.
    pub(crate) fn place_all(&mut self, mut starts: Vec<Start>) {
        starts.sort_by(|a, b| {
            b.priority
                .cmp(&a.priority)
                .then_with(|| a.key.cmp(&b.key))
                .then_with(|| a.node.cmp(&b.node))
        });
        let policy = self.state.meta.policy.clone();
        let mut served: BTreeMap<u32, bool> = BTreeMap::new();
        for start in starts {
            let bucket = self.state.meta.bucket;
            let mut bucket = bucket.filled(self.now, policy.starts_per_second, policy.starts_burst);
            let granted = bucket.take(start.count);
            let placed = (0..granted).take_while(|_| self.place_one(&start)).count() as i64;
            bucket.tokens_milli += (granted - placed) * 1_000;
            self.state.meta.bucket = bucket;
            *served.entry(start.workload).or_insert(true) &= placed == start.count;
            if granted < start.count {
                self.state.dirty.insert(start.key.clone());
            }
        }
        served.into_iter().filter(|(_, all)| *all).for_each(|(id, _)| self.causes_served(id));
    }

    /// What a workload was looked at for has been done.
    fn causes_served(&mut self, id: u32) {
        if let Some(workload) = self.state.workload.get_mut(&id) {
            workload.memo.causes_served = true;
            let key = workload.key.clone();
            self.state.touch(Table::Workloads, &key);
        }
    }

    /// Places one pod; `false` when it has to wait, and then so do the others like it.
    fn place_one(&mut self, start: &Start) -> bool {
        let Some(workload) = self.state.workload.get(&start.workload) else { return false };
        let Some(template) = workload.current_template() else { return false };
        let counter = workload.memo.next_pod;
        let uid = identity::pod_uid(&workload.uid, counter);
        let name = self.pod_name(start, &template, &uid);
        let shape = match &start.node {
            Some(node) => pinned(&start.key, &template, node),
            None => template.shape.clone(),
        };
        let samples = usize::try_from(self.state.meta.policy.placement_samples).unwrap_or(1).max(1);
        let epoch = u64::try_from(self.out.number).unwrap_or(0);
        match self.fleet.place(&uid, &shape, epoch, samples) {
            Placing::Placed { node, considered, .. } => {
                let alternatives = self.alternatives(&considered);
                let placed = NewPod { uid, name, counter, shape, alternatives };
                self.placed(start, &template, node, placed);
                true
            }
            Placing::Unplaceable(reasons) if start.node.is_some() && !lacks_room(&reasons) => false,
            Placing::Unplaceable(reasons) => {
                self.waits(start, uid, &name, reasons.to_string());
                false
            }
        }
    }

    fn pod_name(&self, start: &Start, template: &Template, uid: &PodUid) -> ResourceName {
        let workload = self.state.workload.get(&start.workload);
        if workload.is_some_and(|w| w.kind == WorkloadKind::Bare)
            && let Ok(name) = ResourceName::parse(&start.key.name)
        {
            return name;
        }
        let revision = workload.and_then(|w| w.revision_name(template));
        identity::pod_name(&start.key.name, revision.as_deref(), uid)
    }

    fn alternatives(&self, considered: &[setpoint_placement::Considered]) -> Vec<Alternative> {
        let of = |c: &setpoint_placement::Considered| {
            let name =
                self.fleet.node(c.node).map_or_else(String::new, |info| info.name.to_string());
            let parts: Vec<String> = setpoint_placement::SCORES
                .iter()
                .zip(c.scores.parts)
                .map(|(score, value)| format!("{}={value}", score.name))
                .collect();
            Alternative {
                node: name,
                verdict: parts.join(" "),
                score: Some(c.scores.total_hundredths()),
            }
        };
        considered.iter().take(ALTERNATIVES_MAX).map(of).collect()
    }

    fn placed(&mut self, start: &Start, template: &Template, node: NodeId, new: NewPod) {
        let Some(info) = self.fleet.node(node) else { return };
        let node_name = info.name.clone();
        let id = self.state.intern();
        self.fleet.reserve(PodId(id), node, &new.shape);
        let namespace = self.state.namespace(&start.key.namespace);
        let Some(workload) = self.state.workload.get_mut(&start.workload) else { return };
        let causes = workload.memo.causes.clone();
        workload.memo.next_pod = new.counter + 1;
        workload.memo.waiting = None;
        workload.pods.insert(id);
        let row = PodRow {
            uid: new.uid.clone(),
            name: new.name.to_string(),
            workload: start.key.clone(),
            node: node_name.clone(),
            revision: workload.memo.current,
            counter: new.counter,
            generation: 1,
            epoch: self.out.number,
            term: self.out.term,
            placed_ms: self.now,
            standing: Standing::Starting,
            ready_ms: 0,
            observed: None,
            cause: None,
        };
        let placement = placement_of(&row, template, &start.key);
        let pod = Pod {
            row,
            workload: start.workload,
            node: node.0,
            namespace,
            shape: new.shape,
            fact: None,
            is_seen: false,
        };
        let named = (start.key.namespace.clone(), Arc::from(new.name.as_str()));
        self.state.pod_names.insert(named, new.uid.clone());
        self.state.pods.insert(new.uid.clone(), id);
        self.state.add_pod(id, pod);
        self.refact(id);
        self.state.touch(Table::Pods, &new.uid);
        self.state.touch(Table::Workloads, &start.key);
        self.node_changed_allocation(node.0);
        let about = About {
            pod: new.uid.to_string(),
            resource: start.key.to_string(),
            node: node_name.to_string(),
            causes,
            alternatives: new.alternatives,
            ..About::default()
        };
        let reason = format!("{} has fewer pods than desired", start.key);
        self.ledger.write(Action::Place, "placement", reason, about);
        let uid = new.uid.clone();
        self.out.placements.push(PlacementChange { uid: new.uid, node: node_name, placement });
        self.out.served.push(Served::WaitingGone(uid));
    }

    /// A pod has no place: said once, and again when the reason changes.
    fn waits(&mut self, start: &Start, uid: PodUid, name: &ResourceName, reason: String) {
        self.state.waiting.insert(start.key.clone());
        let Some(workload) = self.state.workload.get_mut(&start.workload) else { return };
        if workload.memo.waiting.as_deref() == Some(reason.as_str()) {
            return;
        }
        workload.memo.waiting = Some(reason.clone());
        let about = About {
            pod: uid.to_string(),
            resource: start.key.to_string(),
            causes: workload.memo.causes.clone(),
            ..About::default()
        };
        self.state.touch(Table::Workloads, &start.key);
        self.state.status_dirty.insert(start.key.clone());
        self.ledger.write(Action::Wait, "placement", reason.clone(), about);
        let waiting =
            WaitingPod { uid, workload: start.key.clone(), name: name.to_string(), reason };
        self.out.served.push(Served::Waiting(Arc::new(waiting)));
    }

    /// Nothing of this workload waits any more.
    pub(crate) fn waits_no_more(&mut self, id: u32, key: &ResourceKey) {
        if self.state.waiting.remove(key)
            && let Some(workload) = self.state.workload.get(&id)
        {
            let uid = identity::pod_uid(&workload.uid, workload.memo.next_pod);
            self.out.served.push(Served::WaitingGone(uid));
        }
    }

    /// A DaemonSet: one pod on every node that it may run on.
    pub(crate) fn plan_daemon(&mut self, id: u32, starts: &mut Vec<Start>) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let (key, current, deleted) =
            (workload.key.clone(), workload.memo.current, workload.deleted);
        let causes = workload.memo.causes.clone();
        let mut held: std::collections::BTreeMap<u32, Vec<(PodUid, u32)>> = Default::default();
        let mut unavailable = 0;
        let mut outdated = Vec::new();
        for number in &workload.pods {
            let Some(pod) = self.state.pod.get(number) else { continue };
            if pod.row.standing == Standing::Stopping {
                unavailable += 1;
                continue;
            }
            unavailable += i64::from(pod.row.standing != Standing::Available);
            held.entry(pod.node).or_default().push((pod.row.uid.clone(), *number));
            if pod.row.revision != current {
                outdated.push((pod.row.uid.clone(), *number));
            }
        }
        if deleted {
            let mut all: Vec<(PodUid, u32)> = held.into_values().flatten().collect();
            all.sort();
            for (_, pod) in all {
                self.withdraw(pod, "daemon", "its workload was deleted".to_owned(), causes.clone());
            }
            return;
        }
        let priority = workload.current_template().map_or(0, |t| t.priority);
        let free: Vec<NodeName> = self
            .fleet
            .nodes()
            .filter(|(node, info)| info.ready && !held.contains_key(&node.0))
            .map(|(_, info)| info.name.clone())
            .collect();
        for node in free {
            starts.push(Start {
                priority,
                key: key.clone(),
                workload: id,
                count: 1,
                node: Some(node),
            });
        }
        // A rolling update of a DaemonSet: the next one goes when all others are available.
        outdated.sort();
        if let (0, Some((_, pod))) = (unavailable, outdated.first()) {
            self.withdraw(*pod, "daemon", "replaced by the current revision".to_owned(), causes);
        }
    }
}

/// Whether a node that would do lacks room. A DaemonSet does not want a pod on the others.
fn lacks_room(reasons: &setpoint_placement::Reasons) -> bool {
    let room =
        |reason: &String| reason.starts_with("Insufficient") || reason.starts_with("Too many");
    reasons.counts.keys().any(room)
}

/// A pod about to be placed.
struct NewPod {
    uid: PodUid,
    name: ResourceName,
    counter: u64,
    shape: Arc<PodShape>,
    alternatives: Vec<Alternative>,
}

/// The template's shape for one node only, as Kubernetes' DaemonSet controller pins its pods: by
/// affinity to the node's name, bearing the taints of an unready or full node.
fn pinned(key: &ResourceKey, template: &Template, node: &NodeName) -> Arc<PodShape> {
    use setpoint_schemas::{
        NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, SelectorOperator,
    };
    let Ok(mut spec) = serde_json::from_str::<PodSpec>(&template.spec) else {
        return template.shape.clone();
    };
    let affinity = spec.affinity.get_or_insert_default();
    let required = affinity.node_affinity.get_or_insert_default().required.get_or_insert_default();
    let only = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: SelectorOperator::In,
        values: vec![node.to_string()],
    };
    if required.node_selector_terms.is_empty() {
        *required = NodeSelector { node_selector_terms: vec![NodeSelectorTerm::default()] };
    }
    for term in &mut required.node_selector_terms {
        term.match_fields.push(only.clone());
    }
    PodShape::compile(&key.namespace, &template.labels, &spec)
        .unwrap_or_else(|_| template.shape.clone())
}

/// The record of a pod's placement; `None` for a name that cannot be on the log, which the door
/// has refused before.
pub(crate) fn placement_of(
    row: &PodRow,
    template: &Template,
    key: &ResourceKey,
) -> Option<Arc<Placement>> {
    Some(Arc::new(Placement {
        uid: row.uid.clone(),
        node: row.node.clone(),
        namespace: Namespace::parse(&key.namespace).ok()?,
        name: ResourceName::parse(&row.name).ok()?,
        workload: Arc::from(key.to_string()),
        revision: template.hash.clone(),
        generation: row.generation,
        term: row.term,
        epoch: row.epoch,
        placed_ms: row.placed_ms,
        labels: template.labels.clone(),
        annotations: template.annotations.clone(),
        spec: template.spec.clone(),
    }))
}
