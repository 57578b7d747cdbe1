//! Questions between two epochs: how a workload stands and why, and what a request would do.
//!
//! Guarantee: nothing changes; the same state gives the same answer.
//! Absent: what was decided before. The ledger tells that.

use std::cell::RefCell;
use std::collections::BTreeSet;

use setpoint_placement::NodeVerdict;
use setpoint_rules::rollout::Update;
use setpoint_schemas::{NodeName, Request, ResourceKey};

use crate::decide::Judge;
use crate::engine::Engine;
use crate::epoch::Foreseen;
use crate::state::{Pod, Workload, WorkloadKind};
use crate::views::{Standing, Views};

/// Nodes of one explanation, by name; nobody reads more.
const NODES_EXPLAINED_MAX: usize = 100;

/// How a workload stands, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it is as it should be and nothing is left to do.
    pub settled: bool,
    /// How it stands, in a sentence; of a pod that has no place, kube-scheduler's.
    pub reason: String,
    /// How many pods are wanted.
    pub desired: i64,
    /// Pods that are placed and not stopping.
    pub live: i64,
    /// Those of them that are ready.
    pub ready: i64,
    /// Those of them that were ready for long enough.
    pub available: i64,
    /// Pods on their way out.
    pub stopping: i64,
    /// What each node says to one more pod, when one has no place; by name, at most a hundred.
    pub nodes: Vec<NodeSays>,
    /// How many more nodes there are.
    pub nodes_left_out: usize,
}

/// What one node says to a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSays {
    /// The node.
    pub node: NodeName,
    /// Whether every filter passes.
    pub fits: bool,
    /// Each filter that refuses and why, in kube-scheduler's phrases.
    pub refusals: Vec<(&'static str, Vec<String>)>,
    /// The total score in hundredths of a node that fits.
    pub score: Option<i64>,
}

impl<V: Views> Engine<V> {
    /// How a workload stands now; `None` when there is none of this key.
    #[must_use]
    pub fn explain(&self, key: &ResourceKey) -> Option<Explanation> {
        let id = self.state.workloads.get(key)?;
        let workload = self.state.workload.get(id)?;
        let total = workload.total();
        let desired = self.wanted(workload);
        let (settled, reason) = self.reason(workload, desired);
        let (nodes, nodes_left_out) = self.nodes_for(workload);
        Some(Explanation {
            settled,
            reason: match &self.state.meta.hold {
                Some(hold) => format!("{reason}; replacements are held: {hold}"),
                None => reason,
            },
            desired,
            live: total.live,
            ready: total.ready,
            available: total.available,
            stopping: total.stopping,
            nodes,
            nodes_left_out,
        })
    }

    /// What a request would do if it were decided now.
    #[must_use]
    pub fn foresee(&self, request: &Request) -> Foreseen {
        let meta = &self.state.meta;
        let judge = Judge {
            state: &self.state,
            number: meta.number,
            now: meta.time_ms,
            given: RefCell::default(),
            asked: RefCell::default(),
            set: RefCell::default(),
        };
        judge.foresee(request)
    }

    /// A DaemonSet wants a pod on each node that has one or waits for room for one.
    fn wanted(&self, workload: &Workload) -> i64 {
        match workload.kind {
            WorkloadKind::Daemon if workload.deleted => 0,
            WorkloadKind::Daemon => workload.total().live + workload.memo.waiting_here.len() as i64,
            _ => workload.desired(),
        }
    }

    /// Whether it is settled, and a sentence: the first that applies of what keeps it from being so.
    fn reason(&self, workload: &Workload, desired: i64) -> (bool, String) {
        let (total, memo) = (workload.total(), &workload.memo);
        // Pods that were to run once and did are counted in.
        let counts = workload.counts();
        let (live, available) =
            (counts.current + counts.old, counts.current_available + counts.old_available);
        let pause_ms = memo.not_before_ms - self.state.meta.time_ms;
        let rolls = workload.kind == WorkloadKind::Rolling && counts.old > 0;
        let sentence = if workload.deleted {
            format!("it is deleted; {} pods are still to go", total.live + total.stopping)
        } else if workload.is_kept {
            "it is being deleted, and finalizers keep it: no pod is made any more".to_owned()
        } else if let Some(waiting) = workload.groups_waiting().first() {
            waiting.reason.clone()
        } else if let Some(met) = workload.memo.job.as_ref().and_then(|job| job.record.met.as_ref())
        {
            let how = if met.is_success { "it is complete" } else { "it failed" };
            return (total.live + total.stopping == 0, format!("{how}: {}", met.said()));
        } else if let Some(why) = self.state.done(workload).why() {
            return (true, why);
        } else if workload.kind == WorkloadKind::Bare && total.ended > 0 {
            let ended = "its containers ended for good, and a bare pod is not started again";
            return (true, ended.to_owned());
        } else if pause_ms > 0 && live < desired {
            format!(
                "its pods ended {} times in a row; the next one starts in {} s",
                memo.ended_in_row.max(memo.rescheduled.row).max(memo.rescheduled.evicted),
                pause_ms / 1_000 + 1
            )
        } else if memo.stuck {
            format!(
                "its update makes no progress: {} of {desired} pods of the current revision are \
                 available",
                counts.current_available
            )
        } else if rolls {
            let state = if counts.paused { "is paused" } else { "goes on" };
            format!(
                "its update {state}: {} of {desired} pods of the current revision are available, {} \
                 of older ones are left",
                counts.current_available, counts.old
            )
        } else if let Some(doubt) = self.doubted(workload).filter(|_| live < desired) {
            doubt
        } else if let Some(first) = others_first(workload).filter(|_| live < desired) {
            first
        } else if live < desired && self.is_dirty(workload) {
            format!("starts are paced: {live} of {desired} pods are placed")
        } else if live < desired {
            format!("{live} of {desired} pods are placed")
        } else if available < desired {
            format!("all {desired} pods are placed, {available} of them are available")
        } else if total.stopping > 0 {
            format!("{desired} pods are wanted and available; {} more still stop", total.stopping)
        } else {
            return (true, format!("settled: {available} of {desired} pods are available"));
        };
        (false, sentence)
    }

