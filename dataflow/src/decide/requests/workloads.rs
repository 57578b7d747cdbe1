//! Workloads: from a resource to a spec, a current revision and a desired number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::batches::Batches;
use setpoint_rules::reschedule::Rescheduled;
use setpoint_rules::revision::{self, Revision, Way};
use setpoint_schemas::{Action, PodUid, Resource, ResourceKey, WorkloadSpec};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::decided::About;
use crate::state::{Seen, Template, Watch, Workload, WorkloadKind, WorkloadMemo, read_spec};
use crate::views::{Fact, Views};

/// Kubernetes' default of `revisionHistoryLimit`.
const HISTORY_DEFAULT: usize = 10;

/// What a resource asks of a workload, compiled.
pub(crate) struct Compiled {
    pub(super) kind: WorkloadKind,
    pub(crate) spec: WorkloadSpec,
    pub(crate) json: Value,
    annotations: BTreeMap<String, String>,
    pub(crate) template: Template,
    /// How its template comes to be the current one.
    pub(super) way: Way,
}

impl Compiled {
    /// The same, gone back to.
    pub(crate) fn going_back(self) -> Compiled {
        Compiled { way: Way::Returned, ..self }
    }
}

/// Compiles a workload's resource.
///
/// # Errors
/// A sentence that names what cannot be compiled; the request is refused with it.
pub(crate) fn compile(kind: WorkloadKind, resource: &Resource) -> Result<Compiled, String> {
    let (spec, json, annotations) = read_spec(kind, resource)?;
    let template = Template::compile(&resource.key(), &json, kind)?;
    Ok(Compiled { kind, spec, json, annotations, template, way: Way::Asked })
}

