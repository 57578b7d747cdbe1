//! From counts to steps: which workloads need pods, and which pods go.

use std::collections::BTreeMap;

use setpoint_rules::rollout::{self, Counts, Steps, Update};
use setpoint_rules::victims::{self, Candidate};
use setpoint_schemas::{Action, Cause, PodUid, ResourceKey, UpdateOrder};

use super::placing::Start;
use super::turn::Turn;
use crate::state::{About, Table, Workload, WorkloadKind};
use crate::views::{Standing, Tally, Views};

/// The annotation of a workload whose pods are done when they end.
const RUNS_ONCE: &str = "setpoint.dev/runs-once";
/// Kubernetes' default of `progressDeadlineSeconds`.
const PROGRESS_DEADLINE_S: i64 = 600;
/// The backoff of replacing pods that end: as the kubelet's of restarting containers.
const ENDED_BACKOFF_MS: i64 = 10_000;
/// The longest backoff of replacing pods that end.
const ENDED_BACKOFF_MS_MAX: i64 = 300_000;

impl<V: Views> Turn<'_, V> {
    /// Looks at every workload that is marked; says whether anything was done.
    pub(crate) fn plan(&mut self) -> bool {
        if std::mem::take(&mut self.freed) {
            let waiting = self.state.waiting.clone();
            self.state.dirty.extend(waiting);
        }
        let dirty = std::mem::take(&mut self.state.dirty);
        let before = (self.out.placements.len(), self.ledger.entries.len());
        let mut starts = Vec::new();
        for key in dirty {
            self.plan_workload(&key, &mut starts);
        }
        self.place_all(starts);
        before != (self.out.placements.len(), self.ledger.entries.len()) || self.freed
    }

    fn plan_workload(&mut self, key: &ResourceKey, starts: &mut Vec<Start>) {
        let Some(id) = self.state.workloads.get(key).copied() else { return };
        if self.forget_if_done(id) {
            return;
        }
        self.replace_ended(id);
        let Some(workload) = self.state.workload.get(&id) else { return };
        if workload.kind == WorkloadKind::Daemon {
            self.plan_daemon(id, starts);
            return;
        }
        let (counts, update) = (counts(workload), update(workload));
        let steps = rollout::steps(&counts, update);
        self.stop_victims(id, &steps, update);
        self.track_progress(id, &counts);
        self.start(id, steps.start, starts);
    }

    /// Pods that ended for good make room for new ones, with a growing pause. Those that were meant
    /// to run once stay.
    fn replace_ended(&mut self, id: u32) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        if runs_once(workload) && !workload.deleted {
            return;
        }
        // The tallies are settled before planning: without an ended pod there is none to look for.
        if workload.total().ended == 0 {
            return;
        }
        let mut ended: Vec<(PodUid, u32)> = workload
            .pods
            .iter()
            .filter_map(|pod| self.state.pod.get(pod).map(|p| (p, *pod)))
            .filter(|(pod, _)| pod.row.standing == Standing::Ended)
            .map(|(pod, number)| (pod.row.uid.clone(), number))
            .collect();
        ended.sort();
        for (_, pod) in &ended {
            let cause = self.state.pod.get(pod).and_then(|p| p.row.cause.clone());
            let reason = "all its containers ended for good".to_owned();
            self.withdraw(*pod, "replace_ended", reason, cause.into_iter().collect());
        }
        let now = self.now;
        if let (false, Some(workload)) = (ended.is_empty(), self.state.workload.get_mut(&id)) {
            let exponent = workload.memo.ended_in_row.min(16);
            let pause = if exponent == 0 { 0 } else { ENDED_BACKOFF_MS << (exponent - 1) };
            workload.memo.ended_in_row += 1;
            workload.memo.not_before_ms = now + pause.min(ENDED_BACKOFF_MS_MAX);
            let key = workload.key.clone();
            self.state.touch(Table::Workloads, &key);
        }
    }

    fn start(&mut self, id: u32, count: i64, starts: &mut Vec<Start>) {
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        let key = workload.key.clone();
        if count <= 0 {
            let waited = workload.memo.waiting.take().is_some();
            if waited || !workload.memo.causes_served {
                workload.memo.causes_served = true;
                self.state.touch(Table::Workloads, &key);
            }
            self.waits_no_more(id, &key);
            return;
        }
        if self.now < workload.memo.not_before_ms {
            let at = workload.memo.not_before_ms;
            self.state.look_again(&key, at);
            return;
        }
        let priority = workload.current_template().map_or(0, |t| t.priority);
        starts.push(Start { priority, key, workload: id, count, node: None });
    }

    fn stop_victims(&mut self, id: u32, steps: &Steps, update: Update) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let current = workload.memo.current;
        let causes = workload.memo.causes.clone();
        let deleted = workload.deleted;
        let any_revision = update == Update::Keep;
        let old = |revision: u32| revision != current;
        let mut stops: Vec<(PodUid, &str)> = Vec::new();
        let unavailable = self.victims(id, steps.stop_old_unavailable, |r, a| old(r) && !a);
        let available = self.victims(id, steps.stop_old_available, |r, a| old(r) && a);
        let present = self.victims(id, steps.stop_current, |r, _| !old(r));
        let old_reason = if any_revision {
            "more pods than desired"
        } else {
            "replaced by the current revision"
        };
        let reason = |usual| if deleted { "its workload was deleted" } else { usual };
        stops.extend(unavailable.into_iter().chain(available).map(|uid| (uid, reason(old_reason))));
        stops.extend(present.into_iter().map(|uid| (uid, reason("more pods than desired"))));
        for (uid, reason) in stops {
            if let Some(pod) = self.state.pods.get(&uid).copied() {
                self.withdraw(pod, "rollout", reason.to_owned(), causes.clone());
            }
        }
    }

    fn victims(&self, id: u32, count: i64, which: impl Fn(u32, bool) -> bool) -> Vec<PodUid> {
        let Some(workload) = self.state.workload.get(&id) else { return Vec::new() };
        if count <= 0 {
            return Vec::new();
        }
        let pods = || workload.pods.iter().filter_map(|pod| self.state.pod.get(pod));
        let live = |s: Standing| !matches!(s, Standing::Stopping | Standing::Ended);
        let mut on_node: BTreeMap<u32, usize> = BTreeMap::new();
        pods().for_each(|pod| *on_node.entry(pod.node).or_default() += 1);
        let candidates = pods()
            .filter(|pod| live(pod.row.standing))
            .filter(|pod| which(pod.row.revision, pod.row.standing == Standing::Available))
            .map(|pod| Candidate {
                uid: pod.row.uid.clone(),
                available: pod.row.standing == Standing::Available,
                neighbours: on_node.get(&pod.node).copied().unwrap_or(0),
                counter: pod.row.counter,
            })
            .collect();
        victims::choose(candidates, usize::try_from(count).unwrap_or(0))
    }

    /// Whether an update proceeds; stuck after its deadline, and said once.
    fn track_progress(&mut self, id: u32, counts: &Counts) {
        let now = self.now;
        let Some(workload) = self.state.workload.get_mut(&id) else { return };
        if workload.kind != WorkloadKind::Rolling {
            return;
        }
        let complete = counts.current_available >= counts.desired && counts.old == 0;
        if complete && counts.current_available > 0 {
            workload.memo.ended_in_row = 0;
        }
        if counts.current_available != workload.memo.progress_available || complete {
            workload.memo.progress_available = counts.current_available;
            workload.memo.progress_ms = now;
            workload.memo.stuck = false;
        }
        let limit_ms =
            workload.spec.progress_deadline_seconds.map_or(PROGRESS_DEADLINE_S, i64::from) * 1_000;
        let due = workload.memo.progress_ms + limit_ms;
        let key = workload.key.clone();
        if complete || counts.paused || workload.memo.stuck {
            self.state.touch(Table::Workloads, &key);
            return;
        }
        if now < due || !self.complete {
            self.state.look_again(&key, due);
        } else {
            workload.memo.stuck = true;
            let about = About {
                resource: key.to_string(),
                causes: workload.memo.causes.clone(),
                ..About::default()
            };
            let reason =
                format!("no progress for {} s: ProgressDeadlineExceeded", limit_ms / 1_000);
            self.ledger.write(Action::Rollout, "progress_deadline", reason, about);
        }
        self.state.touch(Table::Workloads, &key);
    }

    /// Pods on lost nodes: their placements are withdrawn, so that others take their place. A
    /// DaemonSet's pods stay: their place is their node.
    pub(crate) fn withdraw_stranded(&mut self, pods: &[u32]) {
        let mut stranded: Vec<(PodUid, u32)> = Vec::new();
        for id in pods {
            let Some(pod) = self.state.pod.get(id) else { continue };
            let kind = self.state.workload.get(&pod.workload).map(|w| w.kind);
            if kind != Some(WorkloadKind::Daemon) && pod.row.standing != Standing::Stopping {
                stranded.push((pod.row.uid.clone(), *id));
            }
        }
        stranded.sort();
        for (_, id) in &stranded {
            let Some(pod) = self.state.pod.get(id) else { continue };
            let (key, node) = (pod.row.workload.clone(), pod.row.node.clone());
            let last = self.state.node.get(&pod.node).map(|node| node.row.cause.clone());
            let text = format!("node {node} is lost; this was the last that it said");
            let cause = last.map(|last| Cause { text, ..last });
            if let Some(cause) = &cause {
                self.because(&key, cause);
            }
            let causes = cause.into_iter().collect();
            self.withdraw(*id, "node_loss", format!("its node {node} is lost"), causes);
        }
    }
}

