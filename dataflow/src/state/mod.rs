//! What the engine knows, by key: upserts resolve here, outside the dataflow.
//!
//! Guarantee: every row that decides is in the checkpoint, so an engine rebuilt from it decides as
//! the one that ran through. Interned numbers are never compared to decide anything.

mod answered;
mod devices;
mod bits;
mod budgets;
mod changed;
mod volumes;
mod claims;
mod made_with;
mod classes;
mod early;
mod followers;
mod dependants;
mod conditions;
mod gates;
mod leases;
mod leaving;
mod away;
mod guarded;
mod identity;
mod in_namespace;
mod ledger;
mod look;
mod node;
mod nominees;
mod observations;
mod once;
mod orphan;
mod owners;
mod packed;
mod few;
mod in_turn;
mod job;
mod crons;
mod fillings;
mod limits;
mod queues;
mod quotas;
mod reigns;
mod pod;
mod pods;
mod remains;
mod resources;
mod rows;
mod services;
mod spec;
mod touched;
mod waiting;
mod workload;
mod numbered;
mod marks;
mod memory;
mod named;
mod of_pod;
mod of_job;
mod why;
mod wants;
mod watch;

pub use crate::epoch::Remains;
pub(crate) use answered::{Answered, AnsweredRow};
pub(crate) use budgets::Budgets;
pub use changed::ChangedRows;
pub(crate) use claims::{Claims, claim_key};
pub(crate) use classes::Classes;
pub(crate) use conditions::conditions_in;
pub(crate) use crons::{Cron, CronRow, Crons};
pub(crate) use dependants::Dependants;
pub(crate) use devices::{Devices, DevicesRow};
pub(crate) use early::{Early, EarlyRow, Word};
pub(crate) use followers::Followers;
pub(crate) use gates::OF_ONE_POD;
pub(crate) use guarded::Guarded;
pub(crate) use identity::{IDENTITY_LABELS, Identity};
pub(crate) use in_turn::InTurn;
pub(crate) use job::{IndexFailures, JobMemo, OfJob};
pub(crate) use leases::Leases;
pub(crate) use ledger::Ledger;
pub(crate) use limits::{Limits, is_limit_range, worn_beyond};
pub(crate) use look::Look;
pub(crate) use marks::Marks;
pub(crate) use node::{Node, NodeRow};
pub(crate) use nominees::{Nominated, Nominee, Nominees};
pub(crate) use numbered::Numbered;
pub(crate) use observations::Observations;
pub(crate) use of_pod::PodName;
pub(crate) use once::Done;
pub(crate) use orphan::{Orphan, OrphanRow, Orphans};
pub(crate) use owners::{Owners, OwnersRow, Subject, first_key};
pub(crate) use pod::{Begin, Heard, Pod, Rare, UNPROVEN};
pub(crate) use pods::{NameHash, Pods};
pub(crate) use queues::Who;
pub(crate) use quotas::{Asked, Quotas, is_quota};
pub(crate) use reigns::Reigns;
pub(crate) use remains::AllRemains;
pub(crate) use resources::{Keyed, Resources};
pub(crate) use rows::Rows;
pub use rows::{CheckpointRow, PodInRows, RestoreError, Table, pods_in};
pub(crate) use services::{Services, is_service};
pub(crate) use spec::read_spec;
pub(crate) use touched::Touched;
pub(crate) use volumes::{ClaimTurn, VolumeName};
pub(crate) use waiting::{GATED, Waiters, Waiting, WaitingHere};
pub(crate) use wants::{Identities, min_ready_ms};
pub(crate) use watch::Watch;
pub(crate) use why::Why;
pub(crate) use workload::{Seen, Template, Workload, WorkloadKind, WorkloadMemo, staying};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_rules::pacing::Bucket;
use setpoint_schemas::{NodeName, PodUid, Policy, Resource, ResourceKey};

use crate::epoch::Overview;
use crate::views::{Tally, WorkloadRevision};

