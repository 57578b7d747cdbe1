//! A workload: its spec, its revisions, its counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpoint_placement::PodShape;
use setpoint_rules::batches::Batches;
use setpoint_rules::claim::Claim;
use setpoint_rules::ephemeral;
use setpoint_rules::finalizers::{self, FOREGROUND};
use setpoint_rules::priority::{self, Class};
use setpoint_rules::reschedule::Rescheduled;
use setpoint_rules::revision::Revision;
use setpoint_rules::statefulset;
use setpoint_schemas::{
    GPU_MODEL, Namespace, NodeName, ObjectMeta, Pattern, PodSpec, PodTemplate, Resource,
    ResourceKey, TaintEffect, Toleration, TolerationOperator, WorkloadSpec,
};

use super::few::Few;
use super::fillings::Fillings;
use super::gates::{self, OF_ONE_POD};
use super::job::{Held, JobMemo};
use super::look::Look;
use super::nominees::Nominated;
use super::waiting::{Waiting, WaitingHere};
use super::wants::Wants;
use super::watch::Watch;
use super::why::Why;
use crate::views::Tally;

/// What kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkloadKind {
    /// A Deployment: revisions roll.
    Rolling,
    /// A ReplicaSet or ReplicationController: only the number is kept.
    Keep,
    /// A DaemonSet: one a node.
    Daemon,
    /// A bare pod.
    Bare,
    /// A Job: pods that end, until enough have ended well.
    Job,
    /// A StatefulSet: each pod stands for an identity, which may run at most once.
    Stateful,
}

impl WorkloadKind {
    /// Of a kind's name; `None`: not a workload that we act on.
    pub(crate) fn of(kind: &str) -> Option<WorkloadKind> {
        Some(match kind {
            "Deployment" => WorkloadKind::Rolling,
            "ReplicaSet" | "ReplicationController" => WorkloadKind::Keep,
            "DaemonSet" => WorkloadKind::Daemon,
            "Pod" => WorkloadKind::Bare,
            "Job" => WorkloadKind::Job,
            "StatefulSet" => WorkloadKind::Stateful,
            _ => return None,
        })
    }

    /// What is wanted of a workload of this kind by this spec and the workload's own annotations.
    pub(crate) fn wants(
        self,
        spec: &WorkloadSpec,
        annotations: &BTreeMap<String, String>,
    ) -> Wants {
        let wants = Wants::of(spec, annotations);
        // The gate refuses dependencies of the others; what a schedule makes does not come by there.
        match self {
            WorkloadKind::Stateful => {
                let wants = wants.guarded_by_annotations(spec, annotations);
                wants.without_dependencies().with_identities(spec)
            }
            WorkloadKind::Daemon => wants.guarded_by_annotations(spec, annotations),
            WorkloadKind::Bare | WorkloadKind::Job => wants.without_dependencies(),
            WorkloadKind::Rolling | WorkloadKind::Keep => wants,
        }
    }
}

/// Kubernetes' label with the name of the revision of a StatefulSet's pod.
pub(super) const REVISION_LABEL: &str = "controller-revision-hash";

/// A workload with its numbers.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) key: ResourceKey,
    /// The key as text, as its pods' placements share it.
    pub(crate) text: Arc<str>,
    /// The number of its namespace.
    pub(crate) namespace: u32,
    pub(crate) kind: WorkloadKind,
    pub(crate) uid: String,
    pub(crate) wants: Wants,
    pub(crate) memo: WorkloadMemo,
    pub(crate) templates: Few<Arc<Template>>,
    /// What LimitRanges fill in for its pods.
    pub(crate) fillings: Fillings<Arc<Template>>,
    /// Its pods' numbers; order has no meaning.
    pub(crate) pods: BTreeSet<u32>,
    /// Those of them that ended for good, as the views have it.
    pub(crate) ended: BTreeSet<u32>,
    /// Those of them whose eviction waits for others in their place.
    pub(crate) leaving: BTreeSet<u32>,
    /// Those of them that stop on lost nodes, of a Deployment.
    pub(crate) away: BTreeSet<u32>,
    /// What follows from its pods when it is a Job.
    pub(crate) held: Held,
    pub(crate) tallies: Few<Tally>,
    /// What the views have as desired.
    pub(crate) desired_fact: Option<i64>,
    /// What the views have as the current revision.
    pub(crate) current_fact: Option<u32>,
    /// What its status tells of its pods, where nothing else that it tells changed since.
    pub(crate) shown: Option<Shown>,
    /// Whether its pods go: it is deleted, or is being deleted and they go before it.
    pub(crate) deleted: bool,
    /// Whether it is being deleted and its pods stay as long as finalizers keep it: no other is made.
    pub(crate) is_kept: bool,
    /// The last epoch that gave new pods their numbers, and the first that it gave.
    counting: (i64, u64),
}

