//! CronJobs: the Jobs that a schedule starts, and how many that have ended are kept.
//!
//! Guarantee: for one time of a schedule one Job is started, whoever leads: it is named after the time,
//! and that it was started stands in the CronJob's status, in the epoch in which it is. Time is the
//! engine's; only where the whole log was read does any of it happen.

use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_rules::cron::time_ms;
use setpoint_rules::cron_runs::{self, Runs, Standing};
use setpoint_schemas::{Action, GroupKind, RequestItem, Resource, ResourceKey, Verb};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::cold::rfc3339;
use crate::decide::requests::{compile, job_of};
use crate::decided::About;
use crate::state::{Cron, CronRow, JobMemo, Table, WorkloadKind};
use crate::views::Views;

/// Kubernetes' default of `successfulJobsHistoryLimit`.
const SUCCESSFUL_KEPT: i32 = 3;
/// Kubernetes' default of `failedJobsHistoryLimit`.
const FAILED_KEPT: i32 = 1;
/// A Job is named after the minute of its time.
const MINUTE_MS: i64 = 60_000;
/// Looks at CronJobs in one round: none asks for a second look at the same time, and the next round, or
/// the next epoch, goes on.
const LOOKS_MAX: usize = 4_096;

impl<V: Views> Turn<'_, V> {
    /// A CronJob's resource is new or changed: it is looked at now.
    pub(crate) fn cron_put(&mut self, resource: &Resource, cause: &Cause) {
        let key = resource.key();
        let row = CronRow { key: key.clone(), look_ms: Some(self.now), cause: cause.clone() };
        self.state.touch(Table::Crons, &key);
        // The request was judged by the same: one that cannot be acted upon was refused.
        match Cron::of(resource, row) {
            Ok(cron) => self.state.crons.put(cron),
            Err(_) => drop(self.state.crons.remove(&key)),
        }
    }

    /// A CronJob is gone; its Jobs go as all that is owned.
    pub(crate) fn cron_gone(&mut self, key: &ResourceKey) {
        if self.state.crons.remove(key).is_some() {
            self.state.touch(Table::Crons, key);
        }
    }

    /// A Job is new, has ended or is gone: the CronJob that it is of is looked at.
    pub(crate) fn cron_job_moved(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let Some((name, uid)) = workload.wants.cron.clone() else { return };
        let (key, deleted) = (workload.key.clone(), workload.deleted);
        match deleted {
            true => self.state.crons.disown(&uid, &key),
            false => self.state.crons.owns(&uid, &key),
        }
        let cron = ResourceKey::new(GroupKind::new("batch", "CronJob"), &key.namespace, &name);
        if self.state.crons.get(&cron).is_some_and(|cron| cron.uid == uid) {
            self.cron_look(&cron, Some(self.now));
        }
    }

    /// A Job is about to be another one's, or nobody's.
    pub(crate) fn cron_job_leaves(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        if let Some((_, uid)) = workload.wants.cron.clone() {
            let key = workload.key.clone();
            self.state.crons.disown(&uid, &key);
        }
    }

    fn cron_look(&mut self, key: &ResourceKey, look_ms: Option<i64>) {
        if self.state.crons.look(key, look_ms) {
            self.state.touch(Table::Crons, key);
        }
    }

    /// Looks at the CronJobs that are due.
    pub(crate) fn look_at_crons(&mut self) {
        if !self.complete {
            return;
        }
        for _ in 0..LOOKS_MAX {
            let Some(key) = self.state.crons.due(self.now) else { return };
            self.look_at_cron(&key);
        }
    }

    fn look_at_cron(&mut self, key: &ResourceKey) {
        let (Some(cron), Some(resource)) =
            (self.state.crons.get(key).cloned(), self.state.resources.get(key).cloned())
        else {
            return self.cron_look(key, None);
        };
        if resource.deleted_ms.is_some() {
            // It is being deleted, and finalizers keep it: nothing is started any more.
            return self.cron_look(key, None);
        }
        let status: Value = serde_json::from_str(&resource.status).unwrap_or_default();
        let last_ms = status["lastScheduleTime"].as_str().and_then(time_ms);
        let at = Standing {
            after_ms: last_ms.unwrap_or(resource.created_ms),
            active: self.active_jobs(&cron.uid).len(),
            now_ms: self.now,
        };
        let Runs { start, replaces, look_ms } =
            cron_runs::runs(&cron.spec, &cron.schedule, cron.catch_up, at);
        if replaces {
            for job in self.active_jobs(&cron.uid) {
                self.delete(&job, None, cron.cause());
            }
        }
        start.iter().for_each(|time_ms| self.start_job(&cron, &resource, *time_ms));
        self.prune_jobs(&cron);
        // Before what follows from it, which is looked at in its turn.
        self.cron_look(key, look_ms);
        self.tell_cron(&cron, &resource, start.last().copied().or(last_ms));
    }

    /// Its Jobs that have not ended, in the order of their keys.
    fn active_jobs(&self, uid: &str) -> Vec<ResourceKey> {
        let is_active = |key: &ResourceKey| {
            let memo = self.job_memo(key);
            memo.is_some_and(|memo| memo.is_none_or(|memo| !memo.record.is_finished()))
        };
        self.state.crons.jobs_of(uid).into_iter().filter(is_active).collect()
    }

    /// What is kept of a Job that is not deleted, once it was looked at.
    fn job_memo(&self, key: &ResourceKey) -> Option<Option<&JobMemo>> {
        let id = self.state.workloads.get(key)?;
        let workload = self.state.workload.get(id).filter(|workload| !workload.deleted)?;
        Some(workload.memo.job.as_deref())
    }

    fn start_job(&mut self, cron: &Cron, resource: &Resource, time_ms: i64) {
        let name = format!("{}-{}", resource.name, time_ms / MINUTE_MS);
        let key = ResourceKey::new(GroupKind::new("batch", "Job"), &resource.namespace, &name);
        if self.state.resources.contains_key(&key) {
            return;
        }
        let body = job_of(&cron.schedule, resource, &name, time_ms);
        let item = RequestItem {
            verb: Verb::Create,
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            namespace: resource.namespace.clone(),
            name: name.clone(),
            subresource: String::new(),
            body: String::new(),
            expected_version: None,
        };
        let body: Arc<str> = Arc::from(body.to_string());
        let job = Resource { body, ..self.judge().blank(&item, &key) };
        let (about, cause) = (about(resource, cron), cron.cause().clone());
        if let Some(why) = self.quotas_refuse(&key, &job) {
            self.ledger.write(Action::Wait, "quota", why, about);
            return;
        }
        match compile(WorkloadKind::Job, &job) {
            Ok(compiled) => {
                let reason = format!("Job {name} is for {}", cron.schedule.local(time_ms));
                self.ledger.write(Action::Rollout, "cron", reason, about);
                self.put(key, Arc::new(job), Some(Box::new(compiled)), &cause);
            }
            Err(why) => {
                let reason = format!("Job {name} cannot be made: {why}");
                self.ledger.write(Action::Rollout, "cron", reason, about);
            }
        }
    }

    /// Deletes the oldest of its Jobs that have ended, beyond as many as are kept.
    fn prune_jobs(&mut self, cron: &Cron) {
        let mut ended: [Vec<(i64, ResourceKey)>; 2] = Default::default();
        for key in self.state.crons.jobs_of(&cron.uid) {
            let Some(Some(memo)) = self.job_memo(&key) else { continue };
            let record = &memo.record;
            let created_ms = self.state.resources.get(&key).map_or(0, |job| job.created_ms);
            if record.is_finished() {
                let is_success = record.met.as_ref().is_some_and(|met| met.is_success);
                ended[usize::from(is_success)].push((created_ms, key));
            }
        }
        let limits = [
            cron.spec.failed_jobs_history_limit.unwrap_or(FAILED_KEPT),
            cron.spec.successful_jobs_history_limit.unwrap_or(SUCCESSFUL_KEPT),
        ];
        for (mut jobs, kept) in ended.into_iter().zip(limits) {
            jobs.sort();
            let kept = usize::try_from(kept).unwrap_or(0);
            jobs.truncate(jobs.len().saturating_sub(kept));
            jobs.iter().for_each(|(_, key)| self.delete(key, None, cron.cause()));
        }
    }

    fn tell_cron(&mut self, cron: &Cron, resource: &Resource, last_ms: Option<i64>) {
        let before: Value = serde_json::from_str(&resource.status).unwrap_or_default();
        let mut status = json!({});
        let reference = |key: ResourceKey| {
            let uid = self.state.resources.get(&key).map(|job| job.uid.clone());
            json!({
                "apiVersion": "batch/v1", "kind": "Job", "namespace": &*key.namespace,
                "name": &*key.name, "uid": uid,
            })
        };
        let active: Vec<Value> = self.active_jobs(&cron.uid).into_iter().map(reference).collect();
        if !active.is_empty() {
            status["active"] = json!(active);
        }
        if let Some(last_ms) = last_ms {
            status["lastScheduleTime"] = json!(rfc3339(last_ms));
        }
        let known = before["lastSuccessfulTime"].as_str().and_then(time_ms);
        let jobs = self.state.crons.jobs_of(&cron.uid);
        let done = jobs.iter().filter_map(|key| {
            let record = &self.job_memo(key)??.record;
            record.finished_ms.filter(|_| record.met.as_ref().is_some_and(|met| met.is_success))
        });
        if let Some(done_ms) = done.chain(known).max() {
            status["lastSuccessfulTime"] = json!(rfc3339(done_ms));
        }
        if status == before {
            return;
        }
        let status = Arc::from(status.to_string());
        let resource = Resource { status, version: self.out.number, ..resource.clone() };
        let (key, resource) = (resource.key(), Arc::new(resource));
        self.state.set_resource(&key, Some(resource.clone()));
        self.out.resources.push((key, Some(resource)));
    }
}

fn about(resource: &Resource, cron: &Cron) -> About {
    let resource = Some(Arc::from(resource.key().to_string()));
    About { resource, causes: cron.cause().clone().into(), ..About::default() }
}
