//! Updates that fail: they go back to the last healthy revision, or stand still, where that is asked for.
//!
//! Guarantee: going back is a change of the resource, recorded as one that was asked for is, with why in
//! its history: whoever follows, restores or rebuilds knows which revision is barred. It is judged when a
//! pod of the new revision is observed or the deadline passes; nobody is looked at for it otherwise.
//! Absent: what counts as failed (`rules/guard.rs`), and the way itself, which is a rollout like any other.

use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::guard::{self, OnFailure};
use setpoint_rules::{ownership, revision};
use setpoint_schemas::{Action, Observation, Position, RESOURCE_BYTES_MAX, Resource, Topic};

use crate::Served;
use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::requests::{Compiled, compile};
use crate::state::{Begin, Workload};
use crate::views::{Standing, Views};

/// Who owns what comes back and belonged to nobody.
const MANAGER: &str = "setpoint";

/// What is put to go back.
struct WayBack {
    /// The resource with the template of the revision that is gone back to.
    resource: Arc<Resource>,
    compiled: Box<Compiled>,
    /// The number of that revision.
    target: i64,
}

impl<V: Views> Turn<'_, V> {
    /// A placed pod is as it is observed: whether it fails as it begins, where its update is watched.
    pub(crate) fn pod_begins(&mut self, id: u32, observed: &Observation) {
        let now = self.now;
        let Some(pod) = self.state.pods.get(&id) else { return };
        let (workload, before) = (pod.workload, pod.begin());
        let is_watched = pod.standing != Standing::Stopping && !before.failed;
        let Some(owner) = self.state.workload.get(&workload).filter(|_| is_watched) else { return };
        let is_of_it =
            pod.revision == owner.memo.current && pod.placed_ms.get() >= owner.memo.watch.since_ms;
        if !owner.is_watched() || !is_of_it {
            return;
        }
        let monitor_ms = owner.monitor_ms();
        let ms = match before.ms {
            0 if guard::has_begun(observed) => now.max(1),
            known => known,
        };
        let why = guard::failure(observed).filter(|_| ms == 0 || now <= ms + monitor_ms);
        let begin = Begin { ms, failed: why.is_some() };
        if begin != before
            && let Some(pod) = self.state.pods.get_mut(&id)
        {
            pod.note_begin(begin);
            self.state.touch_pod(id);
        }
        let Some(why) = why else { return };
        if let Some(owner) = self.state.workload.get_mut(&workload) {
            owner.memo.watch.failures += 1;
            owner.memo.watch.why = why;
            self.state.touch_workload(workload);
            self.state.mark(workload);
        }
    }

    /// More pods of an update failed than may. Says whether it went back.
    pub(in crate::decide) fn update_failed(&mut self, id: u32) -> bool {
        let Some(workload) = self.state.workload.get(&id) else { return false };
        let (watch, desired) = (&workload.memo.watch, workload.pods_wanted());
        let why = format!(
            "{} of {desired} new pods failed as they began, the last: {}",
            watch.failures, watch.why
        );
        if workload.guard().on_failure == OnFailure::Rollback {
            if let Some(workload) = self.state.workload.get_mut(&id) {
                // Where there is nothing to go back to this is said again when as many more failed.
                workload.memo.watch.failures = 0;
                self.state.touch_workload(id);
            }
            return self.goes_back_for(id, why);
        }
        let (reason, about) = (format!("it stands still: {why}"), self.about_workload(id));
        self.ledger.write(Action::Rollout, "update_failed", reason, about);
        let Some(workload) = self.state.workload.get_mut(&id) else { return false };
        workload.memo.watch.halted = why;
        self.state.touch_workload(id);
        self.state.status_changed(id);
        false
    }

    /// An update failed for this: it goes back to the last revision that was healthy, where that is asked
    /// for and there is one. Says whether it did.
    pub(in crate::decide) fn goes_back_for(&mut self, id: u32, why: String) -> bool {
        let Some(workload) = self.state.workload.get(&id) else { return false };
        let history = &workload.memo.history;
        if workload.guard().on_failure != OnFailure::Rollback || history.len() < 2 {
            return false;
        }
        let failed = history.last().map_or(0, |last| last.number);
        let (key, about) = (workload.key.clone(), self.about_workload(id));
        let Some(WayBack { resource, compiled, target }) = self.way_back(id) else {
            let reason =
                format!("revision {failed} failed, and there is no healthy one to go back to");
            self.ledger.write(Action::Rollout, "auto_revert", reason, about);
            return false;
        };
        let cause = about.causes.last().cloned().unwrap_or_else(|| self.no_cause());
        let reason =
            format!("revision {failed} failed: {why}; back to the template of revision {target}");
        self.ledger.write(Action::Rollout, "auto_revert", reason, about);
        let workload = self.state.workload.get_mut(&id);
        if let Some(last) = workload.and_then(|workload| workload.memo.history.last_mut()) {
            last.failed = why;
        }
        self.put(key, resource, Some(compiled), &cause);
        true
    }

    /// The way back to the last healthy revision, where there is one and its template still fits.
    fn way_back(&self, id: u32) -> Option<WayBack> {
        let workload = self.state.workload.get(&id)?;
        let revision = revision::healthy_target(&workload.memo.history)?;
        let resource = self.state.resources.get(&workload.key)?;
        let mut object: Value = serde_json::from_str(&resource.body).ok()?;
        *object.get_mut("spec")?.get_mut("template")? =
            serde_json::from_str(&revision.template).ok()?;
        let managers = serde_json::from_str(&resource.managers).ok()?;
        let managers = ownership::restored(&object, managers, MANAGER);
        let (body, managers) = (object.to_string(), serde_json::to_string(&managers).ok()?);
        if body.len() + managers.len() > RESOURCE_BYTES_MAX {
            return None;
        }
        let resource = Resource {
            body: Arc::from(body),
            managers: Arc::from(managers),
            generation: resource.generation + 1,
            version: self.out.number,
            ..Resource::clone(resource)
        };
        let compiled = compile(workload.kind, &resource).ok()?;
        Some(WayBack {
            resource: Arc::new(resource),
            compiled: Box::new(compiled.going_back()),
            target: revision.number,
        })
    }

    /// The epoch itself, where nothing is known that led here.
    fn no_cause(&self) -> Cause {
        let at = Position { topic: Topic::Epochs, partition: 0, offset: 0 };
        Cause::told(at, format!("epoch {}", self.out.number))
    }

    /// The current revision was whole for as long as it is watched: readers are told that it is healthy.
    pub(in crate::decide) fn healthy(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let Some(last) = workload.memo.history.last_mut() else { return };
        last.healthy = true;
        workload.shown = None;
        let history = workload.memo.history.clone();
        let key = workload.key.clone();
        self.state.touch_workload(id);
        self.state.status_dirty.insert(id);
        self.state.memory_dirty.insert(id);
        self.out.served.push(Served::Revisions(key, history));
    }
}