/// What the checkpoint keeps of a workload beside its resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkloadMemo {
    /// The number of the next pod.
    pub(crate) next_pod: u64,
    /// The revision that new pods have.
    pub(crate) current: u32,
    /// Templates with pods or in the history, in JSON, by revision number.
    pub(crate) templates: Few<String>,
    /// Hashes of templates whose own text is lost, by revision number: what their placements say.
    pub(crate) hashes: BTreeMap<u32, String>,
    pub(crate) history: Vec<Revision>,
    /// Its pods that have no place.
    pub(crate) waiting: Option<Waiting>,
    /// The pods of a DaemonSet that have no room on their nodes.
    pub(crate) waiting_here: BTreeMap<NodeName, WaitingHere>,
    /// Where a DaemonSet is still to be looked at.
    pub(crate) look: Look,
    /// Its pods that are promised room which others leave, by the numbers that they will have.
    pub(crate) nominated: BTreeMap<u64, Nominated>,
    /// The classes that revisions have their priority of, as they were when they were looked up.
    pub(crate) classes: BTreeMap<u32, Class>,
    /// What brought it to be looked at, until something is done about it.
    pub(crate) whys: Vec<Why>,
    /// Whether something was done about all of them: the next one begins a new list. Until then
    /// they are kept, for what else follows from them.
    pub(crate) whys_served: bool,
    /// Engine time of the last progress of an update.
    pub(crate) progress_ms: i64,
    /// The pods as they were when it was last looked at.
    pub(crate) progress: Seen,
    /// Whether the progress deadline has passed.
    pub(crate) stuck: bool,
    /// Whether the current revision was complete once.
    pub(crate) complete: bool,
    /// How far an update by batches is.
    pub(crate) batches: Batches,
    /// Pods of a Job that ended in a row, for the backoff of replacing them.
    pub(crate) ended_in_row: u32,
    /// What is remembered of replacing pods that ended for good.
    pub(crate) rescheduled: Rescheduled,
    /// No new pod before this engine time.
    pub(crate) not_before_ms: i64,
    /// Engine time at which it is looked at again if nothing happens before; 0: never.
    pub(crate) look_ms: i64,
    /// Whether it is still to be looked at: pacing, or more rounds than an epoch has.
    pub(crate) pending: bool,
    /// What is kept of a Job.
    pub(crate) job: Option<Box<JobMemo>>,
    /// Of a StatefulSet: the revision before the update, which is the current one when none is under
    /// way; 0 where it is not known.
    pub(crate) stable: u32,
    /// Of a StatefulSet: the numbers that are to start and have no place yet.
    pub(crate) ordinals: Vec<u32>,
    /// Of a StatefulSet: no pod of it starts before this engine time, since one of which nothing is
    /// known may still run.
    pub(crate) unproven_until_ms: i64,
    /// The revision whose pods need not wait any more for what the workload depends on; 0: none.
    pub(crate) begun: u32,
    /// The epoch since which pods of it wait for room in a quota; 0: none does.
    pub(crate) queued_since: i64,
    /// How far its current revision is watched.
    pub(crate) watch: Watch,
}

/// What a status tells of pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Live pods of all revisions.
    pub(crate) live: i64,
    /// Live pods of the current revision.
    pub(crate) updated: i64,
    pub(crate) ready: i64,
    pub(crate) available: i64,
    /// Pods that ended for good.
    pub(crate) ended: i64,
}

/// What is looked at to tell whether an update proceeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Live pods of the current revision.
    pub(crate) updated: i64,
    /// Live pods of older ones.
    pub(crate) old: i64,
    pub(crate) ready: i64,
    pub(crate) available: i64,
}

impl Seen {
    /// What nothing is ahead of: how the pods were is not known any more, and how they are is no progress.
    pub(crate) const UNKNOWN: Seen =
        Seen { updated: i64::MAX, old: i64::MIN, ready: i64::MAX, available: i64::MAX };

    /// Whether this is progress, as Kubernetes' Deployment controller sees it.
    pub(crate) fn is_ahead_of(self, before: Seen) -> bool {
        self.updated > before.updated
            || self.old < before.old
            || self.ready > before.ready
            || self.available > before.available
    }
}

