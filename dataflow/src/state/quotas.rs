//! The quotas, what each covers, and what of it is used, counted as it changes.
//!
//! Guarantee: what is used equals what counting all pods and objects of the namespace would give: each pod and
//! each object is counted when it comes and taken back when it goes, whether there are quotas or not, so that
//! a new quota costs its namespace's workloads and none of their pods. Absent: rows; all of it follows from
//! resources and pods.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;
use setpoint_rules::quota::{self, Holdings, Measure, Milli, Quota};
use setpoint_schemas::{PodSpec, Resource, ResourceKey};

use super::bits::Bits;
use super::queues::{Ask, Called, Queues, Who};
use super::{State, Workload};
use crate::views::Standing;

/// A revision of a workload, with what LimitRanges filled in for the pods that have it.
pub(crate) type Revision = (u32, u32, Option<Arc<str>>);

/// All quotas.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    rows: BTreeMap<u32, Row>,
    numbers: BTreeMap<ResourceKey, u32>,
    /// The quotas of each namespace, in the order of their keys.
    by_namespace: HashMap<Arc<str>, BTreeMap<ResourceKey, u32>>,
    /// The quotas that cover each revision of a workload, in the order of their keys.
    of: HashMap<Revision, Vec<Charged>>,
    /// The revisions of each workload that some quota covers.
    covered: HashMap<u32, Vec<Revision>>,
    pods: HashMap<Revision, Counted, FxBuildHasher>,
    /// The pods that count as not finished.
    held: Bits,
    holdings: HashMap<Arc<str>, Holdings>,
    /// Who waits for a quota.
    pub(crate) queues: Queues,
    /// Quotas whose status is to be told at the next cold step.
    pub(crate) dirty: BTreeSet<ResourceKey>,
    given: u32,
}

#[derive(Debug)]
struct Row {
    key: ResourceKey,
    quota: Quota,
    /// What the pods come to, for each bound.
    pods: Vec<Milli>,
}

/// What a pod of a revision counts in a quota.
#[derive(Debug)]
struct Charged {
    number: u32,
    charge: Vec<Milli>,
    /// What its spec does not say and would have to.
    unsaid: String,
}

/// Pods of a revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    /// Those that have not finished, and do not stop on a lost node.
    held: Milli,
    /// Those that there are.
    there: Milli,
}

/// What the items of a request so far ask for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    holdings: HashMap<Arc<str>, Holdings>,
    pods: BTreeMap<u32, Vec<Milli>>,
}

/// Whether a resource is a quota.
pub(crate) fn is_quota(key: &ResourceKey) -> bool {
    &*key.kind.kind == "ResourceQuota" && key.kind.group.is_empty()
}

impl Quotas {
    /// A quota is this now; the workloads of its namespace are to be looked at.
    pub(crate) fn put(&mut self, key: &ResourceKey, quota: Quota) {
        self.remove(key);
        self.given += 1;
        let number = self.given;
        let pods = vec![0; quota.bounds.len()];
        self.numbers.insert(key.clone(), number);
        let here = self.by_namespace.entry(key.namespace.clone()).or_default();
        here.insert(key.clone(), number);
        self.rows.insert(number, Row { key: key.clone(), quota, pods });
        self.dirty.insert(key.clone());
    }

    /// A quota is gone; the workloads of its namespace are to be looked at.
    pub(crate) fn remove(&mut self, key: &ResourceKey) {
        let Some(number) = self.numbers.remove(key) else { return };
        self.rows.remove(&number);
        self.dirty.remove(key);
        if let Some(others) = self.by_namespace.get_mut(&key.namespace) {
            others.remove(key);
            if others.is_empty() {
                self.by_namespace.remove(&key.namespace);
            }
        }
    }

    /// Whether any quota is about this namespace.
    pub(crate) fn is_about(&self, namespace: &str) -> bool {
        self.by_namespace.contains_key(namespace)
    }