impl Workload {
    /// Whether the current revision is one that was gone back to.
    pub(crate) fn goes_back(&self) -> bool {
        self.memo.history.last().is_some_and(|last| last.returned)
    }

    /// How the present update is watched.
    fn guard(&self) -> guard::Guard {
        self.wants.guard(self.goes_back())
    }

    /// For how long the pods of the present update are watched from their beginning.
    pub(in crate::decide) fn monitor_ms(&self) -> i64 {
        let guard = self.guard();
        let is_update = self.memo.history.len() > 1;
        if is_update && guard.watches() { guard.monitor_ms } else { 0 }
    }

    /// Whether its new pods are watched: those of an update, not those that it has first.
    pub(in crate::decide) fn is_watched(&self) -> bool {
        self.wants.guards.is_some()
            && self.kind.rolls()
            && !self.memo.watch.over
            && !self.wants.paused
            && self.memo.history.len() > 1
            && self.guard().watches()
    }

    /// Whether more pods of its update failed than may, and nothing came of it yet.
    pub(in crate::decide) fn has_failed(&self, desired: i64) -> bool {
        self.memo.watch.failures > 0
            && self.memo.watch.halted.is_empty()
            && !self.deleted
            && self.is_watched()
            && self.guard().is_exceeded(self.memo.watch.failures, desired)
    }

    /// Whether its current revision has just proved to be healthy.
    pub(in crate::decide) fn is_healthy_now(&self) -> bool {
        self.memo.watch.over && self.memo.history.last().is_some_and(|last| !last.healthy)
    }
}
