//! The state behind the lock, and how a change enters it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use setpoint_schemas::{
    GroupKind, NodeName, Placement, PodUid, Resource, ResourceKey, VolumeStatus,
};
use tokio::sync::watch;

use super::bounds::DECISIONS_KEPT_MAX;
use super::names::Name;
use super::parts::PodParts;
use super::pods::{Pods, name_seen, pod_kind};
use super::ring::Ring;
use super::seen::Seen;
use super::services::{Services, slice_kind};
use super::{Change, Entry, Kept, NodeServed, NodeView, PodView};

/// Everything that is served.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) epoch: i64,
    pub(crate) term: i64,
    pub(crate) time_ms: i64,
    pub(crate) role: String,
    pub(crate) holds: Vec<String>,
    pub(crate) behind_records: i64,
    pub(crate) resources: HashMap<GroupKind, BTreeMap<Name, Arc<Resource>>>,
    pub(crate) pods: Pods,
    /// The endpoints of Services.
    pub(crate) services: Services,
    pub(crate) nodes: BTreeMap<Arc<str>, Arc<NodeServed>>,
    pub(crate) slots: HashMap<NodeName, Slot>,
    /// The volumes whose folders nodes are to remove, by node.
    pub(crate) leaving: HashMap<NodeName, BTreeSet<String>>,
    /// The pods of nodes that are only watched.
    pub(crate) watched: HashMap<NodeName, BTreeSet<PodUid>>,
    pub(crate) decisions: VecDeque<Arc<dyn Kept>>,
    /// Decisions of epochs up to and with this one may have been given up to keep later ones.
    decisions_forgotten: i64,
    /// The epoch of the last change of a node, which has no version of its own.
    versions: HashMap<Arc<str>, i64>,
    rings: HashMap<GroupKind, Ring>,
    ready: bool,
    /// The epoch at which the model became ready: of what went before it knows no history.
    base_epoch: i64,
}

/// What a node should run, and who waits to hear of it.
pub(crate) struct Slot {
    /// Its pods' numbers, in no order.
    pods: Vec<u32>,
    /// The epoch of the last change.
    pub(crate) changed: i64,
    pub(crate) news: watch::Sender<i64>,
}

/// A served object's key within the model.
type Served = (GroupKind, Name);

impl Slot {
    /// How many pods are placed there.
    pub(crate) fn len(&self) -> usize {
        self.pods.len()
    }
}

impl Inner {
    pub(crate) fn apply(&mut self, changes: Vec<Change>, epoch: i64, term: i64, time_ms: i64) {
        let reign = term > self.term;
        self.epoch = self.epoch.max(epoch);
        self.term = self.term.max(term);
        self.time_ms = self.time_ms.max(time_ms);
        self.services.begin(self.epoch);
        let mut before: BTreeMap<Served, Option<Entry>> = BTreeMap::new();
        for change in changes {
            if self.ready
                && let Some(served) = self.touched(&change)
                && !before.contains_key(&served)
            {
                let entry = self.entry(&served);
                before.insert(served, entry);
            } else if let Some(served) = self.touched(&change) {
                self.stamp(&served);
            }
            self.take_with_endpoints(change);
        }
        let slices = self.services.take_changed();
        if self.ready {
            let former =
                |(name, slice): (Name, Option<_>)| ((slice_kind(), name), slice.map(Entry::Slice));
            before.extend(slices.into_iter().map(former));
        }
        self.record(before);
        if reign {
            self.wake_nodes();
        }
    }

