//! The nodes: what they have, what is reserved on them, and their order by name.
//!
//! Guarantee: a slot is where a node's columns stand and nothing else; no answer depends on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use setpoint_schemas::{Device, NodeName, Resources, Taint};

use crate::NodeId;
use crate::boards::{Boards, devices_of};
use crate::hold::Hold;
use crate::ids::{IdMap, digest_of};
use crate::journal::Journal;
use crate::ports::HostPort;
use crate::shape::PodShape;
use crate::topology::Topology;

/// A node, as the placer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name, unique in the fleet.
    pub name: NodeName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints, in the order in which a refusal names the first.
    pub taints: Vec<Taint>,
    /// What pods may use of it.
    pub allocatable: Resources,
    /// Whether it is alive and says that it is ready.
    pub ready: bool,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// Whether its runtime is only watched: no pod is ever placed there.
    pub watched: bool,
    /// Its devices, by index.
    pub devices: Vec<Device>,
}

/// A node's columns that are read seldom.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// Absent: reservations name the node, but it is not there (yet, or any more).
    pub(crate) info: Option<NodeInfo>,
    pub(crate) allocated: Resources,
    /// Promised to pods that come once others are gone.
    pub(crate) nominated: Resources,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) pods: usize,
    /// Equal for nodes that differ in name, host name and amounts only.
    pub(crate) class: u128,
}

/// A node's columns that every placement reads: one cache line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hot {
    pub(crate) cpu_free: i64,
    pub(crate) memory_free: i64,
    pub(crate) ephemeral_free: i64,
    pub(crate) pods_free: i64,
    pub(crate) cpu_load: i64,
    pub(crate) memory_load: i64,
    /// One over the allocatable amount; 0 when there is none.
    pub(crate) cpu_inverse: f64,
    pub(crate) memory_inverse: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Nodes {
    slots: IdMap<NodeId, u32>,
    free_slots: Vec<u32>,
    all: Vec<Node>,
    hot: Vec<Hot>,
    /// The slots of the nodes that are there, by name.
    order: Vec<u32>,
    topologies: HashMap<String, Arc<Topology>>,
    /// The slots that have some of each extended resource, in no order.
    extended: HashMap<String, Vec<u32>>,
    /// The slots on which something was freed.
    freed: Journal<u32>,
    pub(crate) boards: Boards,
    /// Rises whenever a node's record changes.
    pub(crate) version: u64,
}

impl Node {
    fn held(&mut self, hold: Hold) -> &mut Resources {
        match hold {
            Hold::Placed | Hold::Leaves => &mut self.allocated,
            Hold::Nominated => &mut self.nominated,
        }
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.info.as_ref().and_then(|info| info.labels.get(key)).map(String::as_str)
    }

    /// The node's record; only for nodes that are there.
    pub(crate) fn info(&self) -> &NodeInfo {
        self.info.as_ref().expect("a slot in the order has a record")
    }
}

impl Nodes {
    pub(crate) fn slot(&self, id: NodeId) -> Option<u32> {
        self.slots.get(&id).copied()
    }

    pub(crate) fn node(&self, slot: u32) -> &Node {
        &self.all[slot as usize]
    }

    pub(crate) fn hot(&self, slot: u32) -> &Hot {
        &self.hot[slot as usize]
    }

    /// Thousandths of cores and bytes of memory that are free.
    pub(crate) fn free(&self, slot: u32) -> (i64, i64) {
        let hot = self.hot(slot);
        (hot.cpu_free, hot.memory_free)
    }

    /// The slots of the nodes that are there, by name.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// How many slots there are, in use or not.
    pub(crate) fn slots_len(&self) -> usize {
        self.all.len()
    }

