//! Making the state what a leader recorded, after this engine decided otherwise.
//!
//! Guarantee: resources, placements, lost nodes and the hold end as recorded. What cannot be made
//! so is told, and nothing panics: the log is the truth, and the next epoch is judged from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use setpoint_rules::disruption;
use setpoint_rules::memory::Memory;
use setpoint_schemas::{
    Action, Decision, NodeName, Placement, PodUid, Position, Resource, ResourceKey, Topic,
};

use super::correct_pod::Target;
use super::inferred::history_of;
use crate::causes::Cause;
use crate::decide::kinds::{is_claim, is_managed_group, is_namespace, is_volume};
use crate::decide::plan::placement_of;
use crate::decide::requests::compile;
use crate::decide::turn::{Turn, first_counter};
use crate::decided::Decided;
use crate::epoch::{ItemVerdict, Outcome, PlacementChange, Recorded, Served, Verdict};
use crate::state::{Deadline, Keyed, State, Table, WorkloadKind};
use crate::views::{Fact, Views};

/// What an epoch may overwrite, as it was before.
pub(crate) struct Before {
    resources: Keyed<Option<Arc<Resource>>>,
    hold: Option<String>,
}

impl Before {
    /// Of a state that has just stepped an epoch, with the hold that it had before.
    pub(crate) fn of(state: &State, hold: Option<String>) -> Before {
        Before { resources: state.overwritten.clone(), hold }
    }
}