/// A pod template, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// What its pods have in common, their revision's hash among it.
    pub(crate) pattern: Arc<Pattern>,
    /// What the names of its pods begin with, once one was named.
    pub(crate) stem: OnceLock<Arc<str>>,
    pub(crate) shape: Arc<PodShape>,
    /// The claims that its volumes name, in order.
    pub(crate) claims: Vec<Arc<str>>,
    /// Its volumes whose claims are made with each pod, and those claims before they have their data.
    pub(crate) made_with: Box<[(String, Claim)]>,
    /// The class that it names.
    pub(crate) class: Option<Arc<str>>,
    /// Whether it states a priority itself.
    pub(crate) states_priority: bool,
    /// Whether gates keep its pods from being placed.
    pub(crate) is_gated: bool,
    /// The conditions that must be true before its pods are ready.
    pub(crate) readiness_gates: Box<[Arc<str>]>,
    /// What its pods bear, with what a DaemonSet's pods bear anyway.
    pub(crate) tolerations: Vec<Toleration>,
}

impl Template {
    /// Compiles a template's JSON for this workload.
    ///
    /// # Errors
    /// A sentence that names what cannot be compiled.
    pub(crate) fn compile(
        workload: &ResourceKey,
        json: &Value,
        kind: WorkloadKind,
    ) -> Result<Template, String> {
        let hash = setpoint_rules::revision::template_hash(json);
        Template::compile_as(workload, json, kind, hash)
    }

    /// As [`Template::compile`], with a hash that is known otherwise.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn compile_as(
        workload: &ResourceKey,
        json: &Value,
        kind: WorkloadKind,
        hash: String,
    ) -> Result<Template, String> {
        let template: PodTemplate =
            serde_json::from_value(json.clone()).map_err(|e| format!("template: {e}"))?;
        let PodTemplate { metadata, mut spec } = template;
        let ObjectMeta { mut labels, mut annotations, .. } = metadata;
        let readiness_gates = gates::gates(&spec, &mut annotations);
        OF_ONE_POD.iter().for_each(|of_one| drop(annotations.remove(*of_one)));
        match kind {
            WorkloadKind::Rolling => {
                labels.insert("pod-template-hash".to_owned(), hash.clone());
            }
            WorkloadKind::Stateful => {
                let name = statefulset::revision_name(&workload.name, &hash);
                labels.insert(REVISION_LABEL.to_owned(), name);
            }
            WorkloadKind::Daemon => daemons_bear(&mut spec.tolerations),
            WorkloadKind::Keep | WorkloadKind::Bare | WorkloadKind::Job => {}
        }
        let (models, labels) = (annotations.get(GPU_MODEL), Arc::new(labels));
        let models = models.map(String::as_str);
        let shape = PodShape::compile_on_models(&workload.namespace, &labels, &spec, models)
            .map_err(|e| e.to_string())?;
        let namespace = Namespace::parse(&workload.namespace).map_err(|e| e.to_string())?;
        let pattern = Pattern {
            namespace,
            workload: Arc::from(workload.to_string()),
            revision: Arc::from(hash),
            labels,
            annotations,
            spec: json["spec"].to_string().into(),
        };
        Ok(Template {
            pattern: Arc::new(pattern),
            stem: OnceLock::new(),
            shape,
            claims: claims_in(&spec),
            made_with: ephemeral::volumes_in(&spec).into(),
            class: priority::class_named(&spec).map(Arc::from),
            states_priority: spec.priority.is_some(),
            is_gated: !spec.scheduling_gates.is_empty(),
            readiness_gates,
            tolerations: spec.tolerations,
        })
    }

    /// As [`Template::compile_as`], with what the class gives its pods; the text stays as it is.
    ///
    /// # Errors
    /// As there, and where the template states otherwise than its class does.
    pub(crate) fn of_class(
        workload: &ResourceKey,
        json: &Value,
        kind: WorkloadKind,
        hash: String,
        class: &Class,
    ) -> Result<Template, String> {
        let spec: PodSpec =
            serde_json::from_value(json["spec"].clone()).map_err(|e| format!("template: {e}"))?;
        priority::by_class(&spec, class)?;
        let mut filled = json.clone();
        priority::fill(&mut filled["spec"], class);
        Template::compile_as(workload, &filled, kind, hash)
    }
}

/// The claims that a spec's volumes name, in order, each once.
fn claims_in(spec: &PodSpec) -> Vec<Arc<str>> {
    let claims = spec.volumes.iter().filter_map(|v| v.persistent_volume_claim.as_ref());
    let names: BTreeSet<&str> = claims.map(|claim| claim.claim_name.as_str()).collect();
    names.into_iter().map(Arc::from).collect()
}

/// What Kubernetes' DaemonSet controller lets its pods bear: they run on a cordoned node, on one that is
/// short of something, and stay on one that is away.
const DAEMONS_BEAR: [(&str, TaintEffect); 6] = [
    ("not-ready", TaintEffect::NoExecute),
    ("unreachable", TaintEffect::NoExecute),
    ("unschedulable", TaintEffect::NoSchedule),
    ("disk-pressure", TaintEffect::NoSchedule),
    ("memory-pressure", TaintEffect::NoSchedule),
    ("pid-pressure", TaintEffect::NoSchedule),
];

