//! The accepted state, kept in the plainest way from inputs and outcomes.
//!
//! Absent: any notion of what should be decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use setpoint_dataflow::{Epoch, Outcome, Served};
use setpoint_schemas::{
    Decision, Input, NodeName, NodeRecord, NodeSnapshot, ObjectMeta, Placement, PodSpec, PodUid,
    Resource, ResourceKey, Resources, SessionId, Taint, Topic, WorkloadSpec,
};

use super::labels::Labels;

/// A node, as it said and as the operator wants it.
#[derive(Debug, Clone)]
pub(super) struct NodeSeen {
    pub(super) record: NodeRecord,
    pub(super) lost: bool,
    /// Its lease ended under a hold: nobody knows whether it is ready.
    pub(super) doubted: bool,
    pub(super) labels: Labels,
    pub(super) taints: Vec<Taint>,
    /// Since when it has each of them that says so, by key.
    pub(super) tainted_ms: BTreeMap<String, i64>,
    pub(super) unschedulable: bool,
}

/// A pod of which something may be left on its node.
#[derive(Debug, Clone)]
pub(super) struct PodSeen {
    pub(super) placement: Arc<Placement>,
    pub(super) spec: Arc<PodSpec>,
    /// Its placement is withdrawn.
    pub(super) stopping: bool,
    pub(super) ended: bool,
    /// Whether one of its containers was seen to run, or to have run.
    pub(super) begun: bool,
    /// Whether its node says that it is ready; whether it is, its gates say as well.
    pub(super) said_ready: bool,
    pub(super) ready_since: Option<i64>,
    pub(super) available: bool,
    /// The epoch in which its placement was withdrawn.
    withdrawn: i64,
    /// The last observation that counted.
    pub(super) heard: Option<(SessionId, i64)>,
}

/// A workload, as accepted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) spec: WorkloadSpec,
    /// The template's spec as its pods' placements have it.
    pub(super) spec_text: String,
    pub(super) status: Value,
    /// All that its manifest says: what a Job is asked of, and the claims of a set's pods.
    pub(super) job: Value,
    /// Whether an update pauses between its batches.
    pub(super) in_batches: bool,
    /// Whether it waits for others before its pods are started.
    pub(super) waits: bool,
}

/// Room that is promised to a pod that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    pub(super) workload: String,
    pub(super) namespace: String,
    pub(super) labels: Labels,
    /// The pod's spec as it was when it was promised: an update may ask for another.
    pub(super) spec: String,
    pub(super) node: NodeName,
    /// The devices that are promised with it, by id.
    pub(super) devices: Vec<Arc<str>>,
}

/// All that was accepted.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) now_ms: i64,
    /// The present epoch.
    epoch: i64,
    pub(super) nodes: BTreeMap<NodeName, NodeSeen>,
    pub(super) pods: BTreeMap<PodUid, PodSeen>,
    pub(super) workloads: BTreeMap<String, Wanted>,
    /// When a pod of a workload last ended for good.
    pub(super) ended_ms: BTreeMap<String, i64>,
    /// Workloads of which a pod waits for a place.
    pub(super) waiting: BTreeMap<PodUid, String>,
    /// Those of them to which room is promised.
    pub(super) promised: BTreeMap<PodUid, Promise>,
    /// Pods that went in the present epoch: what it says of their placements is over.
    pub(super) went: BTreeSet<PodUid>,
    pub(super) resources: BTreeMap<ResourceKey, Arc<Resource>>,
    /// Namespaces that quotas or LimitRanges bound, or did.
    pub(super) bounded: BTreeSet<String>,
    /// Whether the present epoch's cut covers every partition's end.
    pub(super) is_complete: bool,
    /// What sessions said whose records are still to be read: of each pod, and of all of a node's.
    pub(super) early: BTreeMap<(NodeName, SessionId, Option<PodUid>), (i64, Input)>,
}