impl<V: Views> Turn<'_, V> {
    /// Corrects the state from `own` to `recorded`; says what could not be made so.
    pub(crate) fn correct(
        &mut self,
        own: &Outcome,
        recorded: &Recorded,
        before: &Before,
    ) -> Vec<String> {
        let decided = own.ledger();
        let cause = cause_among(&recorded.decisions)
            .or_else(|| cause_among(&decided))
            .unwrap_or_else(|| self.nameless_cause());
        let mut unmended = self.correct_resources(own, recorded, before, &cause);
        self.correct_nodes(&decided, &recorded.decisions);
        self.correct_hold(&decided, &recorded.decisions, before);
        unmended.extend(self.correct_pods(&own.placements, &recorded.placements));
        self.correct_waits(&decided, &recorded.decisions);
        // What the leader sees to on any node, this engine is to see to as well when it leads.
        let daemons: Vec<u32> = self.state.daemons.iter().copied().collect();
        daemons.into_iter().for_each(|id| self.state.look_everywhere(id));
        // What the views show is taken in and not acted upon.
        self.hear();
        self.state.cold_dirty = true;
        unmended
    }

    /// The outcome that readers see: what is recorded, and what was taken back of our own.
    pub(crate) fn corrected(mut self, own: Outcome, recorded: &Recorded) -> Outcome {
        self.serve_nodes(true);
        self.state.keep_pending();
        let due_ms = self.due_ms();
        let keys = own.resources.iter().chain(&recorded.resources).map(|(key, _)| key.clone());
        let resources = keys.collect::<BTreeSet<_>>().into_iter();
        let resources = resources.map(|key| {
            let resource = self.state.resources.get(&key).cloned();
            (key, resource)
        });
        let resources = resources.collect();
        let changes = own.placements.iter().chain(&recorded.placements);
        let touched: BTreeMap<PodUid, NodeName> =
            changes.map(|change| (change.uid.clone(), change.node.clone())).collect();
        let placements = touched.into_iter().map(|(uid, node)| {
            let placement = self.standing_placement(&uid);
            let node = placement.as_ref().map_or(node, |p| p.node.clone());
            PlacementChange { uid, node, placement }
        });
        let placements = placements.collect();
        let verdicts = self.correct_answers(&own, recorded);
        let mut served = own.served;
        served.append(&mut self.out.served);
        served.push(Served::Hold(self.state.meta.hold.clone()));
        Outcome {
            resources,
            placements,
            decisions: recorded.decisions.iter().cloned().map(Decided::from).collect(),
            verdicts,
            served,
            hash: recorded.hash,
            due_ms,
            wants_cold: true,
            is_cold_left: true,
            overview: own.overview,
            ..self.out
        }
    }

    fn nameless_cause(&self) -> Cause {
        let text = format!("epoch {} as it is recorded", self.out.number);
        Cause::told(Position { topic: Topic::Epochs, partition: 0, offset: 0 }, text)
    }

    fn correct_resources(
        &mut self,
        own: &Outcome,
        recorded: &Recorded,
        before: &Before,
        cause: &Cause,
    ) -> Vec<String> {
        let targets: BTreeMap<&ResourceKey, &Option<Arc<Resource>>> =
            recorded.resources.iter().map(|(key, resource)| (key, resource)).collect();
        let keys: BTreeSet<&ResourceKey> =
            own.resources.iter().map(|(key, _)| key).chain(targets.keys().copied()).collect();
        let mut unmended = Vec::new();
        for key in keys {
            let target = match targets.get(key) {
                Some(target) => (*target).clone(),
                None => before.resources.get(key).cloned().flatten(),
            };
            if self.state.resources.get(key) == target.as_ref() {
                continue;
            }
            let own = self.state.resources.get(key).cloned();
            unmended.extend(match target {
                Some(resource) => self.set_resource(key, resource, cause),
                None => {
                    self.state.set_resource(key, None);
                    if is_namespace(key) {
                        self.fleet.set_namespace_labels(&key.name, BTreeMap::new());
                    }
                    self.unlearn(key, cause);
                    None
                }
            });
            self.owners_look(key, own.as_deref(), cause);
            if let Some(id) = self.node_about(key) {
                self.node_remains(id);
                self.node_changed(id);
            }
            if let Some(id) = self.state.workloads.get(key) {
                // What is recorded of its status may not be what these rules would say.
                self.state.status_changed(*id);
            }
        }
        unmended
    }

    fn set_resource(
        &mut self,
        key: &ResourceKey,
        resource: Arc<Resource>,
        cause: &Cause,
    ) -> Option<String> {
        let before = self.state.set_resource(key, Some(resource.clone()));
        let is_told = before.as_ref().is_some_and(|b| b.history == resource.history);
        let is_marked = before.as_ref().is_some_and(|b| b.deleted_ms != resource.deleted_ms);
        let is_same = before.is_some_and(|b| b.body == resource.body && b.uid == resource.uid);
        let kind = WorkloadKind::of(&key.kind.kind).filter(|_| is_managed_group(key));
        match kind {
            // Where a claim's data lives stands in its status.
            _ if is_same && is_claim(key) => self.claim_put(key, &resource),
            // And the node that a volume's first pod went to.
            _ if is_same && is_volume(key) => self.volume_put(key, &resource),
            // Which of its revisions were healthy or failed differs, or what is remembered of the current one;
            // or it is being deleted.
            Some(kind) if is_same && (!is_told || is_marked) => {
                if !is_told {
                    self.take_history(kind, key, &resource);
                }
                let id = self.state.workloads.get(key).copied().filter(|_| is_marked);
                if let Some(id) = id {
                    self.workload_leaves(id, &resource, cause);
                }
            }
            // Only its status, its version or its owners differ.
            _ if is_same => {}
            Some(kind) => match compile(kind, &resource) {
                Ok(compiled) => {
                    let is_known = self.state.workloads.contains_key(key);
                    let history = history_of(&compiled, &resource);
                    self.workload_put(&resource, compiled, cause);
                    if let Some(workload) = self.state.workload_by_key(key) {
                        workload.memo.watch.over |= history.last().is_some_and(|r| r.healthy);
                        workload.memo.history = history;
                        if !is_known && resource.version != self.out.number {
                            workload.memo.next_pod = first_counter(self.out.number);
                        }
                    }
                }
                Err(why) => return Some(format!("{key} does not compile by these rules: {why}")),
            },
            None => self.learn(key, &resource, cause),
        }
        self.job_is_recorded(key, &resource);
        None
    }

    fn take_history(&mut self, kind: WorkloadKind, key: &ResourceKey, resource: &Resource) {
        let now = self.now;
        let Ok(compiled) = compile(kind, resource) else { return };
        if let Some(workload) = self.state.workload_by_key(key) {
            workload.memo.history = history_of(&compiled, resource);
            workload.memo.remember(Memory::in_history(&resource.history), now);
        }
        if let Some(id) = self.state.workloads.get(key).copied() {
            self.state.touch_workload(id);
        }
    }

    fn correct_nodes(&mut self, own: &[Decision], recorded: &[Decision]) {
        let (own, recorded) = (node_verdicts(own), node_verdicts(recorded));
        let names: BTreeSet<&String> = own.keys().chain(recorded.keys()).copied().collect();
        for name in names {
            let lost = match (recorded.get(name), own.get(name)) {
                (Some(lost), _) => *lost,
                (None, Some(lost)) => !lost,
                (None, None) => continue,
            };
            let id = NodeName::parse(name).ok().and_then(|n| self.state.nodes.get(&n).copied());
            if let Some(id) = id {
                self.set_lost(id, lost);
            }
        }
    }

    fn set_lost(&mut self, id: u32, lost: bool) {
        let now = self.now;
        let Some(node) = self.state.node.get_mut(&id) else { return };
        if node.row.lost == lost {
            return;
        }
        (node.row.lost, node.row.silent) = (lost, false);
        if !lost {
            (node.row.confirmed_lost, node.row.renewed_ms) = (false, now);
        }
        self.state.touch_node(id);
        self.views.update(Fact::Lost { node: id }, if lost { 1 } else { -1 });
        self.refact_pods_of(id);
        self.schedule_lease(id);
        self.foresee_release(id);
        self.node_remains(id);
        self.node_changed(id);
    }

    /// What was taken to be left of a node when it was decided otherwise: who lives, or is kept as a
    /// resource, must not be buried when this engine leads.
    fn node_remains(&mut self, id: u32) {
        let Some(node) = self.state.node.get(&id) else { return };
        let name = node.row.record.node.clone();
        self.node_settled(&name);
        self.node_leaves(id);
    }

    fn correct_hold(&mut self, own: &[Decision], recorded: &[Decision], before: &Before) {
        let last = |decisions: &[Decision]| {
            let holds = |d: &&Decision| matches!(d.action, Action::Hold | Action::Release);
            let last = decisions.iter().rfind(holds);
            last.map(|d| (d.action == Action::Hold).then(|| d.reason.clone()))
        };
        let target = match (last(recorded), last(own)) {
            (Some(hold), _) => hold,
            (None, Some(_)) => before.hold.clone(),
            (None, None) => return,
        };
        if self.state.meta.hold == target {
            return;
        }
        let again = self.now + self.state.meta.policy.lease_renew_ms;
        self.state.meta.judge_ms = target.is_some().then_some(again);
        if target.is_none() {
            self.state.meta.released_ms = self.now;
        }
        self.state.meta.hold = target;
        self.serve_silent();
        let ids: Vec<u32> = self.state.nodes.values().copied().collect();
        ids.into_iter().for_each(|id| self.schedule_lease(id));
    }

    /// A workload of which it was decided otherwise whether it waits is looked at again.
    fn correct_waits(&mut self, own: &[Decision], recorded: &[Decision]) {
        let waits = |decisions: &[Decision]| -> BTreeMap<String, String> {
            // What an eviction waits for stands with its pod.
            let is_wait = |d: &&Decision| d.action == Action::Wait && d.rule != disruption::RULE;
            let waits = decisions.iter().filter(is_wait);
            waits.map(|d| (d.resource.clone(), d.reason.clone())).collect()
        };
        let (own, recorded) = (waits(own), waits(recorded));
        let all = own.iter().chain(&recorded);
        let differ = all.filter(|(key, _)| own.get(*key) != recorded.get(*key));
        for key in differ.filter_map(|(key, _)| ResourceKey::parse(key).ok()) {
            if let Some(id) = self.state.workloads.get(&key).copied() {
                self.look_later(id);
            }
        }
    }

    /// A workload about which these rules decided otherwise is looked at in the next epoch.
    pub(crate) fn look_later(&mut self, id: u32) {
        self.state.touch_workload(id);
        self.state.mark(id);
    }

    /// Answers to requests as recorded, kept for when one is repeated.
    fn correct_answers(&mut self, own: &Outcome, recorded: &Recorded) -> Vec<Verdict> {
        let decided = own.ledger();
        let mut verdicts = Vec::new();
        for ours in &own.verdicts {
            let verdict = verdict(ours, &decided, &recorded.decisions);
            if verdict.as_ref() != Some(ours) {
                self.state.answered.mend(&ours.request, verdict.as_ref());
                self.state.touch(Table::Answers, &ours.request);
            }
            verdicts.extend(verdict);
        }
        verdicts
    }

    /// The placement of a pod that is not withdrawn.
    fn standing_placement(&self, uid: &PodUid) -> Option<Arc<Placement>> {
        let pod = self.state.pods.by_uid(uid)?;
        if pod.standing == crate::views::Standing::Stopping {
            return None;
        }
        placement_of(self.state, pod)
    }

    pub(crate) fn schedule_min_ready(&mut self, uid: &PodUid, at_ms: i64) {
        self.state.schedule(at_ms, Deadline::MinReady(uid.clone()));
    }

    /// Placements as recorded; says what could not be made so.
    fn correct_pods(
        &mut self,
        own: &[PlacementChange],
        recorded: &[PlacementChange],
    ) -> Vec<String> {
        let targets: BTreeMap<&PodUid, Option<&Arc<Placement>>> =
            recorded.iter().map(|change| (&change.uid, change.placement.as_ref())).collect();
        // A pod may be placed or restarted, and withdrawn, in one epoch: what came first is taken back.
        let mut ours: BTreeMap<&PodUid, Option<&Arc<Placement>>> = BTreeMap::new();
        for change in own {
            let first = ours.entry(&change.uid).or_default();
            *first = first.or(change.placement.as_ref());
        }
        let uids: BTreeSet<&PodUid> = targets.keys().chain(ours.keys()).copied().collect();
        let target = |uid: &PodUid| match (targets.get(uid), ours.get(uid)) {
            (Some(Some(placement)), _) => Target::Placed((*placement).clone()),
            (Some(None), _) => Target::Withdrawn,
            (None, Some(Some(placement))) => Target::NotPlaced((*placement).clone()),
            (None, _) => Target::NotWithdrawn,
        };
        // First what frees room and counters, then what takes them.
        let (taking, freeing): (Vec<_>, Vec<_>) = uids
            .into_iter()
            .map(|uid| (uid, target(uid)))
            .partition(|(_, t)| matches!(t, Target::Placed(_) | Target::NotWithdrawn));
        let mut unmended = Vec::new();
        for (uid, target) in freeing.into_iter().chain(taking) {
            unmended.extend(self.correct_pod(uid, target));
        }
        unmended
    }
}