    /// A workload is new, changed or gone: what its pods count where is found out anew.
    pub(crate) fn look_at(&mut self, id: u32, workload: Option<&Workload>) {
        for revision in self.covered.remove(&id).unwrap_or_default() {
            for charged in self.of.remove(&revision).into_iter().flatten() {
                self.charge(&revision, &charged, -1);
            }
        }
        let Some(workload) = workload else { return };
        let Some(here) = self.by_namespace.get(&workload.key.namespace) else { return };
        let numbers: Vec<u32> = here.values().copied().collect();
        for (number, worn, template) in workload.all_worn() {
            let spec: PodSpec = serde_json::from_str(&template.pattern.spec).unwrap_or_default();
            let covering = numbers.iter().filter_map(|number| self.charged(*number, &spec));
            let of: Vec<Charged> = covering.collect();
            if of.is_empty() {
                continue;
            }
            let revision = (id, number, worn);
            of.iter().for_each(|charged| self.charge(&revision, charged, 1));
            self.covered.entry(id).or_default().push(revision.clone());
            self.of.insert(revision, of);
        }
    }

    /// What a pod of this spec counts in a quota that covers it.
    fn charged(&self, number: u32, spec: &PodSpec) -> Option<Charged> {
        let quota = &self.rows.get(&number)?.quota;
        let charge = quota.covers(spec).then(|| quota.charge(spec))?;
        Some(Charged { number, charge, unsaid: quota.unsaid(spec) })
    }

    /// Counts all pods of a revision in a quota, or takes them back.
    fn charge(&mut self, revision: &Revision, charged: &Charged, times: Milli) {
        let counted = self.pods.get(revision).copied().unwrap_or_default();
        if let Some(row) = self.rows.get_mut(&charged.number)
            && row.add(&charged.charge, counted, times)
        {
            self.dirty.insert(row.key.clone());
        }
    }

    /// So many more pods of a revision are there; whether some quota has more room by it.
    fn count(&mut self, revision: Revision, more: Counted) -> bool {
        let counted = self.pods.entry(revision.clone()).or_default();
        (counted.held, counted.there) = (counted.held + more.held, counted.there + more.there);
        if *counted == Counted::default() {
            self.pods.remove(&revision);
        }
        let Some(of) = self.of.get(&revision) else { return false };
        for charged in of {
            if let Some(row) = self.rows.get_mut(&charged.number)
                && row.add(&charged.charge, more, 1)
            {
                self.dirty.insert(row.key.clone());
            }
        }
        more.held < 0 || more.there < 0
    }

    /// Why one more pod of a revision may not be made now, beside so many that are as good as made.
    pub(crate) fn forbid(&self, revision: &Revision, beside: Milli) -> Option<String> {
        self.of.get(revision).into_iter().flatten().find_map(|charged| {
            let ahead = charged.charge.iter().map(|one| one * beside).collect();
            let pods = BTreeMap::from([(charged.number, ahead)]);
            self.refused(charged, &charged.charge, &Asked { pods, ..Asked::default() })
        })
    }

    /// Why a pod of this spec may not be made after what was asked for before.
    pub(crate) fn forbid_pod(
        &self,
        namespace: &str,
        spec: &PodSpec,
        before: &Asked,
    ) -> Option<String> {
        self.here(namespace).find_map(|number| {
            let charged = self.charged(number, spec)?;
            self.refused(&charged, &charged.charge, before)
        })
    }

    fn refused(&self, charged: &Charged, asked: &[Milli], before: &Asked) -> Option<String> {
        let row = self.rows.get(&charged.number)?;
        if !charged.unsaid.is_empty() {
            return Some(quota::failed(&row.key.name, &charged.unsaid));
        }
        let mut used = self.used(row);
        for (used, before) in
            used.iter_mut().zip(before.pods.get(&charged.number).into_iter().flatten())
        {
            *used += before;
        }
        row.quota.exceeded(&row.key.name, asked, &used)
    }

