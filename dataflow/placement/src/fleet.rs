//! The fleet: nodes, what is reserved on them, and what is kept to answer quickly.
//!
//! Guarantee: the answers depend on the nodes, the reservations and the namespaces alone, not on
//! the order in which they came nor on the ids they have. What is kept beside is only a cache.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::Resources;

use crate::auction::Auction;
use crate::census::Census;
use crate::eligible::Eligible;
use crate::ground::Ground;
use crate::hold::Hold;
use crate::ids::{IdMap, digest_of};
use crate::nodes::{NodeInfo, Nodes};
use crate::outlook::{Interest, NOBODY, Outlook, Sources};
use crate::places::{Places, Reserved};
use crate::preempt::{Levels, Ranking};
use crate::query::NamespaceLabels;
use crate::reasons::Reasons;
use crate::room::Room;
use crate::scores::Considered;
use crate::search;
use crate::shape::PodShape;
use crate::shortages::Shortages;
use crate::sift::sift;
use crate::view::View;
use crate::{NodeId, PodId};

/// The state that placing decides from.
#[derive(Debug, Default)]
pub struct Fleet {
    pub(crate) nodes: Nodes,
    pub(crate) census: Census,
    pub(crate) namespaces: NamespaceLabels,
    pub(crate) pods: Places,
    pub(crate) levels: Levels,
    pub(crate) rankings: IdMap<u128, Ranking>,
    /// Searches for victims that found nobody, and when that was.
    futile: IdMap<u128, Futile>,
    pub(crate) eligible: IdMap<u128, Eligible>,
    pub(crate) auctions: IdMap<u128, Auction>,
    outlooks: IdMap<u128, Outlook>,
    /// What all outlooks keep, in numbers.
    outlooks_weigh: usize,
    grounds: IdMap<u128, Ground>,
    rooms: IdMap<u128, Room>,
    refusals: IdMap<u128, Refused>,
    pub(crate) shortages: IdMap<u128, Shortages>,
    /// Rises with every change.
    changes: u64,
    /// Nodes that were asked whether they have room, in all.
    asked: u64,
    /// Rises with every change that may let a pod fit that did not fit before.
    hopes: u64,
    /// Rises with every pod that begins to stop.
    leavings: u64,
}

/// As of when nobody could make room for pods of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Futile {
    changes: u64,
    hopes: u64,
    leavings: u64,
}

/// Pods of one kind fitted nowhere, and when that was.
#[derive(Debug)]
struct Refused {
    changes: u64,
    hopes: u64,
    reasons: Arc<Reasons>,
}

/// Different demands on nodes whose answers are kept; beyond this all are forgotten. A row takes
/// six bytes a node: 300 MB at 50k nodes.
const ELIGIBLE_MAX: usize = 1024;
/// What the outlooks of different interests in other pods keep of domains and nodes; beyond this all are
/// forgotten. As much as 256 that tell every single node apart at 50k nodes: 400 MB.
const OUTLOOKS_WEIGH_MAX: usize = 256 * 50_000;
/// Different interests whose outlooks are kept, however little each of them keeps: 65,536 workloads that
/// are spread over zones take some 30 MB.
const OUTLOOKS_MAX: usize = 1 << 16;
/// Grounds kept; beyond this all are forgotten. One takes some eight bytes a node.
const GROUNDS_MAX: usize = 256;
/// Different requests whose rooms are kept; beyond this all are forgotten. One takes a bit a node.
const ROOMS_MAX: usize = 1024;
/// Refused kinds kept; beyond this all are forgotten.
const REFUSALS_MAX: usize = 4096;
/// Kinds of preempting pods whose rankings are kept; beyond this all are forgotten. One takes some
/// hundred bytes a node: 320 MB at 50k nodes.
const RANKINGS_MAX: usize = 64;

/// What is reserved on a node that is not known.
static NOTHING: Resources = Resources {
    cpu_milli: 0,
    memory_bytes: 0,
    ephemeral_bytes: 0,
    pods: 0,
    extended: BTreeMap::new(),
};

impl Fleet {
    /// An empty fleet.
    #[must_use]
    pub fn new() -> Fleet {
        Fleet::default()
    }

    /// Adds a node or replaces its record; its reservations stay. A record that says nothing new
    /// costs nothing. Returns whether it says something new.
    pub fn upsert_node(&mut self, id: NodeId, info: NodeInfo) -> bool {
        let is_new = self.nodes.upsert(id, info);
        if is_new {
            self.hope();
        }
        is_new
    }

