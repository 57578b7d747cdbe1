//! An engine from the rows of a checkpoint: state first, then the views and indexes that follow.

use std::sync::Arc;

use serde_json::Value;
use setpoint_placement::{NodeId, PodId};
use setpoint_rules::claim::Claim;
use setpoint_rules::priority::Class;
use setpoint_rules::revision;
use setpoint_rules::volume::Volume;
use setpoint_schemas::{NodeName, Resource, ResourceKey};

use crate::decide::Turn;
use crate::decide::claims::storage_class_of;
use crate::decide::kinds::{is_budget, is_claim, is_priority_class, is_storage_class, is_volume};
use crate::decide::requests::{class_of, labels_of};
use crate::state::{
    Cron, CronRow, Deadline, Node, NodeRow, Orphan, OrphanRow, Pod, RestoreError, Rows, Template,
    Touched, Workload, WorkloadKind, WorkloadMemo, is_limit_range, is_quota, is_service, read_spec,
};
use crate::views::{Fact, Standing, Views};

impl<V: Views> Turn<'_, V> {
    /// Takes in all rows. Nothing is decided; what was still to be looked at is looked at
    /// in the next epoch, as in the engine that ran through.
    pub(crate) fn load(&mut self, rows: Rows) -> Result<(), RestoreError> {
        self.state.meta = rows.meta.clone();
        self.now = self.state.meta.time_ms;
        for resource in rows.resources {
            let key = resource.key();
            if is_service(&key) {
                self.state.services.set(&key, Some(&resource));
            }
            self.state.quotas.keep(&key, None, Some(&resource));
            self.state.owners.keep(&key, None, Some(&resource));
            self.state.resources.insert(Arc::new(resource));
        }
        for row in rows.remains {
            self.state.remains.insert(&row);
        }
        rows.owners.into_iter().for_each(|row| self.state.owners.load(row));
        rows.early.into_iter().for_each(|row| self.state.early.load(row));
        rows.answers.into_iter().for_each(|row| self.state.answered.load(row));
        self.load_namespaces();
        self.load_classes();
        self.load_claims();
        self.load_limits();
        let numbers = rows.nodes.iter().map(|(id, _)| id);
        let numbers = numbers.chain(rows.workloads.iter().map(|(id, ..)| id));
        // The next ones stand behind it as they do in the engine that ran through, where its own may be
        // gone: by their numbers statuses have their turns.
        let numbers = numbers.chain([&rows.meta.told_to]);
        self.state.number_from(numbers.copied().max().unwrap_or(0));
        rows.nodes.into_iter().for_each(|(id, row)| self.load_node(id, row));
        for (id, key, memo) in rows.workloads {
            self.load_workload(id, &key, memo)?;
        }
        rows.devices.into_iter().for_each(|row| self.state.devices.load(row));
        for pod in rows.pods {
            self.load_pod(pod)?;
        }
        for observed in rows.observed {
            if let Some(id) = self.state.pods.id_of(observed.uid()) {
                self.state.observations.load(id, &observed);
            }
        }
        let changes = self.views.settle();
        for ((workload, revision), tally) in changes.tallies {
            if let (Some(workload), Some(tally)) = (self.state.workload.get_mut(&workload), tally) {
                workload.tallies.insert(revision, tally);
            }
        }
        self.redesire_kept();
        self.load_budgets();
        self.load_quotas();
        self.load_crons(rows.crons);
        rows.orphans.into_iter().for_each(|row| self.load_orphan(row));
        let changes = self.views.settle_cold();
        self.take_cold(&changes);
        self.state.cold_dirty = true;
        // Loading is no event: who is to be tried again is as it was.
        self.state.meta = rows.meta;
        self.state.pending = self.state.dirty.iter().collect();
        self.state.touched = Touched::default();
        Ok(())
    }

    fn load_namespaces(&mut self) {
        let all = self.state.resources.in_order().into_iter().map(|(_, resource)| resource);
        let namespaces: Vec<_> = all.filter(|r| r.kind == "Namespace").cloned().collect();
        for namespace in namespaces {
            self.fleet.set_namespace_labels(&namespace.name, labels_of(&namespace));
        }
    }

    fn load_node(&mut self, id: u32, row: NodeRow) {
        let name: NodeName = row.record.node.clone();
        let lost = row.lost;
        self.state.leases.node_is(id, &row);
        self.state.nodes.insert(name, id);
        self.state.node.insert(id, Node::new(row));
        if lost {
            self.views.update(Fact::Lost { node: id }, 1);
        }
        self.schedule_lease(id);
        self.node_changed(id);
    }

    fn load_orphan(&mut self, row: OrphanRow) {
        let (name, uid) = (row.node.clone(), row.uid.clone());
        let Some(node) = self.state.nodes.get(&name).copied() else { return };
        self.state.orphans.insert(Orphan { row, fact: None });
        self.show_orphan(node, &name, &uid);
    }

    fn load_workload(
        &mut self,
        id: u32,
        key: &ResourceKey,
        memo: WorkloadMemo,
    ) -> Result<(), RestoreError> {
        let unfit = |why: String| RestoreError::Unfit { key: key.to_string(), why };
        let kind =
            WorkloadKind::of(&key.kind.kind).ok_or_else(|| unfit("not a workload".to_owned()))?;
        let namespace = self.state.namespace(&key.namespace);
        let resource = self.state.resources.get(key).cloned();
        let uid = resource.as_ref().map_or("", |r| r.uid.as_str());
        let mut workload = Workload::new(key.clone(), namespace, kind, uid);
        for (number, json) in memo.templates.iter() {
            let json: Value = serde_json::from_str(json).map_err(|e| unfit(e.to_string()))?;
            let hash = memo.hashes.get(number).cloned();
            let hash = hash.unwrap_or_else(|| revision::template_hash(&json));
            let template = match memo.classes.get(number) {
                Some(class) => Template::of_class(key, &json, kind, hash, class),
                None => Template::compile_as(key, &json, kind, hash),
            }
            .map_err(unfit)?;
            workload.templates.insert(*number, Arc::new(template));
        }
        match &resource {
            Some(resource) => {
                let (spec, _, annotations) = read_spec(kind, resource).map_err(unfit)?;
                workload.wants = kind.wants(&spec, &annotations);
                workload.leave_as(resource);
            }
            None => workload.deleted = true,
        }
        let promised: Vec<u64> = memo.nominated.keys().copied().collect();
        if memo.look_ms != 0 {
            self.state.schedule(memo.look_ms, Deadline::Workload(key.clone()));
        }
        if memo.pending {
            self.state.dirty.insert(id);
        }
        self.state.status_changed(id);
        if workload.kind == WorkloadKind::Daemon {
            self.state.daemons_dirty.insert(id);
        }
        workload.memo = memo;
        if workload.memo.waits() {
            self.state.waiting.insert(key.clone(), workload.is_held_back());
        }
        if kind == WorkloadKind::Daemon {
            self.state.daemons.insert(id);
        }
        self.state.workloads.insert(key.clone(), id);
        if let Some((_, uid)) = workload.wants.cron.clone() {
            self.state.crons.owns(&uid, key);
        }
        self.state.workload.insert(id, Box::new(workload));
        if self.remembering(id).is_some() {
            self.state.memory_dirty.insert(id);
        }
        self.redesire(id);
        self.find_ties(id);
        self.state.limit(id);
        self.state.find_awaiting(id);
        promised.into_iter().for_each(|counter| self.hold_promise(id, counter));
        Ok(())
    }

    /// Those that finalizers keep want the pods that are there, which are counted by now.
    fn redesire_kept(&mut self) {
        let kept = self.state.workload.iter().filter(|(_, workload)| workload.is_kept);
        let kept: Vec<u32> = kept.map(|(id, _)| *id).collect();
        kept.into_iter().for_each(|id| self.redesire(id));
    }

    fn load_classes(&mut self) {
        let resources = self.state.resources.in_order().into_iter();
        let classes = resources.filter(|(key, _)| is_priority_class(key));
        let classes: Vec<Class> = classes.map(|(_, resource)| class_of(resource)).collect();
        classes.into_iter().for_each(|class| self.state.classes.put(class));
    }

    fn load_claims(&mut self) {
        for (key, resource) in self.state.resources.in_order() {
            if is_claim(key) {
                self.state.claims.put(key, Claim::of(resource));
            } else if is_volume(key) {
                self.state.claims.put_volume(&key.name, Volume::of(resource));
            } else if is_storage_class(key) {
                self.state.claims.put_class(&key.name, storage_class_of(resource));
            }
        }
    }

    fn load_budgets(&mut self) {
        let resources = self.state.resources.in_order().into_iter();
        let budgets = resources.filter(|(key, _)| is_budget(key)).map(|(_, budget)| budget.clone());
        let budgets: Vec<Arc<Resource>> = budgets.collect();
        budgets.iter().for_each(|budget| self.budget_put(budget));
    }

    fn load_limits(&mut self) {
        let resources = self.state.resources.in_order().into_iter();
        let ranges = resources.filter(|(key, _)| is_limit_range(key));
        let ranges: Vec<Arc<Resource>> = ranges.map(|(_, range)| range.clone()).collect();
        ranges.iter().for_each(|range| self.limit_range_known(range));
    }

    fn load_quotas(&mut self) {
        let resources = self.state.resources.in_order().into_iter();
        let quotas = resources.filter(|(key, _)| is_quota(key)).map(|(_, quota)| quota.clone());
        let quotas: Vec<Arc<Resource>> = quotas.collect();
        quotas.iter().for_each(|quota| self.quota_known(quota));
    }

    /// CronJobs are looked at when their rows say so.
    fn load_crons(&mut self, rows: Vec<CronRow>) {
        for row in rows {
            let resource = self.state.resources.get(&row.key);
            if let Some(Ok(cron)) = resource.map(|resource| Cron::of(resource, row)) {
                self.state.crons.put(cron);
            }
        }
    }

    pub(crate) fn load_pod(&mut self, mut pod: Pod) -> Result<(), RestoreError> {
        if let Some(owner) = self.state.owner(&pod) {
            pod.name_is_rare(&owner.name_of(pod.revision, &pod.uid));
        }
        if self.state.pods.id_of(&pod.uid).is_none() && self.state.takes_worn(&mut pod) {
            self.weigh(pod.workload);
        }
        let unfit =
            |why: &str| RestoreError::Unfit { key: pod.uid.to_string(), why: why.to_owned() };
        if self.state.pods.id_of(&pod.uid).is_some() {
            return Err(unfit("it is there already"));
        }
        let owner = self.state.owner(&pod).ok_or_else(|| unfit("its workload is missing"))?;
        let template = owner.template_of(&pod);
        let shape = template.ok_or_else(|| unfit("its template is missing"))?.shape.clone();
        let min_ready_ms = owner.wants.min_ready_ms;
        self.state.host(&pod).ok_or_else(|| unfit("its node is missing"))?;
        if pod.standing == Standing::Ready {
            let at = pod.ready_ms.get() + min_ready_ms;
            self.state.schedule(at, Deadline::MinReady(pod.uid.clone()));
        }
        let (workload, node, standing) = (pod.workload, pod.node, pod.standing);
        let is_finished = pod.is_finished();
        let devices = self.state.devices.of(&pod.uid).to_vec();
        let id = self.state.pods.insert(pod);
        // Two pods of one name are a stopping one and its successor: the name means the successor.
        if standing != Standing::Stopping {
            self.state.name_pod(id);
        }
        if !is_finished {
            self.fleet.reserve_with(PodId(id), NodeId(node), &shape, &devices);
        }
        if standing == Standing::Stopping {
            self.fleet.leave(PodId(id));
        }
        if let Some(owner) = self.state.workload.get_mut(&workload) {
            owner.pods.insert(id);
        }
        self.state.leaving_follows(id);
        self.use_claims(id);
        self.guard(id);
        self.refact(id);
        self.sighted(id);
        self.foresee_eviction(id, node);
        Ok(())
    }
}