    /// Why objects of a namespace may not come to as much more after what was asked for before.
    pub(crate) fn forbid_more(
        &self,
        namespace: &str,
        more: &Holdings,
        before: &Asked,
    ) -> Option<String> {
        let before = before.holdings.get(namespace);
        self.here(namespace).find_map(|number| {
            let row = self.rows.get(&number)?;
            let mut used = self.used(row);
            let bounds = || row.quota.bounds.iter().map(|bound| &bound.measure);
            for (used, measure) in used.iter_mut().zip(bounds()) {
                *used += before.map_or(0, |before| before.come_to(measure));
            }
            let asked: Vec<Milli> = bounds().map(|measure| more.come_to(measure)).collect();
            row.quota.exceeded(&row.key.name, &asked, &used)
        })
    }

    /// Takes note of a pod that a request asks for.
    pub(crate) fn ask_pod(&self, namespace: &str, spec: &PodSpec, asked: &mut Asked) {
        for charged in self.here(namespace).filter_map(|number| self.charged(number, spec)) {
            let sum = asked.pods.entry(charged.number).or_default();
            sum.resize(charged.charge.len(), 0);
            sum.iter_mut().zip(&charged.charge).for_each(|(sum, one)| *sum += one);
        }
    }

    fn here(&self, namespace: &str) -> impl Iterator<Item = u32> + '_ {
        self.by_namespace.get(namespace).into_iter().flat_map(BTreeMap::values).copied()
    }

    /// What is used of each bound.
    fn used(&self, row: &Row) -> Vec<Milli> {
        let holdings = self.holdings.get(&row.key.namespace);
        let of = |(measure, pods): (&Measure, &Milli)| match measure.is_of_pods() {
            true => *pods,
            false => holdings.map_or(0, |holdings| holdings.come_to(measure)),
        };
        let measures = row.quota.bounds.iter().map(|bound| &bound.measure);
        measures.zip(&row.pods).map(of).collect()
    }

    /// The status of a quota.
    pub(crate) fn status(&self, key: &ResourceKey) -> Option<serde_json::Value> {
        let row = self.rows.get(self.numbers.get(key)?)?;
        Some(row.quota.status(&self.used(row)))
    }

    /// A resource became another, came or went. What it comes to is read only where it can have changed.
    pub(crate) fn keep(
        &mut self,
        key: &ResourceKey,
        before: Option<&Resource>,
        after: Option<&Resource>,
    ) {
        let is_same = match (before, after) {
            (None, None) => true,
            (Some(before), Some(after)) => {
                !Holdings::is_by_body(&key.kind) || before.body == after.body
            }
            _ => false,
        };
        if key.namespace.is_empty() || is_same {
            return;
        }
        if before.is_some() {
            self.queues.free(&key.namespace);
        }
        let holdings = self.holdings.entry(key.namespace.clone()).or_default();
        for (resource, times) in [(before, -1), (after, 1)] {
            if let Some(resource) = resource {
                holdings.add(&Holdings::of(&key.kind, &resource.body), times);
            }
        }
        if *holdings == Holdings::default() {
            self.holdings.remove(&key.namespace);
        }
        if let Some(here) = self.by_namespace.get(&key.namespace) {
            self.dirty.extend(here.keys().cloned());
        }
    }

    /// Whether there is room for as much more of these bounds of a quota, beside what is ahead. What is not
    /// there bounds nothing.
    fn has_room(&self, namespace: &Arc<str>, ask: &Ask, ahead: i128) -> bool {
        let number = self.by_namespace.get(namespace).and_then(|here| {
            let named = |(key, _): &(&ResourceKey, &u32)| *key.name == *ask.quota;
            here.iter().find(named).map(|(_, number)| number)
        });
        let Some(row) = number.and_then(|number| self.rows.get(number)) else { return true };
        let used = self.used(row);
        let bounds = row.quota.bounds.iter().zip(used);
        bounds.into_iter().all(|(bound, used)| {
            let asked = ask.amounts.iter().find(|(name, _)| *name == bound.name);
            asked.is_none_or(|(_, asked)| bound.allows(used + asked * (ahead + 1)))
        })
    }

    /// Of those who wait in a namespace in which something went, as many as there is room for, who has waited
    /// longest first: with each the nodes for which it does, where it is a DaemonSet.
    pub(crate) fn take_freed(&mut self, wants: impl Fn(u32) -> u64) -> Vec<Called> {
        let mut called = Vec::new();
        for namespace in self.queues.take_freed() {
            let has_room = |ask: &Ask, ahead: i128| self.has_room(&namespace, ask, ahead);
            called.extend(self.queues.call(&namespace, has_room, &wants));
        }
        called
    }
}