impl<V: Views> Turn<'_, V> {
    /// A workload's resource is new or changed.
    pub(crate) fn workload_put(&mut self, resource: &Resource, compiled: Compiled, cause: &Cause) {
        let key = resource.key();
        let known = self.state.workloads.get(&key).copied();
        let id = known.unwrap_or_else(|| self.new_workload(&key, compiled.kind, &resource.uid));
        if self.state.workload.get(&id).is_some_and(|workload| workload.uid != resource.uid) {
            self.end_former(id, cause);
        }
        let now = self.now;
        self.cron_job_leaves(id);
        let borne = self.bare_revisions(id);
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let min_ready_ms = workload.wants.min_ready_ms;
        workload.uid = resource.uid.clone();
        let rolled = workload.take_on(compiled, &borne, now);
        workload.leave_as(resource);
        let is_new_wait = workload.wants.min_ready_ms != min_ready_ms;
        workload.reclass();
        self.state.waiting.shift(&key, workload.is_held_back());
        // What its class forbids is said when its pods are to start.
        let _ = self.classify(id);
        self.cover(id);
        self.find_ties(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        let revision = workload.memo.history.last().map_or(0, |r| r.number);
        let history = workload.memo.history.clone();
        self.out.served.push(crate::Served::Revisions(key.clone(), history));
        if is_new_wait {
            self.reschedule_ready(id);
        }
        self.redesire(id);
        self.bare_pod_follows(id);
        if self.state.daemons.contains(&id) {
            self.state.look_everywhere(id);
        }
        self.because(id, cause);
        self.cron_job_moved(id);
        self.dependants_look(id);
        self.state.status_changed(id);
        if rolled && revision > 1 {
            let about = About {
                resource: Some(key.to_string().into()),
                causes: cause.clone().into(),
                ..About::default()
            };
            self.ledger.write(
                Action::Rollout,
                "rollout",
                format!("revision {revision} begins"),
                about,
            );
        }
    }

    fn new_workload(&mut self, key: &ResourceKey, kind: WorkloadKind, uid: &str) -> u32 {
        let id = self.state.intern();
        let namespace = self.state.namespace(&key.namespace);
        if kind == WorkloadKind::Daemon {
            self.state.daemons.insert(id);
        }
        self.state.workloads.insert(key.clone(), id);
        let workload = Box::new(Workload::new(key.clone(), namespace, kind, uid));
        self.state.workload.insert(id, workload);
        id
    }

    /// Deleted and made again, maybe between two looks: another object that has the name of the
    /// former, whose pods go with it.
    fn end_former(&mut self, id: u32, cause: &Cause) {
        self.waits_no_more(id);
        let now = self.now;
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        workload.begin_anew(now);
        let with_uid = |id: &u32| self.state.pods.get(id).map(|pod| (pod.uid.clone(), *id));
        let pods: BTreeMap<PodUid, u32> = workload.pods.iter().filter_map(with_uid).collect();
        for pod in pods.into_values() {
            self.withdraw(pod, "delete", "its workload was deleted", cause.clone());
        }
    }

    /// The resource with the history that its workload has once this template is the current one:
    /// an engine rebuilt from the log has no other memory of it.
    pub(crate) fn with_history(
        &self,
        key: &ResourceKey,
        resource: Arc<Resource>,
        compiled: &Compiled,
    ) -> Arc<Resource> {
        let known = self.state.workloads.get(key).and_then(|id| self.state.workload.get(id));
        let known = known.filter(|workload| workload.uid == resource.uid);
        let before = known.map(|workload| workload.memo.history.clone()).unwrap_or_default();
        let history = advanced(before, &compiled.spec, &compiled.json, compiled.way);
        // A revision that stays is remembered as before; of another one there is nothing to remember yet.
        let stays = known.filter(|known| {
            let before = known.memo.history.last().map(|before| before.number);
            before == history.last().map(|current| current.number)
        });
        let memory = stays.and_then(|known| known.memory());
        let history = revision::text(&history, memory.as_ref());
        if *resource.history == *history {
            return resource;
        }
        Arc::new(Resource { history: Arc::from(history), ..Resource::clone(&resource) })
    }

    /// A workload's resource is gone: its pods go, then it is forgotten.
    pub(crate) fn workload_gone(&mut self, key: &ResourceKey, cause: &Cause) {
        let Some(id) = self.state.workloads.get(key).copied() else { return };
        if let Some(workload) = self.state.workload.get_mut(&id) {
            (workload.deleted, workload.is_kept) = (true, false);
        }
        self.cron_job_moved(id);
        self.cover(id);
        self.redesire(id);
        self.because(id, cause);
        self.dependants_look(id);
    }

    /// A workload's deletion is accepted, and finalizers keep its resource: no pod of it is made any more, and
    /// where they are to go before it, its pods go.
    pub(crate) fn workload_leaves(&mut self, id: u32, resource: &Resource, cause: &Cause) {
        if let Some(workload) = self.state.workload.get_mut(&id) {
            workload.leave_as(resource);
        }
        self.cron_job_moved(id);
        self.cover(id);
        self.redesire(id);
        self.because(id, cause);
        self.dependants_look(id);
        self.state.status_changed(id);
    }

    /// Makes what the views have as desired and as current of this workload what it should be. How
    /// many pods a DaemonSet wants is known in the cold step.
    pub(crate) fn redesire(&mut self, id: u32) {
        self.want_devices(id);
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let revision = workload.memo.current;
        if workload.current_fact != Some(revision) {
            if let Some(before) = workload.current_fact.replace(revision) {
                self.views.update(Fact::Current { workload: id, revision: before }, -1);
            }
            self.views.update(Fact::Current { workload: id, revision }, 1);
            self.state.status_dirty.insert(id);
            self.state.memory_dirty.insert(id);
        }
        if workload.kind != WorkloadKind::Daemon {
            let wanted = workload.desired();
            self.redesire_to(id, wanted);
        }
    }

    /// Makes the views' desired number of this workload this one.
    pub(crate) fn redesire_to(&mut self, id: u32, wanted: i64) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if workload.desired_fact == Some(wanted) {
            return;
        }
        if let Some(replicas) = workload.desired_fact.replace(wanted) {
            self.views.update(Fact::Desired { workload: id, replicas }, -1);
        }
        self.views.update(Fact::Desired { workload: id, replicas: wanted }, 1);
        self.state.status_changed(id);
    }

    /// Forgets a deleted workload when its last pod is gone.
    pub(crate) fn forget_if_done(&mut self, id: u32) -> bool {
        let Some(workload) = self.state.workload.get(&id) else { return true };
        if !workload.deleted
            || !workload.pods.is_empty()
            || self.now < workload.memo.unproven_until_ms
        {
            return false;
        }
        let key = workload.key.clone();
        if self.state.resources.contains_key(&key) {
            // Finalizers keep it, of which one may have waited for this.
            let uid = workload.uid.clone();
            self.pods_are_gone(&uid);
            return false;
        }
        let (desired_fact, current_fact) = (workload.desired_fact, workload.current_fact);
        self.waits_no_more(id);
        if let Some(replicas) = desired_fact {
            self.views.update(Fact::Desired { workload: id, replicas }, -1);
        }
        if let Some(revision) = current_fact {
            self.views.update(Fact::Current { workload: id, revision }, -1);
        }
        self.state.cold_dirty = true;
        self.state.touched.workloads_gone.insert(key.clone());
        if self.state.overview.outdated.contains_key(&key) {
            Arc::make_mut(&mut self.state.overview).outdated.remove(&key);
        }
        self.state.workload.remove(&id);
        self.cover(id);
        self.find_ties(id);
        self.state.workloads.remove(&key);
        self.state.daemons.remove(&id);
        self.state.daemons_dirty.remove(&id);
        self.state.status_dirty.remove(id);
        self.state.memory_dirty.remove(id);
        self.namespace_may_go(&key.namespace);
        true
    }
}