/// All state of the engine but the views and the placer's indexes, which follow from it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) meta: Meta,
    pub(crate) resources: Resources,
    /// What the present epoch has changed of them, as it was before.
    pub(crate) overwritten: Keyed<Option<Arc<Resource>>>,
    pub(crate) workloads: BTreeMap<ResourceKey, u32>,
    pub(crate) workload: Numbered<Box<Workload>>,
    pub(crate) nodes: BTreeMap<NodeName, u32>,
    pub(crate) node: Numbered<Node>,
    /// How old the nodes' leases are.
    pub(crate) leases: Leases,
    pub(crate) pods: Pods,
    /// Those of them that may run at most once.
    pub(crate) guarded: Guarded,
    /// What was observed of them, for those who are still to be told.
    pub(crate) observations: Observations,
    /// The devices that pods have.
    pub(crate) devices: Devices,
    pub(crate) namespaces: HashMap<Arc<str>, u32>,
    pub(crate) namespace_names: HashMap<u32, Arc<str>>,
    /// What falls due, by engine time. An entry that is no longer due does nothing when it fires.
    pub(crate) deadlines: BTreeMap<i64, BTreeSet<Deadline>>,
    /// Tallies that were foreseen since the views were last asked, as the views told them.
    pub(crate) foreseen: BTreeMap<WorkloadRevision, Tally>,
    /// Workloads to look at, by number.
    pub(crate) dirty: Marks,
    /// Workloads that were still to be looked at when the last epoch ended.
    pub(crate) pending: Vec<u32>,
    /// Workloads whose status may be another than was told, in the order of their turns to be told.
    pub(crate) status_dirty: InTurn,
    /// Workloads of which more may be remembered than was told, in the order of their turns.
    pub(crate) memory_dirty: InTurn,
    /// DaemonSets that were looked at since the last cold step: the views are to learn how many pods
    /// they want.
    pub(crate) daemons_dirty: BTreeSet<u32>,
    /// The workloads that want a pod a node.
    pub(crate) daemons: BTreeSet<u32>,
    /// Whether the cold views have something new to tell beside statuses.
    pub(crate) cold_dirty: bool,
    /// Nodes whose pods reserve otherwise than readers were told.
    pub(crate) reservations_dirty: Marks,
    /// The fleet in numbers as of the last cold step.
    pub(crate) overview: Arc<Overview>,
    /// Live pods of revisions that are not their workload's current one, as of the last cold step.
    pub(crate) stale: BTreeMap<WorkloadRevision, i64>,
    /// Pods that a node says it has and that are not placed there.
    pub(crate) orphans: Orphans,
    /// What sessions said that are not registered yet.
    pub(crate) early: Early,
    /// What the compacted topics still say of who is gone for good.
    pub(crate) remains: AllRemains,
    /// Workloads with a pod that waits for a place.
    pub(crate) waiting: Waiters,
    /// Pods to which room is promised.
    pub(crate) nominees: Nominees,
    /// The priority classes.
    pub(crate) classes: Classes,
    /// The disruption budgets.
    pub(crate) budgets: Budgets,
    /// The LimitRanges.
    pub(crate) limits: Limits,
    /// How often a workload was looked at for what is to be done about it, in all.
    pub(crate) workloads_looked_at: u64,
    /// The quotas, and what is used of them.
    pub(crate) quotas: Quotas,
    /// The CronJobs, and when each is looked at.
    pub(crate) crons: Crons,
    /// Jobs of which something was decided that their statuses are to say in this very epoch.
    pub(crate) jobs_changed: BTreeSet<u32>,
    /// The claims and volumes, and who uses them.
    pub(crate) claims: Claims,
    /// Who follows ConfigMaps and Secrets.
    pub(crate) followers: Followers,
    /// Who depends on other workloads.
    pub(crate) dependants: Dependants,
    /// Who owns what, and what is in each namespace.
    pub(crate) owners: Owners,
    /// What Services hold.
    pub(crate) services: Services,
    /// Requests that were answered, with their answers.
    pub(crate) answered: Answered,
    /// Rows to write to the checkpoint.
    pub(crate) touched: Touched,
    next_id: u32,
    next_orphan: u32,
}

/// The highest bit of an orphan's number. The views are told of pods and orphans alike that a node has
/// them, so that no pod may have an orphan's number.
const ORPHAN: u32 = 1 << 31;

/// The engine's own row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) policy: Policy,
    pub(crate) bucket: Bucket,
    /// Why replacements are held, when they are.
    pub(crate) hold: Option<String>,
    pub(crate) time_ms: i64,
    pub(crate) number: i64,
    pub(crate) term: i64,
    /// The terms of the epochs before.
    pub(crate) reigns: Reigns,
    /// Engine time at which all leases are judged: from time to time while a hold lasts. Kept, so that a rebuilt
    /// engine judges when the one that ran through does.
    pub(crate) judge_ms: Option<i64>,
    /// Engine time at which all leases began anew last: what was said before was by another clock, or is
    /// older than it seems.
    pub(crate) rebased_ms: i64,
    /// Engine time at which the last hold ended: whoever is still silent then has a whole grace
    /// period from there.
    pub(crate) released_ms: i64,
    /// The number of the workload whose status was told last: the next step goes on behind it. Kept,
    /// so that a rebuilt engine tells in a step what the one that ran through does.
    pub(crate) told_to: u32,
    /// Engine time at which a node was heard last, whichever.
    pub(crate) heard_ms: i64,
    /// Engine time since which more is on the log than is taken in, while it is.
    pub(crate) behind_ms: Option<i64>,
    /// Who of those that wait for a place is to be tried again.
    pub(crate) retry: Retry,
    /// Whether this state may differ from its leader's in what the log does not say: it came from
    /// the compacted topics, or by following decisions that these rules would not have made.
    pub(crate) inexact: bool,
}