    /// Takes a node away. What is reserved on it stays reserved and counts again should the node
    /// return; until then it counts for nothing.
    pub fn remove_node(&mut self, id: NodeId) {
        if self.nodes.remove(id) {
            self.hope();
        }
    }

    /// Reserves what a pod of this shape asks for on the node, without asking whether it fits: the
    /// log says that it is there. A pod that has a place already moves. The node may be one that
    /// is not known yet.
    pub fn reserve(&mut self, pod: PodId, node: NodeId, shape: &Arc<PodShape>) {
        self.hold(pod, node, shape, Hold::Placed);
    }

    /// Promises a pod the room that others leave on the node: nobody else gets it meanwhile. What is
    /// reserved on the node does not count it, and it is nobody's company yet; but whom it would not bear
    /// beside it, or who would not bear it, is kept away.
    pub fn nominate(&mut self, pod: PodId, node: NodeId, shape: &Arc<PodShape>) {
        self.hold(pod, node, shape, Hold::Nominated);
    }

    /// A pod stops: its room is taken until it is released, and comes anyway.
    pub fn leave(&mut self, pod: PodId) {
        let Some(reserved) = self.pods.get_mut(pod).filter(|r| r.hold == Hold::Placed) else {
            return;
        };
        self.levels.subtract(reserved.slot, reserved.rank(), &reserved.shape);
        reserved.hold = Hold::Leaves;
        self.levels.add(reserved.slot, reserved.rank(), &reserved.shape);
        self.leavings += 1;
        let turn = (Hold::Placed, Hold::Leaves);
        if self.census.hold_otherwise(&reserved.shape, reserved.slot, turn) {
            self.changes += 1;
        }
    }

    /// A pod that was to stop stays.
    pub fn stay(&mut self, pod: PodId) {
        let Some(reserved) = self.pods.get_mut(pod).filter(|r| r.hold == Hold::Leaves) else {
            return;
        };
        self.levels.subtract(reserved.slot, reserved.rank(), &reserved.shape);
        reserved.hold = Hold::Placed;
        self.levels.add(reserved.slot, reserved.rank(), &reserved.shape);
        let turn = (Hold::Leaves, Hold::Placed);
        if self.census.hold_otherwise(&reserved.shape, reserved.slot, turn) {
            self.changes += 1;
        }
    }

    fn hold(&mut self, pod: PodId, node: NodeId, shape: &Arc<PodShape>, hold: Hold) {
        self.release(pod);
        let slot = self.nodes.slot_or_new(node);
        self.nodes.reserve(slot, shape, hold);
        self.census.add(shape, slot, hold, &self.namespaces);
        let reserved = Reserved { slot, hold, shape: Arc::clone(shape) };
        self.levels.add(slot, reserved.rank(), shape);
        self.pods.insert(pod, reserved);
        self.changes += 1;
    }

    /// Frees what the pod had reserved; nothing when it had no place.
    pub fn release(&mut self, pod: PodId) {
        if let Some(reserved) = self.pods.remove(pod) {
            let Reserved { slot, hold, shape } = &reserved;
            self.levels.subtract(*slot, reserved.rank(), shape);
            self.census.subtract(shape, *slot, *hold);
            if shape.devices.is_some() {
                self.nodes.boards.release(*slot, pod);
            }
            self.nodes.release(*slot, shape, *hold);
            self.hope();
        }
    }

    /// What is reserved on the node; nothing on an unknown one.
    #[must_use]
    pub fn allocated(&self, node: NodeId) -> &Resources {
        self.nodes.slot(node).map_or(&NOTHING, |slot| &self.nodes.node(slot).allocated)
    }

    /// Where the pod has its place.
    #[must_use]
    pub fn node_of(&self, pod: PodId) -> Option<NodeId> {
        self.pods.get(pod).map(|reserved| self.nodes.node(reserved.slot).id)
    }