impl NodeSeen {
    pub(super) fn new(record: NodeRecord) -> NodeSeen {
        NodeSeen {
            record,
            lost: false,
            doubted: false,
            labels: Labels::new(),
            taints: Vec::new(),
            tainted_ms: BTreeMap::new(),
            unschedulable: false,
        }
    }
}

impl PodSeen {
    pub(super) fn new(placement: Arc<Placement>) -> PodSeen {
        let spec = serde_json::from_str(&placement.pattern.spec).unwrap_or_default();
        PodSeen {
            placement,
            spec: Arc::new(spec),
            stopping: false,
            ended: false,
            begun: false,
            said_ready: false,
            ready_since: None,
            available: false,
            withdrawn: 0,
            heard: None,
        }
    }

    /// Of one that may run at most once only a node that went by a list without it proves by silence that
    /// it ended.
    pub(super) fn is_over_by(&self, snapshot: &NodeSnapshot) -> bool {
        !(self.stopping && self.placement.at_most_one) || self.withdrawn <= snapshot.epoch
    }

    /// It is ready when its node says so and its gates are open, from now on where it was not before.
    pub(super) fn stand(&mut self, now_ms: i64, min_ready_ms: i64) {
        let ready = self.said_ready && self.placement.gates_are_open();
        self.ready_since = ready.then(|| self.ready_since.unwrap_or(now_ms));
        self.available = match self.ready_since {
            Some(since) => self.available || now_ms >= since + min_ready_ms,
            None => false,
        };
    }

    fn withdraw(&mut self, epoch: i64) {
        if !self.stopping {
            (self.stopping, self.withdrawn) = (true, epoch);
        }
    }

    /// Whether it has finished and was counted: it holds no room and is nobody's company.
    pub(super) fn is_finished(&self) -> bool {
        self.placement.is_finished()
    }

    pub(super) fn is_live(&self) -> bool {
        !self.stopping && !self.ended
    }
}

impl World {
    /// Takes in what an epoch was told and what it accepted, all but its placements.
    pub(super) fn take(&mut self, epoch: &Epoch, outcome: &Outcome) {
        (self.now_ms, self.epoch) = (epoch.time_ms, epoch.number);
        self.is_complete = epoch.complete;
        self.went.clear();
        for (key, resource) in &outcome.resources {
            match resource {
                Some(resource) => self.resources.insert(key.clone(), resource.clone()),
                None => self.resources.remove(key),
            };
            self.workload_changed(key);
            self.note_bound(key);
        }
        self.deleted(outcome);
        for sourced in &epoch.inputs {
            match &sourced.input {
                Input::Node(record) => self.node_said(record),
                Input::NodeRemoved(name) => {
                    self.nodes.remove(name);
                    let gone = self.pods.extract_if(.., |_, pod| pod.placement.node == *name);
                    self.went.extend(gone.map(|(uid, _)| uid));
                }
                Input::Pod(observed) => self.observed(&observed.whole()),
                Input::Snapshot(snapshot) => self.snapshot(snapshot),
                Input::PodRemoved(_) | Input::Request(_) | Input::Lease(_) => {}
            }
        }
        if epoch.complete {
            self.early.clear();
            self.time_passes();
        }
        self.served(outcome);
        self.released(outcome);
        let is_node = |(key, _): &(ResourceKey, _)| &*key.kind.kind == "Node";
        let said = |s: &setpoint_schemas::Sourced| matches!(s.input, Input::Node(_));
        if outcome.resources.iter().any(is_node) || epoch.inputs.iter().any(said) {
            self.refresh_nodes();
        }
    }

    /// Begins anew with the nodes and the waiting pods that a leader tells of, and the pods that stand.
    pub(super) fn begin_anew(&mut self, known: &Outcome) {
        self.now_ms = known.time_ms;
        self.early.clear();
        self.waiting.clear();
        self.promised.clear();
        self.nodes.clear();
        self.forget_who_stops();
        for served in &known.served {
            if let Served::Node(name, Some(node)) = served {
                self.nodes.insert(name.clone(), NodeSeen::new((*node.record).clone()));
            }
        }
        self.served(known);
        self.refresh_nodes();
    }