    /// Why a StatefulSet's identity has no pod, when it is not certain that the one before has ended.
    fn doubted(&self, workload: &Workload) -> Option<String> {
        let until_ms = workload.memo.unproven_until_ms;
        let wait_s = (until_ms - self.state.meta.time_ms + 999) / 1_000;
        if wait_s > 0 {
            return Some(format!(
                "pods that nobody knows of may still run; the next one starts in {wait_s} s"
            ));
        }
        let pods = workload.pods.iter().filter_map(|id| self.state.pods.get(id));
        let stays = |pod: &&Pod| {
            let is_lost = self.state.host(pod).is_some_and(|host| host.row.lost);
            pod.standing == Standing::Stopping && self.state.is_at_most_one(pod) && is_lost
        };
        let pod = pods.filter(stays).min_by_key(|pod| pod.counter)?;
        let (name, node) = (self.state.pod_name(pod), &self.state.host(pod)?.row.record);
        let ends = match node.fenced_within_ms() {
            Some(_) => "it ends there by itself, which is waited for",
            None => {
                "nothing ends it there by itself: its node must return, or its loss be confirmed"
            }
        };
        Some(format!("pod {} may still run on node {}, which is lost; {ends}", &*name, node.node))
    }

    fn is_dirty(&self, workload: &Workload) -> bool {
        let id = self.state.workloads.get(&workload.key);
        id.is_some_and(|id| self.state.dirty.contains(*id))
    }

    /// What the nodes say to the workload's next pod, when it has no place.
    fn nodes_for(&self, workload: &Workload) -> (Vec<NodeSays>, usize) {
        let daemon = workload.kind == WorkloadKind::Daemon;
        let template = workload.current_template();
        let waits = !workload.groups_waiting().is_empty();
        let Some(template) = template.filter(|_| daemon || waits) else {
            return (Vec::new(), 0);
        };
        let pods = workload.pods.iter().filter(|_| daemon).filter_map(|id| self.state.pods.get(id));
        let live = pods.filter(|pod| pod.standing != Standing::Stopping);
        let served: BTreeSet<u32> = live.map(|pod| pod.node).collect();
        let next = workload.memo.ordinals.first().copied();
        let mut said = self.fleet.explain(&self.state.shape_of(workload, &template, next));
        said.retain(|verdict| !served.contains(&verdict.node.0));
        let left_out = said.len().saturating_sub(NODES_EXPLAINED_MAX);
        said.truncate(NODES_EXPLAINED_MAX);
        (said.into_iter().map(says).collect(), left_out)
    }
}

/// Why no pod of it starts, when those before them are to have stopped.
fn others_first(workload: &Workload) -> Option<String> {
    let (counts, away) = (workload.counts(), workload.away.len());
    if workload.update() != Update::Recreate || counts.current > 0 || counts.stopping <= 0 {
        return None;
    }
    // Those on lost nodes are counted where they may have the data of those that are to start.
    if away > 0 && counts.stopping == workload.total().stopping {
        return Some(format!(
            "{away} of its pods may still run on nodes that are lost, where their data is: these must return or \
             be deleted"
        ));
    }
    Some(format!("its pods start when those before them have stopped; left: {}", counts.stopping))
}

fn says(verdict: NodeVerdict) -> NodeSays {
    let fits = verdict.fits();
    let refuses = verdict.filters.into_iter().filter(|filter| !filter.reasons.is_empty());
    NodeSays {
        node: verdict.name,
        fits,
        refusals: refuses.map(|filter| (filter.filter, filter.reasons)).collect(),
        score: fits.then(|| verdict.scores.total_hundredths()),
    }
}