    /// The record of a node that is there.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&NodeInfo> {
        self.nodes.slot(id).and_then(|slot| self.nodes.node(slot).info.as_ref())
    }

    /// The nodes that are there, by name.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeInfo)> {
        self.nodes.order().iter().map(|slot| {
            let node = self.nodes.node(*slot);
            (node.id, node.info())
        })
    }

    /// Replaces the labels of a namespace, for namespace selectors; empty when it is gone.
    pub fn set_namespace_labels(&mut self, namespace: &str, labels: BTreeMap<String, String>) {
        let had = self.namespaces.get(namespace);
        if had == Some(&labels) || (had.is_none() && labels.is_empty()) {
            return;
        }
        if labels.is_empty() {
            self.namespaces.remove(namespace);
        } else {
            self.namespaces.insert(namespace.to_owned(), labels);
        }
        self.census.namespaces_changed();
        self.hope();
    }

    /// Which budgets cover which pods changed: what making room would cost is to be rated anew.
    pub fn budgets_changed(&mut self) {
        self.rankings.clear();
    }

    /// Rises whenever a pod that did not fit may fit now: something was freed, or a node or a
    /// namespace changed. Until then a pod that looks at no other pod still fits nowhere.
    #[must_use]
    pub fn hopes(&self) -> u64 {
        self.hopes
    }

    /// How many nodes were asked, in all placements so far, whether they have room: what a
    /// placement costs.
    #[must_use]
    pub fn nodes_asked(&self) -> u64 {
        self.asked
    }

    pub(crate) fn count_asked(&mut self, nodes: usize) {
        self.asked += nodes as u64;
    }

    fn hope(&mut self) {
        self.changes += 1;
        self.hopes += 1;
    }

    /// What a pod of this shape looks at now.
    pub(crate) fn interest(&self, shape: &PodShape) -> Interest {
        let mut held: Vec<u128> = self.census.held_about(shape, &self.namespaces).collect();
        held.sort_unstable();
        let matches_itself = shape.affinity.as_ref().is_some_and(|affinity| {
            affinity.query.matches(&shape.namespace, &shape.labels, &self.namespaces)
        });
        let digest = match (held.as_slice(), matches_itself) {
            ([], false) => shape.interest,
            (held, itself) => digest_of(&(shape.interest, held, itself)),
        };
        Interest { digest, held, matches_itself, is_prepared: false }
    }

    /// Keeps which nodes are eligible.
    pub(crate) fn prepare_eligible(&mut self, shape: &PodShape) {
        let digest = shape.demand.digest;
        let kept = self.eligible.get(&digest);
        if kept.is_none_or(|eligible| eligible.version != self.nodes.version) {
            make_room(&mut self.eligible, digest, ELIGIBLE_MAX);
            self.eligible.insert(digest, sift(&self.nodes, shape));
        }
    }

    pub(crate) fn eligible(&self, shape: &PodShape) -> Cow<'_, Eligible> {
        match self.eligible.get(&shape.demand.digest) {
            Some(eligible) if eligible.version == self.nodes.version => Cow::Borrowed(eligible),
            _ => Cow::Owned(sift(&self.nodes, shape)),
        }
    }

    /// Keeps how other pods stand to pods of this interest, and brings it up to date. The nodes
    /// need to have been sifted only for shapes that look at other pods.
    pub(crate) fn prepare_outlook(&mut self, shape: &PodShape, interest: &mut Interest) {
        interest.is_prepared = true;
        for query in shape.queries() {
            self.census.keep(query, &self.namespaces);
        }
        let known = self.outlooks.get_mut(&interest.digest);
        let from =
            Sources { nodes: &self.nodes, census: &self.census, namespaces: &self.namespaces };
        if known.is_some_and(|outlook| outlook.catch_up(from)) {
            return;
        }
        for key in shape.topology_keys() {
            self.nodes.keep_topology(key);
        }
        let unasked = Eligible::unasked();
        let eligible = self.eligible.get(&shape.demand.digest).unwrap_or(&unasked);
        let from =
            Sources { nodes: &self.nodes, census: &self.census, namespaces: &self.namespaces };
        let known = self.grounds.get(&shape.ground).filter(|g| g.version == from.nodes.version);
        let ground = known.cloned().unwrap_or_else(|| from.ground(shape, eligible));
        let outlook = Outlook::new(from, shape, interest, &ground);
        make_room(&mut self.grounds, shape.ground, GROUNDS_MAX);
        self.grounds.insert(shape.ground, ground);
        self.keep_outlook(interest.digest, outlook);
    }

    fn keep_outlook(&mut self, digest: u128, mut outlook: Outlook) {
        let weight = outlook.weight(self.nodes.slots_len());
        outlook.weighed = weight;
        let before = self.outlooks.remove(&digest);
        self.outlooks_weigh -= before.map_or(0, |before| before.weighed);
        let is_much = self.outlooks_weigh + weight > OUTLOOKS_WEIGH_MAX;
        if is_much || self.outlooks.len() >= OUTLOOKS_MAX {
            self.outlooks.clear();
            self.outlooks_weigh = 0;
        }
        self.outlooks_weigh += weight;
        self.outlooks.insert(digest, outlook);
    }

    /// An outlook as of now, kept nowhere.
    pub(crate) fn outlook_anew(
        &self,
        shape: &PodShape,
        interest: &Interest,
        eligible: &Eligible,
    ) -> Outlook {
        let from =
            Sources { nodes: &self.nodes, census: &self.census, namespaces: &self.namespaces };
        Outlook::new(from, shape, interest, &from.ground(shape, eligible))
    }

    /// The view of a pod whose outlook was prepared, or that needs none.
    pub(crate) fn view<'a>(
        &'a self,
        shape: &'a PodShape,
        interest: &Interest,
        soft_taints: bool,
    ) -> View<'a> {
        let outlook = self.outlooks.get(&interest.digest).filter(|_| interest.is_prepared);
        let outlook = outlook.unwrap_or(&NOBODY);
        View::new(&self.nodes, shape, outlook, interest.matches_itself, soft_taints)
    }

    /// The nodes compared for the pod, the best first; what it asks for was prepared.
    pub(crate) fn search(
        &mut self,
        shape: &PodShape,
        interest: &Interest,
        seed: u64,
        samples: usize,
    ) -> Vec<Considered> {
        let eligible = &self.eligible[&shape.demand.digest];
        let outlook = self.outlooks.get_mut(&interest.digest).filter(|_| interest.is_prepared);
        let outlook = match outlook {
            Some(outlook) => {
                outlook.pitch(&self.nodes, shape, eligible, &mut self.grounds);
                &*outlook
            }
            None => &NOBODY,
        };
        make_room(&mut self.rooms, shape.room, ROOMS_MAX);
        let room = self.rooms.entry(shape.room);
        let room = room.or_insert_with(|| Room::new(&self.nodes, eligible));
        room.catch_up(&self.nodes, eligible);
        let (itself, soft_taints) = (interest.matches_itself, eligible.soft_taints);
        let view = View::new(&self.nodes, shape, outlook, itself, soft_taints);
        let found = search::choose(view, eligible, room, seed, samples);
        self.count_asked(found.asked);
        found.considered
    }

    /// The answer of pods of this kind that were refused when the fleet was as it is now.
    pub(crate) fn refusal(&self, kind: u128) -> Option<Arc<Reasons>> {
        let refused = self.refusals.get(&kind)?;
        (refused.changes == self.changes).then(|| Arc::clone(&refused.reasons))
    }

    /// Whether pods of this kind were refused and nothing gave hope since. A shape that looks at
    /// other pods may hope with every pod that is placed.
    pub(crate) fn is_hopeless(&self, shape: &PodShape, kind: u128) -> bool {
        let refused = self.refusals.get(&kind);
        !shape.looks_at_pods() && refused.is_some_and(|refused| refused.hopes == self.hopes)
    }

    /// Whether a search for victims for pods of this kind found nobody, and nothing gave hope since.
    pub(crate) fn is_futile(&self, kind: u128, looks_around: bool) -> bool {
        self.futile.get(&kind).is_some_and(|then| {
            (then.hopes, then.leavings) == (self.hopes, self.leavings)
                && (!looks_around || then.changes == self.changes)
        })
    }

    pub(crate) fn remember_futile(&mut self, kind: u128) {
        make_room(&mut self.futile, kind, REFUSALS_MAX);
        let (changes, hopes, leavings) = (self.changes, self.hopes, self.leavings);
        self.futile.insert(kind, Futile { changes, hopes, leavings });
    }

    /// The ranking of this kind is this from now on.
    pub(crate) fn keep_ranking(&mut self, kind: u128, ranking: Ranking) {
        make_room(&mut self.rankings, kind, RANKINGS_MAX);
        self.rankings.insert(kind, ranking);
    }

    pub(crate) fn remember_refusal(&mut self, kind: u128, reasons: &Arc<Reasons>) {
        make_room(&mut self.refusals, kind, REFUSALS_MAX);
        let (changes, hopes) = (self.changes, self.hopes);
        let refused = Refused { changes, hopes, reasons: Arc::clone(reasons) };
        self.refusals.insert(kind, refused);
    }
}

/// Forgets everything when the key would be one too many.
pub(crate) fn make_room<V>(map: &mut IdMap<u128, V>, key: u128, len_max: usize) {
    if map.len() >= len_max && !map.contains_key(&key) {
        map.clear();
    }
}