    /// Forgets the pods whose placements are withdrawn.
    pub(super) fn forget_who_stops(&mut self) {
        self.pods.retain(|_, pod| !pod.stopping);
    }

    /// A placement is new, changed or withdrawn.
    pub(super) fn placed(&mut self, uid: &PodUid, placement: Option<&Arc<Placement>>) {
        let workload = placement.map_or("", |placement| &placement.pattern.workload);
        let (now_ms, min_ready_ms) = (self.now_ms, self.min_ready_ms(workload));
        match (placement, self.pods.get_mut(uid)) {
            (None, Some(pod)) => pod.withdraw(self.epoch),
            (None, None) => {}
            (Some(placement), Some(pod)) => {
                let is_told = pod.placement.conditions() != placement.conditions();
                pod.placement = placement.clone();
                if is_told && pod.is_live() {
                    pod.stand(now_ms, min_ready_ms);
                }
            }
            (Some(placement), None) => {
                self.pods.insert(uid.clone(), PodSeen::new(placement.clone()));
            }
        }
    }

    /// What is reserved on a node.
    pub(super) fn reserved(&self, node: &NodeName) -> Resources {
        let mut sum = Resources::default();
        let here = self.pods.values().filter(|pod| pod.placement.node == *node);
        let here = here.filter(|pod| !pod.is_finished());
        here.for_each(|pod| sum.add(&pod.spec.requests()));
        sum
    }

    /// The pods of a workload that run or are meant to, on nodes that are not lost.
    pub(super) fn live<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a PodSeen> {
        self.pods_of(workload).filter(|pod| pod.is_live() && !self.is_lost(&pod.placement.node))
    }

    pub(super) fn pods_of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a PodSeen> {
        self.pods.values().filter(move |pod| &*pod.placement.pattern.workload == workload)
    }

    pub(super) fn is_lost(&self, node: &NodeName) -> bool {
        self.nodes.get(node).is_some_and(|node| node.lost)
    }

    pub(super) fn namespace_labels(&self, namespace: &str) -> Labels {
        let of = |r: &&Arc<Resource>| r.kind == "Namespace" && r.name == namespace;
        let found = self.resources.values().find(of);
        found.map(|resource| meta_of(resource).labels).unwrap_or_default()
    }

    fn workload_changed(&mut self, key: &ResourceKey) {
        let kinds = [
            "Deployment",
            "ReplicaSet",
            "ReplicationController",
            "DaemonSet",
            "StatefulSet",
            "Pod",
            "Job",
        ];
        let text = key.to_string();
        let resource = self.resources.get(key).filter(|r| kinds.contains(&r.kind.as_str()));
        // What is being deleted goes with its pods: these people hold no workload back.
        let resource = resource.filter(|r| r.deleted_ms.is_none());
        let Some(resource) = resource else {
            self.workloads.remove(&text);
            return;
        };
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let is_bare = resource.kind == "Pod";
        let mut spec: WorkloadSpec = match is_bare {
            true => WorkloadSpec { replicas: Some(1), ..WorkloadSpec::default() },
            false => serde_json::from_value(body["spec"].clone()).unwrap_or_default(),
        };
        let template = if is_bare { &body } else { &body["spec"]["template"] };
        spec.template.spec = serde_json::from_value(template["spec"].clone()).unwrap_or_default();
        let labels = template["metadata"]["labels"].clone();
        spec.template.metadata.labels = serde_json::from_value(labels).unwrap_or_default();
        let wanted = Wanted {
            kind: resource.kind.clone(),
            namespace: resource.namespace.clone(),
            name: resource.name.clone(),
            spec,
            spec_text: template["spec"].to_string(),
            status: serde_json::from_str(&resource.status).unwrap_or_default(),
            job: body["spec"].clone(),
            waits: body["metadata"]["annotations"]["setpoint.dev/depends-on"].is_string(),
            in_batches: body["metadata"]["annotations"]["setpoint.dev/update-delay-ms"].is_string(),
        };
        self.workloads.insert(text, wanted);
    }