/// The counts of a workload, from its tallies.
pub(crate) fn counts(workload: &Workload) -> Counts {
    let current = workload.tallies.get(&workload.memo.current).copied().unwrap_or_default();
    let total = workload.total();
    let done = if runs_once(workload) { total.ended } else { 0 };
    let old = |pick: fn(&Tally) -> i64| pick(&total) - pick(&current);
    Counts {
        desired: workload.desired(),
        current: current.live + done,
        current_available: current.available + done,
        old: old(|t| t.live),
        old_available: old(|t| t.available),
        stopping: total.stopping,
        paused: workload.spec.paused,
    }
}

/// Whether a pod that ended for good is done: a bare pod, or a Compose service that is not to be
/// started again.
fn runs_once(workload: &Workload) -> bool {
    let annotated = workload.annotations.get(RUNS_ONCE).is_some_and(|value| value == "true");
    workload.kind == WorkloadKind::Bare || annotated
}

fn update(workload: &Workload) -> Update {
    if workload.kind != WorkloadKind::Rolling {
        return Update::Keep;
    }
    let order = match workload.annotations.get("setpoint.dev/update-order").map(String::as_str) {
        Some("start-first") => UpdateOrder::StartFirst,
        _ => UpdateOrder::StopFirst,
    };
    rollout::strategy(workload.spec.strategy.as_ref(), workload.desired(), order)
}