impl Row {
    /// Counts so many more pods so many times; whether that changed anything.
    fn add(&mut self, charge: &[Milli], more: Counted, times: Milli) -> bool {
        let mut has_changed = false;
        let measures = self.quota.bounds.iter().map(|bound| &bound.measure);
        for ((sum, one), measure) in self.pods.iter_mut().zip(charge).zip(measures) {
            let pods = if *measure == Measure::EveryPod { more.there } else { more.held };
            let added = one * pods * times;
            *sum += added;
            has_changed |= added != 0;
        }
        has_changed
    }
}

impl Asked {
    /// Takes note of what an object of a request is, and what it was.
    pub(crate) fn note(&mut self, namespace: &Arc<str>, more: &Holdings) {
        self.holdings.entry(namespace.clone()).or_default().add(more, 1);
    }
}

impl State {
    /// Finds out who of a workload waits for a quota, where nobody was there when it began to.
    pub(crate) fn find_awaiting(&mut self, id: u32) {
        let Some(workload) = self.workload.get(&id) else { return };
        let memo = &workload.memo;
        let who = Who { key: &workload.key, id, since: memo.queued_since };
        let queues = &mut self.quotas.queues;
        if let Some(waiting) = &memo.waiting {
            queues.queue(&who, None, Some(&waiting.reason));
        }
        for (node, here) in &memo.waiting_here {
            queues.queue(&who, Some(node), Some(&here.reason));
        }
    }

    /// Counts a pod as it stands now; whether some quota has more room by it. Of a pod that stops on a
    /// lost node nobody knows when it is gone, and what comes in its place needs its room.
    pub(crate) fn count_pod(&mut self, id: u32, standing: Option<Standing>, is_new: bool) -> bool {
        let Some(pod) = self.pods.get(&id) else { return false };
        let revision = (pod.workload, pod.revision, pod.worn().cloned());
        let is_lost = || self.host(pod).is_some_and(|node| node.row.lost);
        let is_held = match standing {
            None => false,
            Some(Standing::Stopping) => !is_lost(),
            Some(standing) => standing.holds_room(),
        };
        let there = match standing {
            Some(_) => Milli::from(is_new),
            None => -Milli::from(pod.told.is_some()),
        };
        let held = match is_held {
            true => Milli::from(self.quotas.held.insert(id)),
            false => -Milli::from(self.quotas.held.remove(id)),
        };
        if held == 0 && there == 0 {
            return false;
        }
        self.quotas.count(revision, Counted { held, there })
    }

    /// Marks those who wait for a quota and for whom there is room, where something went.
    pub(crate) fn call_queued(&mut self) {
        let workloads = &self.workload;
        let wants = |id: u32| {
            let workload = workloads.get(&id);
            let waiting = workload.and_then(|workload| workload.memo.waiting.as_ref());
            waiting.map_or(1, |waiting| waiting.count)
        };
        for called in self.quotas.take_freed(wants) {
            called.nodes.iter().for_each(|node| self.look_on(called.id, node));
            self.mark(called.id);
        }
    }
}
