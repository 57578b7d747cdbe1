//! Questions to the read model: get, list, watch, decisions, a summary.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use setpoint_schemas::{
    ConditionStatus, Decision, GroupKind, NodeName, Placement, PodObserved, PodUid, Resource,
    ResourceKey,
};
use tokio::sync::watch;

use super::names::Name;
use super::ring::Ring;
use super::{Cursor, Entry, Event, Expired, Kept, Progress, ReadModel};

/// A list as of one epoch.
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    pub(crate) epoch: i64,
    /// Where the next page begins, when there is more: the last namespace and name of this one.
    pub(crate) next: Option<(String, String)>,
}

/// The fleet in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The present term.
    pub term: i64,
    /// The epoch that was shown last.
    pub epoch: i64,
    /// Its engine time, milliseconds since 1970.
    pub time_ms: i64,
    /// `starting`, `standby` or `leader`.
    pub role: String,
    /// Whether answers are current.
    pub ready: bool,
    /// Nodes that are known.
    pub nodes: usize,
    /// Those of them whose lease ran out.
    pub nodes_lost: usize,
    /// Those that are known and not ready, the lost ones among them.
    pub nodes_not_ready: usize,
    /// Pods that have a place.
    pub placed: usize,
    /// Those of them that are ready.
    pub pods_ready: usize,
    /// Pods that wait for a place; of several of one workload only the next.
    pub waiting: usize,
    /// Pods whose placement was withdrawn and that are still there.
    pub stopping: usize,
    /// What holds replacements, one sentence each.
    pub holds: Vec<String>,
    /// Records on the log that no epoch has taken yet, when that was looked up last.
    pub behind_records: i64,
}

impl ReadModel {
    /// One object.
    pub(crate) fn get(&self, kind: &GroupKind, namespace: &str, name: &str) -> Option<Entry> {
        self.read().entry(&(kind.clone(), (Arc::from(namespace), Arc::from(name))))
    }

    /// All resources of all kinds that `keep` holds on to.
    pub(crate) fn resources(&self, keep: impl Fn(&Resource) -> bool) -> Vec<Arc<Resource>> {
        let inner = self.read();
        let all = inner.resources.values().flat_map(BTreeMap::values);
        all.filter(|resource| keep(resource)).cloned().collect()
    }

    /// Up to `max` objects of a kind in (namespace, name) order behind `after`.
    pub(crate) fn list(
        &self,
        kind: &GroupKind,
        after: Option<(String, String)>,
        max: usize,
        keep: impl Fn(&Entry) -> bool,
    ) -> Page {
        let inner = self.read();
        let from: Name = match &after {
            Some((namespace, name)) => (Arc::from(&**namespace), Arc::from(&**name)),
            None => (Arc::from(""), Arc::from("")),
        };
        let empty = BTreeMap::new();
        let accepted = inner.resources.get(kind).unwrap_or(&empty).range(from.clone()..);
        let accepted = accepted.map(|(name, _)| name.clone());
        let names: Box<dyn Iterator<Item = Name>> = match (&*kind.group, &*kind.kind) {
            ("", "Pod") => Box::new(merged(accepted, inner.pods.names_from(&from))),
            ("", "Node") => {
                let nodes = inner.nodes.range(from.1.clone()..);
                Box::new(merged(accepted, nodes.map(|(node, _)| (Arc::from(""), node.clone()))))
            }
            ("discovery.k8s.io", "EndpointSlice") => {
                Box::new(merged(accepted, inner.services.names_from(&from)))
            }
            _ => Box::new(accepted),
        };
        let behind = |name: &Name| after.is_none() || *name != from;
        let entries = names.filter(behind).filter_map(|name| inner.entry(&(kind.clone(), name)));
        let mut entries: Vec<Entry> = entries.filter(keep).take(max.saturating_add(1)).collect();
        let mut next = None;
        if entries.len() > max {
            entries.truncate(max);
            let last = entries.last();
            next = last.map(|last| (last.namespace().to_owned(), last.name().to_owned()));
        }
        Page { entries, epoch: inner.epoch, next }
    }

