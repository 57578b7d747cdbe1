//! The plant: simulated nodes behind a network that delays, repeats, reorders and breaks.
//!
//! Guarantee: what a node says reaches the log late, twice or in another order, even when its
//! session is long over; but a registration comes before all else of its session, as the agent's
//! own protocol has it.

mod node;
mod pod;

pub use node::{List, SimNode};
pub(crate) use pod::BAD_IMAGE;
pub use pod::{PodState, SimPod};

use std::collections::BTreeMap;

use setpoint_schemas::Input;

use crate::committed::Committed;
use crate::draw::Draw;
use crate::memory_log::MemoryLog;

/// The longest way of a message to the log when nothing is broken.
const DELAY_MS_MAX: i64 = 300;
/// A straggler: a copy that was stuck somewhere and arrives this much later, at most.
const LATE_MS_MAX: i64 = 20_000;
/// How soon a message whose way is broken is tried again.
const RETRY_MS: i64 = 500;

/// A message on its way to the log.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) node: usize,
    pub(crate) session: i64,
    pub(crate) input: Input,
    /// Whether it is on its way whatever becomes of its sender.
    pub(crate) is_straggler: bool,
}

/// The nodes and the network.
pub struct Plant {
    /// The nodes, by number.
    pub nodes: Vec<SimNode>,
    /// Whether our own API answers the nodes.
    pub api_up: bool,
    /// Whether messages are repeated and things fail by themselves.
    pub faults: bool,
    /// Whether nodes end pods whose time is over, and whether all do so without an agent as well.
    fences: (bool, bool),
    in_flight: BTreeMap<(i64, u64), Message>,
    sent: u64,
    draw: Draw,
}

impl Plant {
    /// A plant of `count` nodes.
    #[must_use]
    pub fn new(count: usize, mut draw: Draw) -> Self {
        let node = |number: usize| SimNode::new(number, *draw.pick(&[1_000, 2_000, 4_000]));
        let nodes = (0..count).map(node).collect();
        let (fences, in_flight) = ((true, false), BTreeMap::new());
        Plant { nodes, api_up: true, faults: true, fences, in_flight, sent: 0, draw }
    }

    /// Whether nodes end pods that may run at most once when their time is over, and whether all of them
    /// do so without an agent as well.
    #[must_use]
    pub fn fenced(mut self, is_fenced: bool, all_watched: bool) -> Self {
        self.fences = (is_fenced, all_watched);
        self.nodes.iter_mut().for_each(|node| node.fence(self.fences));
        self
    }

    /// One more node.
    pub fn join(&mut self) {
        let number = self.nodes.len();
        let mut node = SimNode::new(number, 2_000);
        node.fence(self.fences);
        self.nodes.push(node);
    }

    /// Goes on to `now_ms` of true time: nodes see their placements as of (term, epoch), work, and
    /// what they say travels.
    pub fn step(
        &mut self,
        now_ms: i64,
        as_of: (i64, i64),
        committed: &Committed,
        log: &mut MemoryLog,
    ) {
        for number in 0..self.nodes.len() {
            let node = &mut self.nodes[number];
            node.note_trouble(now_ms);
            if self.api_up && node.hears() && node.polls(now_ms) {
                let mine = committed.placements.values().filter(|p| p.node == node.name).cloned();
                let known = committed.nodes.get(&node.name).cloned();
                let lease = known.zip(committed.leases.get(&node.name).copied());
                let list =
                    List { term: as_of.0, epoch: as_of.1, lease, placements: mine.collect() };
                let late = if self.faults { self.draw.between(0, 900) } else { 50 };
                node.lists.push((now_ms + late, list));
                let known = committed.nodes.get(&node.name);
                node.hears_whose(now_ms, known == Some(&node.session()));
            }
            let mut said = Vec::new();
            node.step(now_ms, self.faults, &mut self.draw, &mut said);
            let session = node.session_number;
            for input in said {
                self.send(now_ms, Message { node: number, session, input, is_straggler: false });
            }
        }
        self.deliver(now_ms, log);
    }

    fn send(&mut self, now_ms: i64, message: Message) {
        let copies = if self.faults && self.draw.chance(50) { 2 } else { 1 };
        for _ in 0..copies {
            let at = now_ms + self.draw.between(1, DELAY_MS_MAX);
            self.sent += 1;
            self.in_flight.insert((at, self.sent), message.clone());
        }
        if self.faults && self.draw.chance(20) {
            let at = now_ms + self.draw.between(DELAY_MS_MAX, LATE_MS_MAX);
            self.sent += 1;
            self.in_flight.insert((at, self.sent), Message { is_straggler: true, ..message });
        }
    }

    fn deliver(&mut self, now_ms: i64, log: &mut MemoryLog) {
        let later = self.in_flight.split_off(&(now_ms + 1, 0));
        let due = std::mem::replace(&mut self.in_flight, later);
        for ((_, number), message) in due {
            let node = &mut self.nodes[message.node];
            let is_present = node.session_number == message.session && node.agent_up;
            if !self.api_up || (node.partitioned && !message.is_straggler) {
                // Tried again while its sender lives.
                if is_present || message.is_straggler {
                    self.in_flight.insert((now_ms + RETRY_MS, number), message);
                }
                continue;
            }
            if let Input::Node(_) = message.input {
                if !is_present && !message.is_straggler {
                    continue;
                }
                node.registered |= is_present;
            }
            log.append(message.input);
        }
    }

    /// An identity of which more than one pod is there, with the nodes.
    #[must_use]
    pub fn run_twice(&self) -> Option<String> {
        let mut homes: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for node in &self.nodes {
            for pod in node.pods.values().filter(|pod| pod.placement.at_most_one) {
                let placement = &pod.placement;
                let identity = (placement.pattern.workload.to_string(), placement.name.to_string());
                let told = format!("{} as {} {:?}", node.name, placement.uid, pod.state);
                homes.entry(identity).or_default().push(told);
            }
        }
        let twice = homes.into_iter().find(|(_, on)| on.len() > 1);
        twice.map(|((set, name), on)| format!("{name} of {set} runs on {}", on.join(" and on ")))
    }

    /// Mends everything, for good.
    pub fn heal(&mut self, now_ms: i64) {
        self.api_up = true;
        self.faults = false;
        for node in &mut self.nodes {
            node.heal(now_ms);
        }
    }
}