/// Lets a DaemonSet's pods bear that for ever, whatever time the template says for the same.
fn daemons_bear(tolerations: &mut Vec<Toleration>) {
    let theirs = DAEMONS_BEAR.map(|(mark, effect)| Toleration {
        key: Some(format!("node.kubernetes.io/{mark}")),
        operator: Some(TolerationOperator::Exists),
        effect: Some(effect),
        ..Toleration::default()
    });
    tolerations.retain(|own| {
        let own = Toleration { toleration_seconds: None, ..own.clone() };
        !theirs.contains(&own)
    });
    tolerations.extend(theirs);
}

/// Pods that do not stop.
pub(crate) fn staying(tally: &Tally) -> i64 {
    tally.live + tally.ended + tally.stranded
}

impl WorkloadMemo {
    /// Whether some of its pods have no place.
    pub(crate) fn waits(&self) -> bool {
        self.waiting.is_some() || !self.waiting_here.is_empty() || !self.nominated.is_empty()
    }
}

impl Workload {
    /// A workload of this resource, without pods.
    pub(crate) fn new(key: ResourceKey, namespace: u32, kind: WorkloadKind, uid: &str) -> Self {
        Workload {
            text: Arc::from(key.to_string()),
            key,
            namespace,
            kind,
            uid: uid.to_owned(),
            wants: Wants::default(),
            memo: WorkloadMemo::default(),
            templates: Few::default(),
            fillings: Fillings::default(),
            pods: BTreeSet::new(),
            ended: BTreeSet::new(),
            leaving: BTreeSet::new(),
            away: BTreeSet::new(),
            held: Held::default(),
            tallies: Few::default(),
            desired_fact: None,
            current_fact: None,
            shown: None,
            deleted: false,
            is_kept: false,
            counting: (0, 0),
        }
    }

    /// New pods are about to get numbers in this epoch.
    pub(crate) fn count_in(&mut self, epoch: i64) {
        if self.counting.0 != epoch {
            self.counting = (epoch, self.memo.next_pod);
        }
    }

    /// Pods that this epoch placed were taken back: their numbers are to give again, as far as none
    /// that is in use is behind them. A number of an earlier epoch never comes again.
    pub(crate) fn count_back(&mut self, epoch: i64, last_of_pods: Option<u64>) {
        if self.counting.0 != epoch {
            return;
        }
        let here = self.memo.waiting_here.values().map(|here| here.counter).max();
        let last_that_waits = here.max(self.memo.nominated.keys().copied().max());
        let after = last_of_pods.max(last_that_waits).map_or(0, |last| last + 1);
        self.memo.next_pod = self.memo.next_pod.min(self.counting.1.max(after));
    }

    /// The sum of the tallies over all revisions.
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.tallies.values() {
            total.add(tally, 1);
        }
        total
    }

    /// Whether pods of other revisions than the current one are there, and do not stop.
    pub(crate) fn has_outdated(&self) -> bool {
        staying(&self.total()) > staying(&self.updated())
    }

    /// The tally of the revision that new pods have.
    pub(crate) fn updated(&self) -> Tally {
        self.tallies.get(&self.memo.current).copied().unwrap_or_default()
    }

    /// What its status is to tell of its pods.
    pub(crate) fn to_show(&self) -> Shown {
        let Tally { live, ready, available, ended, .. } = self.total();
        Shown { live, updated: self.updated().live, ready, available, ended }
    }

    /// How many pods it wants; 0 once it is deleted, and no other than those that are there while finalizers
    /// keep it.
    pub(crate) fn desired(&self) -> i64 {
        let wanted = self.memo.job.as_ref().map_or(self.wants.desired, |job| job.wanted);
        match (self.deleted, self.is_kept) {
            (true, _) => 0,
            (false, true) => wanted.min(self.total().live),
            (false, false) => wanted,
        }
    }

    /// What its resource says of its deletion. The containers of a Pod that is being deleted end whatever
    /// keeps it; the pods of others stay, unless they are to go before it.
    pub(crate) fn leave_as(&mut self, resource: &Resource) {
        let is_leaving = resource.deleted_ms.is_some();
        let named = || finalizers::of_text(&resource.kind, &resource.body);
        let pods_go = is_leaving
            && (self.kind == WorkloadKind::Bare || named().iter().any(|name| name == FOREGROUND));
        (self.deleted, self.is_kept) = (pods_go, is_leaving && !pods_go);
    }
}