    /// Whether a node is to remove the folder of this volume.
    pub(crate) fn is_to_remove(&self, node: &NodeName, volume: &str) -> bool {
        self.read().leaving.get(node).is_some_and(|volumes| volumes.contains(volume))
    }

    /// The pods placed on a node, those that stop there included.
    pub(crate) fn placed_on(&self, node: &NodeName) -> Vec<Arc<Placement>> {
        self.read().placements_on(node).into_iter().cloned().collect()
    }

    /// The uids of the pods that have or had a name, in one namespace or in all.
    pub fn pod_uids(&self, namespace: Option<&str>, name: &str) -> Vec<PodUid> {
        self.read().pods.uids_named(namespace, name)
    }

    /// The workload of a pod, as far as the pod is there.
    pub fn pod_workload(&self, uid: &PodUid) -> Option<ResourceKey> {
        self.read().pods.parts(uid)?.workload()
    }

    /// A pod as it was observed last.
    pub fn observed(&self, uid: &PodUid) -> Option<PodObserved> {
        self.read().pods.parts(uid)?.opened()
    }

    /// How far a pod had come when it was observed last.
    pub fn progress(&self, uid: &PodUid) -> Option<Progress> {
        Some(self.read().pods.parts(uid)?.observed.as_ref()?.progress())
    }

    /// The node that a pod is placed on, or stops on after its placement was withdrawn.
    pub(crate) fn node_of(&self, uid: &PodUid) -> Option<NodeName> {
        Some(self.read().pods.parts(uid)?.placement()?.node.clone())
    }

    /// How a pod stands, in a sentence; `None` when it is not there.
    pub fn pod_reason(&self, uid: &PodUid) -> Option<String> {
        self.read().pods.parts(uid).map(|parts| parts.reason())
    }

    /// How a node stands, in a sentence; `None` when it never reported itself.
    pub fn node_reason(&self, name: &str) -> Option<String> {
        let inner = self.read();
        let node = inner.nodes.get(name)?;
        if node.lost {
            return Some("lost: its lease ran out".to_owned());
        }
        if let Some(doubt) = &node.doubt {
            return Some(format!("not heard: {doubt}"));
        }
        let ready = node.record.conditions.iter().find(|condition| condition.kind == "Ready");
        let said = ready.map_or("", |condition| condition.message.as_str());
        let state = match ready.map(|condition| condition.status) {
            Some(ConditionStatus::True) => "ready",
            _ => "not ready",
        };
        let pods = inner.slots.iter().find(|(node, _)| node.as_str() == name);
        let pods = pods.map_or(0, |(_, slot)| slot.len());
        Some(format!("{state}, its lease is renewed: {said}; {pods} pods are placed on it"))
    }

    /// Whether a node's lease ran out.
    pub(crate) fn is_lost(&self, name: &str) -> bool {
        self.read().nodes.get(name).is_some_and(|node| node.lost)
    }

    /// Remembers the namespace and name of pods that are or were there.
    pub fn remember_pods(&self, pods: impl IntoIterator<Item = (PodUid, String, String)>) {
        let mut inner = self.write();
        for (uid, namespace, name) in pods {
            inner.pods.remember(uid, (Arc::from(namespace), Arc::from(name)));
        }
    }

    /// A decision as it is answered: as it stands on the log, and the name of its pod.
    pub fn told(&self, decision: &Decision) -> Value {
        let uid = PodUid::parse(&decision.pod).ok();
        let name = uid.and_then(|uid| self.pod_name(&uid));
        let mut told = json!(decision);
        told["podName"] = json!(name.map_or_else(String::new, |(_, name)| name.to_string()));
        told
    }

    /// Where a watch begins that has seen everything up to and with an epoch, and its bell.
    pub(crate) fn watch(
        &self,
        kind: &GroupKind,
        epoch: i64,
    ) -> Result<(Cursor, watch::Receiver<u64>), Expired> {
        self.begin(kind, |ring| ring.after(epoch))
    }

    /// The same for a watch that names an epoch of which it may have seen a part only.
    pub(crate) fn resume(
        &self,
        kind: &GroupKind,
        epoch: i64,
    ) -> Result<(Cursor, watch::Receiver<u64>), Expired> {
        self.begin(kind, |ring| ring.resumed(epoch))
    }

