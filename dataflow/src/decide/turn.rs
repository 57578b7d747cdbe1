//! One epoch's turn at the state: what all deciding shares.

use std::collections::BTreeSet;

use setpoint_placement::{Fleet, PodId};
use setpoint_rules::pacing::Bucket;
use setpoint_schemas::{Action, NodeName, PodUid, ResourceKey};

use super::kinds::is_namespace;
use crate::causes::{CAUSES_MAX, Causes};
use crate::decided::{About, Reason};
use crate::epoch::{Epoch, Outcome, PlacementChange};
use crate::state::{Deadline, Ledger, State, Why};
use crate::views::{Fact, PodFact, Standing, Views};

/// Pods of a workload since a leader began anew fit below these bits of the counter.
const COUNTER_BITS: u32 = 32;

/// The parts of the engine, and what this epoch has decided so far.
pub(crate) struct Turn<'a, V: Views> {
    pub(crate) state: &'a mut State,
    pub(crate) views: &'a mut V,
    pub(crate) fleet: &'a mut Fleet,
    pub(crate) ledger: Ledger,
    pub(crate) out: Outcome,
    pub(crate) now: i64,
    pub(crate) complete: bool,
    /// Whether the views have been asked: what changes from here on is foreseen.
    pub(crate) is_settled: bool,
    /// How many that are owned, or in a namespace that goes, this epoch may still look at.
    pub(crate) looks_left: usize,
    /// Nodes that readers are to be told of.
    pub(crate) nodes_touched: BTreeSet<u32>,
    /// Lost nodes of which somebody may have said that nothing runs there any more.
    pub(crate) said_gone: BTreeSet<u32>,
    /// Lost nodes whose resource was deleted.
    pub(crate) deleted_lost: BTreeSet<u32>,
}

