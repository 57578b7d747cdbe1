//! The pods that are still there: placements joined with the latest observations and snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use setpoint_schemas::{
    Input, NodeName, NodeSnapshot, Observation, Placement, PodPhase, PodUid, Position, Sourced,
};

use super::Placed;
use crate::state::{Heard, NodeRow, Remains};

/// A pod that stands, or one that its node may still have.
pub(super) struct Present {
    pub(super) placement: Placement,
    pub(super) position: Position,
    pub(super) withdrawn: bool,
    pub(super) observed: Option<(Observation, Position)>,
    /// How far its node's word of it is known.
    pub(super) heard: Option<Heard>,
}

/// All pods that are there, in the order in which they were placed. A withdrawn one of which its
/// node has said that nothing is left, or whose node is removed, is not among them.
pub(super) fn join(
    nodes: &BTreeMap<NodeName, NodeRow>,
    placements: Vec<Placed>,
    observed: &[Sourced],
) -> Vec<Present> {
    let (latest, snapshots) = sorted_out(nodes, observed);
    let has = |snapshot: &&NodeSnapshot| snapshot.uids.iter().cloned().collect();
    let has: HashMap<NodeName, HashSet<PodUid>> =
        snapshots.iter().map(|(node, snapshot)| (node.clone(), has(snapshot))).collect();
    let mut present: Vec<Present> = placements
        .into_iter()
        .filter_map(|placed| {
            let Placed { placement, position, withdrawn } = placed;
            let said = latest.get(&placement.uid).filter(|(pod, _)| pod.is_by(&placement.node));
            let snapshot = snapshots.get(&placement.node);
            let is_there = has.get(&placement.node).is_some_and(|h| h.contains(&placement.uid));
            // One that has ended for good has ended, whatever is left of it.
            let has_ended = !withdrawn && said.is_some_and(|(pod, _)| pod.phase().is_finished());
            let absent = snapshot.is_some_and(|s| !is_there && !has_ended && is_newest(s, said));
            // That it was absent once does not prove that one which may run at most once has ended: its
            // node may have gone by a list that named it later.
            let is_proof = !(withdrawn && placement.at_most_one);
            let gone =
                (absent && is_proof) || said.is_some_and(|(pod, _)| pod.phase() == PodPhase::Gone);
            // With a node that was removed its pods are gone as well.
            if withdrawn && (gone || !nodes.contains_key(&placement.node)) {
                return None;
            }
            let last = said.map(|(pod, _)| (pod.session(), pod.sequence()));
            let last = match snapshot.filter(|_| absent) {
                Some(snapshot) => Some((snapshot.session.as_str(), snapshot.sequence)),
                None => last,
            };
            let heard = last.map(|(session, sequence)| Heard::of(session, sequence));
            let observed = said.filter(|_| !gone).cloned();
            Some(Present { placement, position, withdrawn, observed, heard })
        })
        .collect();
    present.sort_by(|a, b| {
        let order = |p: &Placement| (p.placed_ms, p.uid.clone());
        order(&a.placement).cmp(&order(&b.placement))
    });
    present
}

/// What is observed of pods that are not there: nobody has use for it. What a watched node shows is
/// left to its watcher.
pub(super) fn remains(
    nodes: &BTreeMap<NodeName, NodeRow>,
    present: &[Present],
    observed: &[Sourced],
) -> Vec<Remains> {
    let present: BTreeSet<(&PodUid, &NodeName)> =
        present.iter().map(|pod| (&pod.placement.uid, &pod.placement.node)).collect();
    let shown = |pod: &Observation| {
        let is_watched = nodes.get(pod.node()).is_some_and(|node| node.record.is_watched());
        is_watched && pod.phase() != PodPhase::Gone
    };
    let is_there = |pod: &Observation| present.contains(&(pod.uid(), &pod.node_name()));
    let left = observed.iter().filter_map(|sourced| match &sourced.input {
        Input::Pod(pod) if !is_there(pod) && !shown(pod) => {
            Some(Remains::Pod { uid: pod.uid().clone(), node: pod.node_name() })
        }
        _ => None,
    });
    left.collect()
}

type Observations = HashMap<PodUid, (Observation, Position)>;

/// The newest observation of each pod and the newest snapshot of each node's present session.
fn sorted_out<'a>(
    nodes: &BTreeMap<NodeName, NodeRow>,
    observed: &'a [Sourced],
) -> (Observations, BTreeMap<NodeName, &'a NodeSnapshot>) {
    let mut latest = Observations::new();
    let mut snapshots: BTreeMap<NodeName, &NodeSnapshot> = BTreeMap::new();
    for sourced in observed {
        match &sourced.input {
            Input::Pod(pod) => {
                let session = nodes.get(pod.node()).map(|node| &node.record.session);
                let is_newer = latest.get(pod.uid()).is_none_or(|(last, _)| {
                    let is_present = |word: &Observation| session.is_some_and(|s| word.is_in(s));
                    match (is_present(pod), is_present(last)) {
                        (true, false) => true,
                        (false, true) => false,
                        _ => newer(pod, last),
                    }
                });
                if is_newer {
                    latest.insert(pod.uid().clone(), (pod.clone(), sourced.position));
                }
            }
            Input::PodRemoved(uid) => {
                latest.remove(uid);
            }
            Input::Snapshot(snapshot) => {
                let session = nodes.get(&snapshot.node).map(|node| &node.record.session);
                let last = snapshots.get(&snapshot.node).map_or(-1, |last| last.sequence);
                if session == Some(&snapshot.session) && snapshot.sequence > last {
                    snapshots.insert(snapshot.node.clone(), snapshot);
                }
            }
            _ => {}
        }
    }
    (latest, snapshots)
}

fn newer(pod: &Observation, last: &Observation) -> bool {
    last.session() != pod.session() || last.sequence() < pod.sequence()
}

/// Whether nothing newer than a snapshot was said of a pod.
fn is_newest(snapshot: &NodeSnapshot, said: Option<&(Observation, Position)>) -> bool {
    said.is_none_or(|(pod, _)| !pod.is_in(&snapshot.session) || pod.sequence() < snapshot.sequence)
}