/// The history once this template is the current one.
pub(crate) fn advanced(
    before: Vec<Revision>,
    spec: &WorkloadSpec,
    json: &Value,
    way: Way,
) -> Vec<Revision> {
    let limit = spec.revision_history_limit.and_then(|n| usize::try_from(n).ok());
    revision::advance(before, json, limit.unwrap_or(HISTORY_DEFAULT), way)
}

impl Workload {
    /// Keeps what its former pods need until they are gone, and forgets all else.
    fn begin_anew(&mut self, now_ms: i64) {
        let memo = std::mem::take(&mut self.memo);
        self.memo = WorkloadMemo {
            next_pod: memo.next_pod,
            current: memo.current,
            templates: memo.templates,
            hashes: memo.hashes,
            classes: memo.classes,
            look_ms: memo.look_ms,
            pending: memo.pending,
            progress_ms: now_ms,
            unproven_until_ms: memo.unproven_until_ms,
            ..WorkloadMemo::default()
        };
        self.held.search_anew();
    }

    /// Becomes what was compiled; says whether a new revision begins by it. Its update has all of its
    /// time then, and so has one that is not paused any more. The revisions that are borne stay known.
    fn take_on(&mut self, compiled: Compiled, borne: &[u32], now_ms: i64) -> bool {
        let Compiled { spec, json, annotations, template, way, .. } = compiled;
        self.deleted = false;
        let rolled = self.adopt((&spec, &json, way), template, borne);
        let (was_paused, partition) = (self.wants.paused, self.wants.partition());
        self.wants = self.kind.wants(&spec, &annotations);
        let resumed = was_paused && !self.wants.paused;
        // More of its pods are to have a revision that has not proved to be healthy.
        if !rolled && self.wants.partition() < partition && !self.memo.watch.over {
            self.memo.progress_ms = now_ms;
            (self.memo.stuck, self.memo.complete) = (false, false);
        }
        if rolled || resumed {
            self.memo.progress_ms = now_ms;
            let before = &self.memo.watch;
            let (over, since_ms) = (before.over, before.since_ms);
            self.memo.watch = match rolled {
                true => Watch { since_ms: now_ms, ..Watch::default() },
                false => Watch { over, since_ms, ..Watch::default() },
            };
        }
        if rolled {
            self.memo.progress = Seen::default();
            (self.memo.stuck, self.memo.complete) = (false, false);
            self.memo.batches = Batches::default();
            (self.memo.ended_in_row, self.memo.not_before_ms) = (0, 0);
            // Another program has failed nowhere yet.
            self.memo.rescheduled = Rescheduled::default();
        }
        rolled
    }

    /// Takes on the template as the current revision; says whether that is another than before. A
    /// template that still has pods keeps its number.
    fn adopt(
        &mut self,
        (spec, json, way): (&WorkloadSpec, &Value, Way),
        template: Template,
        borne: &[u32],
    ) -> bool {
        self.memo.history = advanced(std::mem::take(&mut self.memo.history), spec, json, way);
        let same = |t: &Template| {
            let (known, new) = (&t.pattern, &template.pattern);
            known.revision == new.revision && known.labels == new.labels
        };
        let known = self.templates.iter().find(|(_, t)| same(t)).map(|(n, _)| *n);
        let number = known.unwrap_or_else(|| {
            self.templates.keys().last().copied().unwrap_or(0).max(self.memo.current) + 1
        });
        let rolled = number != self.memo.current;
        self.memo.current = number;
        if self.memo.stable == 0 {
            self.memo.stable = number;
        }
        self.memo.templates.insert(number, json.to_string());
        self.templates.insert(number, Arc::new(template));
        self.drop_unused_templates(borne);
        rolled
    }

    /// A revision without pods has its class looked up anew.
    fn reclass(&mut self) {
        if !self.tallies.contains_key(&self.memo.current) {
            self.memo.classes.remove(&self.memo.current);
        }
    }

    fn drop_unused_templates(&mut self, borne: &[u32]) {
        let promised = self.memo.nominated.values().map(|nominated| nominated.revision);
        let used = self.tallies.keys().copied().chain(promised).chain(borne.iter().copied());
        let used = used.chain([self.memo.current, self.memo.stable]);
        let used: BTreeSet<u32> = used.collect();
        self.templates.retain(|number| used.contains(number));
        self.memo.templates.retain(|number| used.contains(number));
        self.memo.hashes.retain(|number, _| used.contains(number));
        self.memo.classes.retain(|number, _| used.contains(number));
    }

    /// The template of new pods.
    pub(crate) fn current_template(&self) -> Option<Arc<Template>> {
        self.template_to_be(self.memo.current).cloned()
    }

    /// The name of the revision in pod names: only a Deployment's pods have one.
    pub(crate) fn revision_name(&self, template: &Template) -> Option<Arc<str>> {
        (self.kind == WorkloadKind::Rolling).then(|| template.pattern.revision.clone())
    }
}