    /// Nodes and watchers keep listening; they are told when the model is ready again.
    pub(crate) fn begin_anew(&mut self) {
        let (mut slots, rings) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.rings));
        slots.values_mut().for_each(|slot| slot.pods.clear());
        let role = std::mem::take(&mut self.role);
        *self = Inner { slots, rings, role, ..Inner::default() };
    }

    pub(crate) fn set_ready(&mut self, ready: bool) {
        if ready == self.ready {
            return;
        }
        if ready {
            self.base_epoch = self.epoch;
            for ring in self.rings.values_mut() {
                ring.reset(self.epoch);
            }
            self.pods.forget_unserved();
            self.versions.retain(|name, _| self.nodes.contains_key(name));
        }
        self.ready = ready;
        self.wake_nodes();
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(crate) fn base_epoch(&self) -> i64 {
        self.base_epoch
    }

    /// The ring of a kind, made when it is first asked for.
    pub(crate) fn ring(&mut self, kind: &GroupKind) -> &mut Ring {
        let base = self.base_epoch;
        self.rings.entry(kind.clone()).or_insert_with(|| Ring::since(base))
    }

    /// How many objects of a kind there are.
    fn objects(&self, kind: &GroupKind) -> usize {
        match stamped(kind) {
            Some(Stamped::Pod) => self.pods.len(),
            Some(Stamped::Node) => self.nodes.len(),
            None if *kind == slice_kind() => self.services.len(),
            None => self.resources.get(kind).map_or(0, BTreeMap::len),
        }
    }

    /// The slot of a node, made when it is first asked for.
    pub(crate) fn slot(&mut self, node: &NodeName) -> &mut Slot {
        self.slots.entry(node.clone()).or_insert_with(|| Slot {
            pods: Vec::new(),
            changed: 0,
            news: watch::Sender::new(0),
        })
    }

    /// A resource by its key.
    pub(crate) fn resource(&self, key: &ResourceKey) -> Option<&Arc<Resource>> {
        self.resources.get(&key.kind)?.get(&(key.namespace.clone(), key.name.clone()))
    }

    /// What is served under a kind and name.
    pub(crate) fn entry(&self, (kind, name): &Served) -> Option<Entry> {
        match (&*kind.group, &*kind.kind) {
            ("", "Pod") => self.pod(name).map(|pod| Entry::Pod(Box::new(pod))),
            ("", "Node") => self.node(&name.1).map(|node| Entry::Node(Box::new(node))),
            ("discovery.k8s.io", "EndpointSlice") if self.services.slice(name).is_some() => {
                self.services.slice(name).cloned().map(Entry::Slice)
            }
            _ => self.resources.get(kind)?.get(name).cloned().map(Entry::Resource),
        }
    }

    fn pod(&self, name: &Name) -> Option<PodView> {
        let bare = self.resources.get(&pod_kind()).and_then(|pods| pods.get(name)).cloned();
        let served = self.pods.served(name);
        if served.is_none() && bare.is_none() {
            return None;
        }
        let parts = served;
        let workload = parts.and_then(|parts| parts.workload());
        let owner = workload.and_then(|key| self.resource(&key).cloned()).or(bare);
        let accepted = owner.as_ref().filter(|o| o.kind == "Pod").map_or(0, |o| o.version);
        let mut view = PodView {
            is_watched: parts.is_some_and(PodParts::is_watched),
            uid: parts.map(|parts| parts.uid().clone()),
            namespace: name.0.clone(),
            name: name.1.clone(),
            placement: parts.and_then(|parts| parts.placement().cloned()),
            leaving_ms: parts.and_then(PodParts::leaving_ms),
            observed: parts.and_then(|parts| parts.observed.clone()),
            seen_on: parts
                .filter(|parts| parts.placement().is_none())
                .and_then(|parts| parts.opened())
                .map(|observed| observed.node),
            waiting: parts.and_then(|parts| parts.waiting().cloned()),
            owner,
            host: None,
            version: self.pods.version(name).max(accepted),
        };
        view.host = self.nodes.get(view.node()).cloned();
        Some(view)
    }

    fn node(&self, name: &Arc<str>) -> Option<NodeView> {
        let served = self.nodes.get(name).cloned();
        let key: Name = (Arc::from(""), name.clone());
        let of_kind = self.resources.get(&GroupKind::new("", "Node"));
        let resource = of_kind.and_then(|nodes| nodes.get(&key)).cloned();
        if served.is_none() && resource.is_none() {
            return None;
        }
        let said = served.as_ref().map_or(0, |served| served.last_epoch);
        let accepted = resource.as_ref().map_or(0, |resource| resource.version);
        let stamped = self.versions.get(name).copied().unwrap_or(0);
        let version = said.max(accepted).max(stamped);
        Some(NodeView { name: name.clone(), served, resource, version })
    }

    /// Which served object a change belongs to.
    fn touched(&self, change: &Change) -> Option<Served> {
        let pod = |name: Name| Some((pod_kind(), name));
        match change {
            Change::Resource(key, _) => {
                Some((key.kind.clone(), (key.namespace.clone(), key.name.clone())))
            }
            Change::Placement(_, Some(placed)) => {
                pod((placed.pattern.namespace.shared(), placed.name.shared()))
            }
            Change::Pod(seen) | Change::PodSince(seen, _) => {
                let known = self.pods.name(seen.uid());
                pod(known.unwrap_or_else(|| name_seen(seen)))
            }
            Change::Watched(seen) => pod(name_seen(seen)),
            Change::Waiting(_, Some(waiting)) => {
                pod((Arc::from(&*waiting.namespace), Arc::from(&*waiting.name)))
            }
            Change::Placement(uid, None) | Change::PodGone(uid) | Change::Waiting(uid, None) => {
                self.pods.name(uid).and_then(pod)
            }
            Change::Node(name, _) => {
                let name = (Arc::from(""), Arc::from(name.as_str()));
                Some((GroupKind::new("", "Node"), name))
            }
            Change::Decision(_) | Change::Holds(_) => None,
        }
    }

    /// Takes in a change.
    pub(super) fn take(&mut self, change: Change) {
        match change {
            Change::Resource(key, Some(resource)) => {
                self.tell_leaving(&key, Some(&resource));
                let of_kind = self.resources.entry(key.kind).or_default();
                of_kind.insert((key.namespace, key.name), resource);
            }
            Change::Resource(key, None) => {
                self.tell_leaving(&key, None);
                if let Some(of_kind) = self.resources.get_mut(&key.kind) {
                    of_kind.remove(&(key.namespace, key.name));
                }
            }
            Change::Placement(uid, placement) => self.place(&uid, placement),
            Change::Pod(observed) => self.pods.observe(&observed, None),
            Change::PodSince(observed, since_ms) => self.pods.observe(&observed, Some(since_ms)),
            Change::Watched(observed) => {
                self.unwatch(observed.uid());
                let of_node = self.watched.entry(observed.node_name()).or_default();
                of_node.insert(observed.uid().clone());
                self.pods.watch(&observed);
            }
            Change::PodGone(uid) => {
                self.unwatch(&uid);
                self.pods.forget_observation(&uid);
            }
            Change::Node(name, served) => self.serve_node(&name, served),
            Change::Waiting(uid, waiting) => self.pods.wait(&uid, waiting),
            Change::Decision(decision) => self.decide(decision),
            Change::Holds(holds) => self.holds = holds,
        }
    }

    /// A pod that is only watched is no longer one of the node that it was observed on. Most pods are
    /// managed, and of no such node.
    fn unwatch(&mut self, uid: &PodUid) {
        let watched = self.pods.parts(uid).filter(|parts| parts.is_watched());
        let Some(seen) = watched.and_then(|parts| parts.observed.as_ref()) else { return };
        if let Some(uids) = self.watched.get_mut(seen.node()) {
            uids.remove(uid);
        }
    }

    fn place(&mut self, uid: &PodUid, placement: Option<Arc<Placement>>) {
        let earlier = self.pods.parts(uid).and_then(|parts| parts.placement().cloned());
        let epoch = self.epoch;
        if let Some(earlier) = earlier {
            let id = self.pods.id_of(uid);
            let slot = self.slot(&earlier.node);
            slot.pods.retain(|pod| Some(*pod) != id);
            slot.changed = epoch;
            slot.news.send_replace(epoch);
        }
        let node = placement.as_ref().map(|placement| placement.node.clone());
        self.pods.place(uid, placement, self.time_ms);
        if let Some((node, id)) = node.zip(self.pods.id_of(uid)) {
            let slot = self.slot(&node);
            slot.pods.push(id);
            slot.changed = epoch;
            slot.news.send_replace(epoch);
        }
    }

    /// Who polls for a node hears which folders it is to remove.
    fn tell_leaving(&mut self, key: &ResourceKey, volume: Option<&Resource>) {
        if &*key.kind.kind != "PersistentVolume" || !key.kind.group.is_empty() {
            return;
        }
        let former = self.resource(key).map(|volume| VolumeStatus::read(&volume.status));
        let now = volume.map(|volume| VolumeStatus::read(&volume.status));
        for (status, is_now) in [(former, false), (now, true)] {
            let Some(status) = status.filter(VolumeStatus::is_leaving) else { continue };
            let Ok(node) = NodeName::parse(&status.node) else { continue };
            let of_node = self.leaving.entry(node.clone()).or_default();
            match is_now {
                true => of_node.insert(key.name.to_string()),
                false => of_node.remove(&*key.name),
            };
            if of_node.is_empty() {
                self.leaving.remove(&node);
            }
            let epoch = self.epoch;
            let slot = self.slot(&node);
            slot.changed = epoch;
            slot.news.send_replace(epoch);
        }
    }

    /// The placements on a node, in the order of their uids.
    pub(crate) fn placements_on(&self, node: &NodeName) -> Vec<&Arc<Placement>> {
        let pods = self.slots.get(node).into_iter().flat_map(|slot| &slot.pods);
        let placed = pods.filter_map(|id| self.pods.by_id(*id)?.placement());
        let mut placed: Vec<&Arc<Placement>> = placed.collect();
        placed.sort_unstable_by(|a, b| a.uid.cmp(&b.uid));
        placed
    }

    /// Whether the pod of this placement has ended for good, as its node said of this generation.
    pub(crate) fn has_ended(&self, placed: &Placement) -> bool {
        let seen = self.pods.parts(&placed.uid).and_then(|parts| parts.observed.as_ref());
        let generation = |seen: &Seen| {
            let name = (placed.pattern.namespace.as_str(), placed.name.as_str());
            seen.open(&placed.uid, name).map(|observed| observed.generation)
        };
        let finished = seen.filter(|seen| seen.phase.is_finished());
        finished.and_then(generation) == Some(placed.generation)
    }

    /// Who polls for the node hears of it when another agent registered it, or none, and when a lease
    /// was taken in by which it may run pods.
    fn serve_node(&mut self, name: &NodeName, served: Option<Arc<NodeServed>>) {
        let told = |served: &Arc<NodeServed>| (served.record.session.clone(), served.lease);
        let before = self.nodes.get(name.as_str()).map(told);
        let after = served.as_ref().map(told);
        match served {
            Some(served) => self.nodes.insert(Arc::from(name.as_str()), served),
            None => self.nodes.remove(name.as_str()),
        };
        if before != after {
            let epoch = self.epoch;
            let slot = self.slot(name);
            slot.changed = epoch;
            slot.news.send_replace(epoch);
        }
    }

    fn decide(&mut self, decision: Arc<dyn Kept>) {
        if self.decisions.len() >= DECISIONS_KEPT_MAX
            && let Some(oldest) = self.decisions.pop_front()
        {
            self.decisions_forgotten = oldest.epoch();
        }
        self.decisions.push_back(decision);
    }

    /// The decisions of all later epochs are kept.
    pub(crate) fn decisions_kept_from(&self) -> i64 {
        self.decisions_forgotten.max(self.base_epoch)
    }

    /// There are decisions on the log from before those that are kept.
    pub(crate) fn note_earlier_decisions(&mut self) {
        let oldest = self.decisions.front().map_or(0, |oldest| oldest.epoch());
        self.decisions_forgotten = self.decisions_forgotten.max(oldest.max(1));
    }

    /// Whether decisions were given up to keep later ones.
    pub(crate) fn has_forgotten_decisions(&self) -> bool {
        self.decisions_forgotten > 0
    }

    fn wake_nodes(&self) {
        for slot in self.slots.values() {
            slot.news.send_replace(self.epoch);
        }
    }

    /// Pods and nodes get this epoch as their version.
    fn stamp(&mut self, (kind, name): &Served) {
        match stamped(kind) {
            Some(Stamped::Pod) => self.pods.stamp(name, self.epoch),
            Some(Stamped::Node) => {
                self.versions.insert(name.1.clone(), self.epoch);
            }
            None => {}
        }
    }

    fn unstamp(&mut self, (kind, name): &Served) {
        match stamped(kind) {
            Some(Stamped::Pod) => self.pods.unstamp(name),
            Some(Stamped::Node) => {
                self.versions.remove(&name.1);
            }
            None => {}
        }
    }

    /// Turns what was touched into events, one an object, and wakes the watchers.
    fn record(&mut self, before: BTreeMap<Served, Option<Entry>>) {
        let mut kinds = BTreeSet::new();
        // Who has seen all before this epoch hears all of it, also when few objects are left after it; of
        // one that replaces another there are two events.
        let touched = 2 * before.len();
        for (served, before) in before {
            self.stamp(&served);
            let after = self.entry(&served);
            if after.is_none() {
                self.unstamp(&served);
            }
            if before.is_none() && after.is_none() {
                continue;
            }
            let epoch = self.epoch;
            let objects = self.objects(&served.0).max(touched);
            self.ring(&served.0).tell(epoch, (before, after), objects);
            kinds.insert(served.0);
        }
        for kind in kinds {
            self.ring(&kind).announce();
        }
    }
}

/// What changes by observation too: its version is the model's to keep.
enum Stamped {
    Pod,
    Node,
}

fn stamped(kind: &GroupKind) -> Option<Stamped> {
    match (&*kind.group, &*kind.kind) {
        ("", "Pod") => Some(Stamped::Pod),
        ("", "Node") => Some(Stamped::Node),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