    /// The slot of the node of this name.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let at = self.order.binary_search_by(|slot| self.name(*slot).cmp(name));
        at.ok().map(|at| self.order[at])
    }

    pub(crate) fn name(&self, slot: u32) -> &str {
        self.node(slot).info().name.as_str()
    }

    /// Writes a node's record; `false` when it says nothing new.
    pub(crate) fn upsert(&mut self, id: NodeId, info: NodeInfo) -> bool {
        let slot = self.slot_or_new(id);
        if self.node(slot).info.as_ref() == Some(&info) {
            return false;
        }
        self.take_from_order(slot);
        let node = &mut self.all[slot as usize];
        node.class = class_of(&info);
        for (name, _) in info.allocatable.extended.iter().filter(|(_, amount)| **amount > 0) {
            self.extended.entry(name.clone()).or_default().push(slot);
        }
        let devices = devices_of(&info.devices, &info.labels, &info.allocatable);
        self.boards.set_node(slot, devices);
        node.info = Some(info);
        let at = self.order.partition_point(|other| self.name(*other) < self.name(slot));
        self.order.insert(at, slot);
        self.refresh(slot);
        self.changed(slot);
        true
    }

    /// Takes a node away; what is reserved on it stays reserved, should it return.
    pub(crate) fn remove(&mut self, id: NodeId) -> bool {
        let Some(slot) = self.slot(id).filter(|slot| self.node(*slot).info.is_some()) else {
            return false;
        };
        self.take_from_order(slot);
        self.all[slot as usize].info = None;
        self.boards.set_node(slot, Vec::new());
        self.changed(slot);
        self.release_slot(slot);
        true
    }

    /// Counts a pod of this shape on the slot, there or promised.
    pub(crate) fn reserve(&mut self, slot: u32, shape: &PodShape, hold: Hold) {
        let node = &mut self.all[slot as usize];
        node.pods += 1;
        node.held(hold).add(&shape.requests);
        node.ports.extend_from_slice(&shape.ports);
        self.hot[slot as usize].take(shape, 1);
        self.boards.note(slot);
    }

    /// Counts a pod of this shape off the slot.
    pub(crate) fn release(&mut self, slot: u32, shape: &PodShape, hold: Hold) {
        let node = &mut self.all[slot as usize];
        node.pods -= 1;
        node.held(hold).subtract(&shape.requests);
        for port in &shape.ports {
            let at = node.ports.iter().position(|other| other == port);
            node.ports.swap_remove(at.expect("what was reserved is there to release"));
        }
        self.hot[slot as usize].take(shape, -1);
        self.freed.push(slot);
        self.boards.note(slot);
        self.release_slot(slot);
    }

    /// The slot of this id; a new one for an id that was not heard of.
    pub(crate) fn slot_or_new(&mut self, id: NodeId) -> u32 {
        if let Some(slot) = self.slot(id) {
            return slot;
        }
        let node = Node {
            id,
            info: None,
            allocated: Resources::default(),
            nominated: Resources::default(),
            ports: Vec::new(),
            pods: 0,
            class: 0,
        };
        let slot = match self.free_slots.pop() {
            Some(slot) => {
                self.all[slot as usize] = node;
                self.hot[slot as usize] = Hot::default();
                slot
            }
            None => {
                self.all.push(node);
                self.hot.push(Hot::default());
                // Whoever follows asks all nodes when he begins anew: he may as well follow as many
                // changes.
                self.freed.keep(self.all.len());
                u32::try_from(self.all.len() - 1).expect("fewer nodes than u32 can number")
            }
        };
        self.slots.insert(id, slot);
        slot
    }

    /// Keeps the domains of this topology key from now on.
    pub(crate) fn keep_topology(&mut self, key: &str) {
        if !self.topologies.contains_key(key) {
            self.topologies.insert(key.to_owned(), Arc::new(self.build_topology(key)));
        }
    }

    pub(crate) fn topology(&self, key: &str) -> Option<&Arc<Topology>> {
        self.topologies.get(key)
    }

    /// On which slots something was freed.
    pub(crate) fn freed(&self) -> &Journal<u32> {
        &self.freed
    }

    /// The slots that have some of the extended resource, in no order.
    pub(crate) fn with_extended(&self, name: &str) -> &[u32] {
        self.extended.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn build_topology(&self, key: &str) -> Topology {
        Topology::of(labels(&self.all, key))
    }

    fn take_from_order(&mut self, slot: u32) {
        if self.node(slot).info.is_some() {
            let at = self.order.binary_search_by(|other| self.name(*other).cmp(self.name(slot)));
            self.order.remove(at.expect("a node that is there is in the order"));
            let info = self.all[slot as usize].info.as_ref().expect("it is there");
            for name in info.allocatable.extended.keys() {
                if let Some(slots) = self.extended.get_mut(name) {
                    slots.retain(|other| *other != slot);
                    if slots.is_empty() {
                        self.extended.remove(name);
                    }
                }
            }
        }
    }

    /// A slot that nobody speaks of any more may be another node's.
    fn release_slot(&mut self, slot: u32) {
        let node = self.node(slot);
        if node.info.is_none() && node.pods == 0 {
            let id = node.id;
            self.slots.remove(&id);
            self.free_slots.push(slot);
        }
    }

    fn changed(&mut self, slot: u32) {
        self.version += 1;
        let bound = 2 * self.all.len() + DOMAINS_SPARE;
        for (key, topology) in &mut self.topologies {
            let label = self.all[slot as usize].label(key);
            if topology.differs(slot as usize, label) {
                Arc::make_mut(topology).set(slot as usize, label);
            }
            if topology.len() > bound {
                *topology = Arc::new(Topology::of(labels(&self.all, key)));
            }
        }
    }

    /// Writes the hot columns anew from the record; the load stays.
    fn refresh(&mut self, slot: u32) {
        let node = &self.all[slot as usize];
        let (has, used, promised) = (&node.info().allocatable, &node.allocated, &node.nominated);
        let inverse = |amount: i64| if amount > 0 { 1.0 / amount as f64 } else { 0.0 };
        let hot = &mut self.hot[slot as usize];
        let free =
            |has: i64, used: i64, promised: i64| has.saturating_sub(used.saturating_add(promised));
        hot.cpu_free = free(has.cpu_milli, used.cpu_milli, promised.cpu_milli);
        hot.memory_free = free(has.memory_bytes, used.memory_bytes, promised.memory_bytes);
        hot.ephemeral_free =
            free(has.ephemeral_bytes, used.ephemeral_bytes, promised.ephemeral_bytes);
        hot.pods_free = free(has.pods, used.pods, promised.pods);
        hot.cpu_inverse = inverse(has.cpu_milli);
        hot.memory_inverse = inverse(has.memory_bytes);
    }
}