/// Who of those that wait for a place is to be tried again. Kept, so that what happened in the last
/// round of an epoch is tried in the next without a further event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retry {
    /// Something was freed, or a node or a namespace changed: everyone.
    pub(crate) freed: bool,
    /// A pod was placed: those that look at other pods.
    pub(crate) joined: bool,
}

impl Retry {
    pub(crate) fn anyone(self) -> bool {
        self.freed || self.joined
    }
}

/// Of so many workloads one must be asked for that all are walked past: a comparison of two keys costs
/// as much as some steps of a walk, and sorting a thousand takes ten of each.
const WALKED: usize = 16;

/// What falls due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    Lease(NodeName),
    MinReady(PodUid),
    Workload(ResourceKey),
    /// A pod of this node has to leave for a taint.
    Eviction(NodeName),
    /// The pods of this lost node that may run at most once have surely ended.
    Release(NodeName),
}

impl State {
    /// A number for a new orphan.
    pub(crate) fn number_orphan(&mut self) -> u32 {
        self.next_orphan = (self.next_orphan + 1) % ORPHAN;
        self.next_orphan | ORPHAN
    }

    /// A number for a new workload, node or namespace. Pods are numbered by where they stand.
    pub(crate) fn intern(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn namespace(&mut self, namespace: &str) -> u32 {
        if let Some(id) = self.namespaces.get(namespace) {
            return *id;
        }
        let id = self.intern();
        let name: Arc<str> = Arc::from(namespace);
        self.namespaces.insert(name.clone(), id);
        self.namespace_names.insert(id, name);
        id
    }

    /// Numbers up to this one are given: the next is above it.
    pub(crate) fn number_from(&mut self, last: u32) {
        self.next_id = self.next_id.max(last);
    }

    /// A row of a table that has no numbers is to be written.
    pub(crate) fn touch(&mut self, table: Table, key: impl ToString) {
        self.touched.others.insert((table, key.to_string()));
    }

    /// A pod's row is to be written.
    pub(crate) fn touch_pod(&mut self, id: u32) {
        if let Some(pod) = self.pods.get_mut(&id)
            && !std::mem::replace(&mut pod.is_touched, true)
        {
            self.touched.pods.push(id);
        }
    }

    /// A workload's row is to be written.
    pub(crate) fn touch_workload(&mut self, id: u32) {
        self.touched.workloads.insert(id);
    }

    /// A DaemonSet is to be looked at on this node.
    pub(crate) fn look_on(&mut self, id: u32, node: &NodeName) {
        if self.workload.get_mut(&id).is_some_and(|workload| workload.memo.look.add(node)) {
            self.touch_workload(id);
        }
    }

    /// A DaemonSet is to be looked at on every node.
    pub(crate) fn look_everywhere(&mut self, id: u32) {
        if let Some(workload) = self.workload.get_mut(&id) {
            workload.memo.look = Look::Everywhere;
            self.touch_workload(id);
        }
    }

    /// Where a DaemonSet is to be looked at, once.
    pub(crate) fn take_look(&mut self, id: u32) -> Look {
        let look = self.workload.get_mut(&id).map(|w| std::mem::take(&mut w.memo.look));
        if look.as_ref().is_some_and(|look| *look != Look::default()) {
            self.touch_workload(id);
        }
        look.unwrap_or_default()
    }

    /// A node's row changed: it is to be written, and its lease is as it says.
    pub(crate) fn touch_node(&mut self, id: u32) {
        self.touched.nodes.insert(id);
        if let Some(node) = self.node.get(&id) {
            self.leases.node_is(id, &node.row);
        }
    }

    /// A resource is this now, or gone; what it was.
    pub(crate) fn set_resource(
        &mut self,
        key: &ResourceKey,
        resource: Option<Arc<Resource>>,
    ) -> Option<Arc<Resource>> {
        self.touch(Table::Resources, key);
        if is_service(key) {
            self.services.set(key, resource.as_deref());
        }
        let before = match resource {
            Some(resource) => self.resources.replace(key, resource),
            None => self.resources.remove(key),
        };
        let after = self.resources.get(key).map(|resource| &**resource);
        self.quotas.keep(key, before.as_deref(), after);
        for subject in self.owners.keep(key, before.as_deref(), after) {
            self.touch(Table::Owners, subject);
        }
        self.overwritten.entry(key.clone()).or_insert_with(|| before.clone());
        before
    }

    /// A workload's resource is this now, with another status.
    pub(crate) fn set_status(&mut self, id: u32, key: &ResourceKey, resource: Arc<Resource>) {
        self.touched.statuses.insert(id);
        let before = self.resources.replace(key, resource);
        self.overwritten.entry(key.clone()).or_insert(before);
    }

    /// Every row counts as changed.
    pub(crate) fn touch_all(&mut self) {
        let resources = self.resources.keys().map(|key| (Table::Resources, key.to_string()));
        let devices = self.devices.pods().map(|uid| (Table::Devices, uid.to_string()));
        let crons = self.crons.rows().map(|row| (Table::Crons, row.key.to_string()));
        let owners = self.owners.rows().map(|row| (Table::Owners, row.subject.to_string()));
        self.touched.others.extend(resources.chain(devices).chain(crons).chain(owners));
        self.touched.remains.extend(self.remains.all());
        self.touched.workloads.extend(self.workload.keys().copied());
        self.touched.nodes.extend(self.node.keys().copied());
        let pods: Vec<u32> = self.pods.all().map(|(id, _)| id).collect();
        pods.into_iter().for_each(|id| self.touch_pod(id));
        self.observations.touch_all();
    }

    pub(crate) fn schedule(&mut self, at_ms: i64, deadline: Deadline) {
        self.deadlines.entry(at_ms).or_default().insert(deadline);
    }

    /// A workload is to be looked at again at this time, if not before. The time is kept, so that a
    /// rebuilt engine looks when the one that ran through does.
    pub(crate) fn look_again(&mut self, id: u32, at_ms: i64) {
        let Some(workload) = self.workload.get_mut(&id) else { return };
        let before = workload.memo.look_ms;
        if before != 0 && before <= at_ms {
            return;
        }
        workload.memo.look_ms = at_ms;
        let key = workload.key.clone();
        self.touch_workload(id);
        self.schedule(at_ms, Deadline::Workload(key));
    }

    /// The time at which a workload was to be looked at again has come. An entry whose time was
    /// moved does nothing.
    pub(crate) fn look_now(&mut self, key: &ResourceKey, now_ms: i64) {
        let Some(id) = self.workloads.get(key).copied() else { return };
        let Some(workload) = self.workload.get_mut(&id) else { return };
        if workload.memo.look_ms != 0 && workload.memo.look_ms <= now_ms {
            workload.memo.look_ms = 0;
            self.touch_workload(id);
            self.mark(id);
        }
    }

    /// Keeps which workloads are still to be looked at, so that a rebuilt engine looks at these and
    /// no others.
    pub(crate) fn keep_pending(&mut self) {
        self.call_queued();
        if self.dirty.is_empty() && self.pending.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.pending);
        self.pending = self.dirty.iter().collect();
        for id in before.iter().chain(&self.pending) {
            let Some(workload) = self.workload.get_mut(id) else { continue };
            let is_pending = self.dirty.contains(*id);
            if std::mem::replace(&mut workload.memo.pending, is_pending) != is_pending {
                self.touched.workloads.insert(*id);
            }
        }
    }