    fn begin(
        &self,
        kind: &GroupKind,
        at: impl FnOnce(&Ring) -> Result<Cursor, Expired>,
    ) -> Result<(Cursor, watch::Receiver<u64>), Expired> {
        let mut inner = self.write();
        let ring = inner.ring(kind);
        Ok((at(ring)?, ring.subscribe()))
    }

    /// Up to `max` changes of a kind from a cursor on, and the epoch as of which they hold.
    pub(crate) fn changes(
        &self,
        kind: &GroupKind,
        cursor: Cursor,
        max: usize,
    ) -> Result<(Vec<Event>, i64), Expired> {
        let mut inner = self.write();
        let epoch = inner.epoch;
        let events = inner.ring(kind).read(cursor, max)?;
        Ok((events, epoch))
    }

    /// The latest decisions that `keep` holds on to, newest first.
    pub fn decisions(&self, limit: usize, keep: impl Fn(&dyn Kept) -> bool) -> Vec<Arc<dyn Kept>> {
        let inner = self.read();
        inner.decisions.iter().rev().filter(|d| keep(&***d)).take(limit).cloned().collect()
    }

    /// The decisions of later epochs than this, newest first, if all of them are kept.
    pub(crate) fn decisions_since(&self, epoch: i64) -> Result<Vec<Arc<dyn Kept>>, Expired> {
        let inner = self.read();
        if epoch < inner.decisions_kept_from() {
            return Err(Expired);
        }
        Ok(inner.decisions.iter().rev().take_while(|d| d.epoch() > epoch).cloned().collect())
    }

    /// Says that the log has decisions from before those that were shown.
    pub fn lacks_earlier_decisions(&self) {
        self.write().note_earlier_decisions();
    }

    /// The epoch and sequence of the oldest decision that is kept, where older ones were given up.
    pub(crate) fn oldest_after_forgotten(&self) -> Option<(i64, i32)> {
        let inner = self.read();
        let oldest = inner.decisions.front().filter(|_| inner.has_forgotten_decisions())?;
        let record = oldest.record();
        Some((record.epoch, record.sequence))
    }

    /// The fleet in numbers.
    pub fn summary(&self) -> Summary {
        let is_current = self.doubt().is_none();
        let inner = self.read();
        let mut summary = Summary {
            term: inner.term,
            epoch: inner.epoch,
            time_ms: inner.time_ms,
            role: inner.role.clone(),
            ready: is_current,
            nodes: inner.nodes.len(),
            nodes_lost: inner.nodes.values().filter(|node| node.lost).count(),
            nodes_not_ready: inner.nodes.values().filter(|node| !node.is_ready()).count(),
            placed: 0,
            pods_ready: 0,
            waiting: 0,
            stopping: 0,
            holds: inner.holds.clone(),
            behind_records: inner.behind_records,
        };
        for parts in inner.pods.iter() {
            let placed = parts.is_placed();
            let ready = parts.is_ready();
            summary.placed += usize::from(placed);
            summary.pods_ready += usize::from(placed && ready);
            summary.waiting += usize::from(!placed && parts.waiting().is_some());
            let stopping = !placed && parts.waiting().is_none() && !parts.is_watched();
            summary.stopping += usize::from(stopping);
        }
        summary
    }

    /// The pods of a node that is only watched.
    #[must_use]
    pub fn watched(&self, node: &NodeName) -> Vec<PodUid> {
        self.read().watched.get(node).into_iter().flatten().cloned().collect()
    }

    /// The namespace and name of a pod that is or was there.
    pub(crate) fn pod_name(&self, uid: &PodUid) -> Option<(Arc<str>, Arc<str>)> {
        self.read().pods.name_ever(uid)
    }
}

/// Two ordered streams of names as one, each name once.
fn merged(
    left: impl Iterator<Item = Name>,
    right: impl Iterator<Item = Name>,
) -> impl Iterator<Item = Name> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(l), Some(r)) if l == r => {
            left.next();
            right.next()
        }
        (Some(l), Some(r)) if l < r => left.next(),
        (Some(_), None) => left.next(),
        (_, _) => right.next(),
    })
}