/// Values of vanished nodes that a topology may keep beside twice the present ones.
const DOMAINS_SPARE: usize = 64;

impl Hot {
    /// Takes `times` pods of this shape from what is free.
    fn take(&mut self, shape: &PodShape, times: i64) {
        let asks = &shape.requests;
        self.cpu_free = self.cpu_free.saturating_sub(times * asks.cpu_milli);
        self.memory_free = self.memory_free.saturating_sub(times * asks.memory_bytes);
        self.ephemeral_free = self.ephemeral_free.saturating_sub(times * asks.ephemeral_bytes);
        self.pods_free = self.pods_free.saturating_sub(times * asks.pods);
        self.cpu_load = self.cpu_load.saturating_add(times * shape.load.cpu_milli);
        self.memory_load = self.memory_load.saturating_add(times * shape.load.memory_bytes);
    }
}

/// The values of one label, by slot.
fn labels<'a>(nodes: &'a [Node], key: &'a str) -> impl Iterator<Item = Option<&'a str>> {
    nodes.iter().map(move |node| node.label(key))
}

fn class_of(info: &NodeInfo) -> u128 {
    let labels: Vec<_> = info.labels.iter().filter(|(key, _)| *key != crate::HOSTNAME).collect();
    let extended = &info.allocatable.extended;
    let models: BTreeSet<&str> = info.devices.iter().map(|device| device.model.as_str()).collect();
    let marks = (info.ready, info.unschedulable, info.watched);
    digest_of(&(labels, &info.taints, extended, marks, models))
}