    pub(crate) fn workload_by_key(&mut self, key: &ResourceKey) -> Option<&mut Workload> {
        let id = self.workloads.get(key)?;
        self.workload.get_mut(id).map(Box::as_mut)
    }

    /// Those of these workloads that are there, in the order of their keys. Where they are many of all,
    /// walking past all is cheaper than comparing keys.
    pub(crate) fn by_key(&self, ids: Vec<u32>) -> Vec<u32> {
        if ids.len() > self.workloads.len() / WALKED {
            let mut marks = Marks::default();
            marks.extend(ids);
            return self.workloads.values().copied().filter(|id| marks.contains(*id)).collect();
        }
        let with_key = |id| Some((&self.workload.get(&id)?.key, id));
        let mut workloads: Vec<(&ResourceKey, u32)> =
            ids.into_iter().filter_map(with_key).collect();
        workloads.sort_unstable();
        workloads.into_iter().map(|(_, id)| id).collect()
    }

    /// Marks a workload to be looked at.
    pub(crate) fn mark(&mut self, id: u32) {
        self.dirty.insert(id);
    }

    /// A workload's status is to be looked at: something that it tells changed, beside how its pods
    /// stand.
    pub(crate) fn status_changed(&mut self, id: u32) {
        if let Some(workload) = self.workload.get_mut(&id) {
            workload.shown = None;
        }
        self.status_dirty.insert(id);
        self.memory_dirty.insert(id);
    }
}