/// Which nodes were lost (or returned: `false`), by name.
fn node_verdicts(decisions: &[Decision]) -> BTreeMap<&String, bool> {
    let verdicts = decisions.iter().filter_map(|decision| match decision.action {
        Action::NodeLost => Some((&decision.node, true)),
        Action::NodeReturned => Some((&decision.node, false)),
        _ => None,
    });
    verdicts.collect()
}

fn cause_among(decisions: &[Decision]) -> Option<Cause> {
    decisions.iter().find_map(|decision| decision.causes.first().and_then(Cause::read))
}

/// The recorded answer to a request: our own where it is the same. A request that was set aside has
/// none.
fn verdict(own: &Verdict, decided: &[Decision], recorded: &[Decision]) -> Option<Verdict> {
    let answers = |d: &&Decision| d.request == own.request.as_str();
    let Some(entry) = recorded.iter().find(answers) else {
        // Repeated, and answered as before; or decided by us alone.
        return decided.iter().find(answers).is_none().then(|| own.clone());
    };
    let accepted = entry.action == Action::Accept;
    if accepted == own.accepted {
        return Some(own.clone());
    }
    let item = |item: &ItemVerdict| ItemVerdict {
        key: item.key.clone(),
        result: if accepted { "configured" } else { "refused" },
        code: if accepted { 200 } else { 422 },
        message: if accepted { String::new() } else { entry.reason.clone() },
    };
    let items = own.items.iter().map(item).collect();
    Some(Verdict { request: own.request.clone(), accepted, items })
}