    /// Pods whose deletion was asked for, or that left for a taint as it came: requests come before what
    /// nodes say.
    fn deleted(&mut self, outcome: &Outcome) {
        let is_asked = |d: &&Decision| {
            d.rule == "delete"
                || (d.rule == "eviction" && d.reason == "its eviction was asked for")
                || (d.rule == "taint" && d.causes.iter().any(|c| c.topic == Topic::Requests.name()))
        };
        for decision in outcome.ledger().iter().filter(is_asked) {
            let uid = PodUid::parse(&decision.pod).ok();
            if let Some(pod) = uid.and_then(|uid| self.pods.get_mut(&uid)) {
                pod.withdraw(self.epoch);
            }
        }
    }

    /// Ready pods become available when they were ready for long enough.
    fn time_passes(&mut self) {
        let now_ms = self.now_ms;
        let ready: Vec<PodUid> = self
            .pods
            .iter()
            .filter(|(_, pod)| {
                let min_ready_ms = self.min_ready_ms(&pod.placement.pattern.workload);
                pod.ready_since.is_some_and(|since| now_ms >= since + min_ready_ms)
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in ready {
            if let Some(pod) = self.pods.get_mut(&uid) {
                pod.available = true;
            }
        }
    }

    pub(super) fn min_ready_ms(&self, workload: &str) -> i64 {
        let wanted = self.workloads.get(workload);
        wanted.map_or(0, |wanted| i64::from(wanted.spec.min_ready_seconds.max(0)) * 1_000)
    }

    fn served(&mut self, outcome: &Outcome) {
        for served in &outcome.served {
            match served {
                Served::Node(name, Some(node)) => {
                    if let Some(seen) = self.nodes.get_mut(name) {
                        (seen.lost, seen.doubted) = (node.lost, node.doubt.is_some());
                    }
                }
                Served::Waiting(pod) => {
                    let workload = pod.workload.to_string();
                    let devices = pod.devices.clone();
                    let node = pod.nominated.clone();
                    match node.and_then(|node| self.promise(&workload, node, devices)) {
                        Some(promise) => drop(self.promised.insert(pod.uid.clone(), promise)),
                        None => drop(self.promised.remove(&pod.uid)),
                    }
                    self.waiting.insert(pod.uid.clone(), workload);
                }
                Served::WaitingGone(uid) => {
                    self.waiting.remove(uid);
                    self.promised.remove(uid);
                }
                _ => {}
            }
        }
    }

    /// Pods of lost nodes that surely ended, as far as the engine says so: that no identity runs twice is
    /// seen where they run.
    fn released(&mut self, outcome: &Outcome) {
        for served in &outcome.served {
            let Served::PodGone(uid) = served else { continue };
            let is_lost = |pod: &PodSeen| {
                let node = self.nodes.get(&pod.placement.node);
                pod.placement.at_most_one && node.is_none_or(|node| node.lost)
            };
            if self.pods.get(uid).is_some_and(is_lost) {
                self.pods.remove(uid);
                self.went.insert(uid.clone());
            }
        }
    }

    /// What a promise to a pod of this workload is worth now.
    pub(super) fn promise(
        &self,
        workload: &str,
        node: NodeName,
        devices: Vec<Arc<str>>,
    ) -> Option<Promise> {
        let wanted = self.workloads.get(workload)?;
        let (namespace, spec) = (wanted.namespace.clone(), wanted.spec_text.clone());
        let labels = wanted.spec.template.metadata.labels.clone();
        Some(Promise { workload: workload.to_owned(), namespace, labels, spec, node, devices })
    }
}

fn meta_of(resource: &Resource) -> ObjectMeta {
    let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
    serde_json::from_value(body["metadata"].clone()).unwrap_or_default()
}