impl<V: Views> Turn<'_, V> {
    /// What an epoch does before its inputs.
    pub(crate) fn begin(&mut self, epoch: &Epoch) {
        if epoch.rebuilt {
            self.begin_anew();
        }
        if epoch.policy.is_some() {
            self.reschedule_leases();
        }
        if epoch.renew_leases {
            self.renew_all_leases();
        }
        self.ensure_default_namespace();
        self.ensure_system_classes();
        self.ensure_local_class();
    }

    /// The leader's state came otherwise than by exact replay: it is the truth from now on. Pods are
    /// counted from where none was before, pacing begins with an empty bucket, every workload is
    /// looked at, every node for pods that had to leave it, and readers are told of every node.
    fn begin_anew(&mut self) {
        let from = first_counter(self.out.number);
        self.doubt_all_identities();
        let ids: Vec<u32> = self.state.workloads.values().copied().collect();
        for id in ids {
            let Some(workload) = self.state.workload.get_mut(&id) else { continue };
            workload.memo.next_pod = workload.memo.next_pod.max(from);
            // Which of those without pods had begun, an engine that was rebuilt does not know.
            workload.memo.begun = 0;
            // Who waits waits under another name, and says so anew.
            if self.state.waiting.contains(&workload.key) {
                self.waits_no_more(id);
            }
            if self.state.daemons.contains(&id) {
                self.state.look_everywhere(id);
            }
            self.state.mark(id);
            self.state.status_changed(id);
            self.state.touch_workload(id);
            self.count_the_ended(id);
        }
        // Of pods that stop it may know fewer than their workload had.
        let namespaces = self.state.resources.keys().filter(|key| is_namespace(key));
        let mut namespaces: Vec<ResourceKey> = namespaces.cloned().collect();
        namespaces.sort_unstable();
        for namespace in namespaces {
            self.namespace_may_go(&namespace.name);
        }
        self.state.reservations_dirty.extend(self.state.nodes.values().copied());
        self.look_who_leaves();
        self.state.meta.bucket = Bucket { tokens_milli: 0, filled_ms: self.now };
        self.state.meta.inexact = false;
    }

    /// Fires what has fallen due. An entry whose time has moved on is put back. Of evictions the nodes
    /// count and not the times: some entries tell of pods that are gone, and an engine from a checkpoint
    /// does not have those.
    pub(crate) fn fire_deadlines(&mut self) {
        self.forget_early();
        let mut due = Vec::new();
        while let Some(entry) = self.state.deadlines.first_entry()
            && *entry.key() <= self.now
        {
            due.extend(entry.remove());
        }
        let held_until = self.state.meta.judge_ms;
        let mut leases = held_until.is_some_and(|at| at <= self.now);
        let mut leaving = BTreeSet::new();
        for deadline in due {
            match deadline {
                Deadline::Lease(node) => leases |= self.lease_ended(&node),
                Deadline::MinReady(uid) => self.min_ready_elapsed(&uid),
                Deadline::Workload(key) => self.state.look_now(&key, self.now),
                Deadline::Eviction(node) => {
                    leaving.insert(node);
                }
                Deadline::Release(node) => self.release_due(&node),
            }
        }
        leaving.iter().for_each(|node| self.eviction_due(node));
        if leases {
            self.judge_leases();
        }
    }

    /// Makes the views' fact of this pod what it should be.
    pub(crate) fn refact(&mut self, id: u32) {
        let Some(wanted) = self.state.fact_of(id) else { return };
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        let told = pod.told.replace(wanted.standing);
        // Who stops is counted by what becomes of its node as well.
        let counts_as =
            |standing: Standing| (standing.holds_room(), matches!(standing, Standing::Stopping));
        let (counted, counts) = (told.map(counts_as), counts_as(wanted.standing));
        if counted != Some(counts) || counts.1 {
            self.count_in_quotas(id, Some(wanted.standing), told.is_none());
        }
        if counts.1 || counted.is_some_and(|(_, stopped)| stopped) {
            self.state.away_follows(id);
        }
        if told == Some(wanted.standing) {
            return;
        }
        let has_ended = |standing| matches!(standing, Standing::Ended | Standing::Finished);
        let (ended, ends) = (told.is_some_and(has_ended), has_ended(wanted.standing));
        if ended != ends
            && let Some(owner) = self.state.workload.get_mut(&wanted.workload)
        {
            match ends {
                true => owner.ended.insert(id),
                false => owner.ended.remove(&id),
            };
        }
        self.room_follows(id, told, &wanted);
        // All else of a pod stays as it is.
        let before = told.map(|standing| PodFact { standing, ..wanted });
        if !self.is_settled && before.is_some_and(|fact| fact.is_ready()) && !wanted.is_ready() {
            self.state.budgets.lose(wanted.workload, wanted.revision);
        }
        if let Some(fact) = before {
            self.views.update(Fact::Pod(fact), -1);
        }
        self.views.update(Fact::Pod(wanted), 1);
        self.state.cold_dirty = true;
        if self.is_settled {
            self.foresee(before, Some(wanted));
        }
    }

    /// A node is lost, or it returned: its pods stand otherwise for the views.
    pub(crate) fn refact_pods_of(&mut self, node: u32) {
        let pods: Vec<u32> = self.state.pods.on_with_ids(node).map(|(id, _)| id).collect();
        for id in pods {
            if self.state.away_follows(id) {
                self.awaited_otherwise(id);
            }
            self.refact(id);
        }
    }

    /// Makes the views know that a pod's node has it, once it was observed.
    pub(crate) fn sighted(&mut self, id: u32) {
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        if !pod.is_seen && pod.is_there {
            pod.is_seen = true;
            self.views.update(Fact::Seen((pod.node, id)), 1);
        }
    }

    /// Withdraws a pod's placement: a tombstone, and a decision that says why.
    pub(crate) fn withdraw(
        &mut self,
        id: u32,
        rule: &'static str,
        reason: impl Into<Reason>,
        causes: impl Into<Causes>,
    ) {
        let Some(pod) = self.state.pods.get_mut(&id) else { return };
        if pod.standing == Standing::Stopping {
            return;
        }
        pod.standing = Standing::Stopping;
        pod.ready_ms = 0.into();
        if pod.leaving_ms() > 0 {
            self.state.leaving_follows(id);
        }
        self.await_proof(id);
        // Nobody means a stopping pod by its name: a restart must not place it again.
        self.state.unname_pod(id);
        self.state.touch_pod(id);
        self.fleet.leave(PodId(id));
        // A spread does not count it any more.
        self.state.meta.retry.joined |= !self.state.waiting.hopeful().is_empty();
        self.daemon_looks_after(id);
        let Some((uid, node, about)) = self.about_pod(id, causes) else { return };
        self.ledger.write(Action::Stop, rule, reason, about);
        self.out.placements.push(PlacementChange { uid, node, placement: None });
        self.refact(id);
    }

    /// What the ledger says that a decision about a pod is about, with the pod's uid and its node.
    pub(in crate::decide) fn about_pod(
        &self,
        id: u32,
        causes: impl Into<Causes>,
    ) -> Option<(PodUid, NodeName, About)> {
        let pod = self.state.pods.get(&id)?;
        let (owner, host) = (self.state.owner(pod)?, self.state.host(pod)?);
        let (uid, node) = (pod.uid.clone(), host.row.record.node.clone());
        let about = About {
            pod: Some(uid.clone()),
            resource: Some(owner.text.clone()),
            node: Some(node.clone()),
            causes: causes.into(),
            ..About::default()
        };
        Some((uid, node, about))
    }

    /// What the ledger says that a decision about a workload as a whole is about.
    pub(in crate::decide) fn about_workload(&self, id: u32) -> About {
        let workload = self.state.workload.get(&id);
        let resource = workload.map(|workload| workload.text.clone());
        About { resource, causes: self.state.causes(id), ..About::default() }
    }

    /// Forgets a pod of which nothing is left.
    pub(crate) fn forget(&mut self, uid: &PodUid) {
        let Some(id) = self.state.pods.id_of(uid) else { return };
        let fact = self.state.fact_of(id);
        self.count_in_quotas(id, None, false);
        if let Some(pod) = self.state.pods.get(&id) {
            let (owner, is_named) = (pod.workload, pod.standing != Standing::Stopping);
            self.owning_pod_moved(uid, owner);
            self.state.put_down(uid, owner);
            if is_named {
                self.state.unname_pod(id);
            }
        }
        let Some(pod) = self.state.pods.remove(id) else { return };
        self.state.guarded.remove(pod.node, id);
        self.state.observations.forget(id);
        self.state.claims.end(id);
        self.state.puts_off(&pod);
        self.state.touched.pods_gone.push(uid.clone());
        if let (Some(fact), Some(standing)) = (fact, pod.told) {
            let told = PodFact { standing, ..fact };
            self.views.update(Fact::Pod(told), -1);
            if self.is_settled {
                self.foresee(Some(told), None);
            }
        }
        if pod.is_seen {
            self.views.update(Fact::Seen((pod.node, id)), -1);
        }
        self.state.cold_dirty = true;
        self.fleet.release(PodId(id));
        self.set_devices(uid, Vec::new());
        self.state.meta.retry.freed = true;
        self.daemons_hope(pod.node, self.kept_others_away(&pod));
        if let Some(workload) = self.state.workload.get_mut(&pod.workload) {
            workload.pods.remove(&id);
            workload.ended.remove(&id);
            workload.leaving.remove(&id);
            workload.away.remove(&id);
        }
        self.holds_nothing(id, pod.workload, pod.index(), pod.told);
        self.node_changed_allocation(pod.node);
        self.out.served.push(crate::Served::PodGone(uid.clone()));
        self.state.mark(pod.workload);
    }

    /// Remembers why a workload is to be looked at.
    pub(crate) fn because(&mut self, id: u32, why: impl Into<Why>) {
        if let Some(workload) = self.state.workload.get_mut(&id) {
            let memo = &mut workload.memo;
            if std::mem::take(&mut memo.whys_served) {
                memo.whys.clear();
            }
            let (whys, why) = (&mut memo.whys, why.into());
            if !whys.contains(&why) {
                // Before it is put in, so that there is room for as many and not for the double.
                let surplus = (whys.len() + 1).saturating_sub(CAUSES_MAX);
                whys.drain(..surplus);
                whys.push(why);
            }
        }
        self.state.touch_workload(id);
        self.state.mark(id);
    }
}

/// The counter of the first pod of a leader that begins anew with this epoch: no pod of an earlier
/// epoch has one as high, so no uid comes twice.
pub(crate) fn first_counter(epoch: i64) -> u64 {
    u64::try_from(epoch).unwrap_or(0) << COUNTER_BITS
}
