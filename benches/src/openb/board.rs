//! All nodes' offers for each shape of pod, brought up to date where a node has changed.
//!
//! A decision costs one offer for each node that changed since the last pod of the same shape, and
//! one for every node when the shape is new. The frame is the same for every policy that scores.

use std::collections::HashMap;

use setpoint_placement::devices::DeviceSet;

use super::chooser::{Chooser, Offer, Scorer};
use super::node::{Node, Pod};
use super::tournament::Tournament;

/// Chooses the node with the highest score, the first of them on ties.
pub(super) struct Boards<S> {
    scorer: S,
    boards: HashMap<Pod, Board>,
    /// How often each node has changed, from 1.
    versions: Vec<u32>,
    /// What the scorer measured of each node as it is.
    measures: Vec<Option<f64>>,
    /// Every change so far, by node.
    changes: Vec<usize>,
}

/// The offers for one shape.
struct Board {
    tournament: Tournament,
    /// The version of each node that its offer is of; 0 for none.
    seen: Vec<u32>,
    /// How many changes are in it; none for a new board.
    changes: Option<usize>,
}

impl<S: Scorer> Boards<S> {
    pub(super) fn new(scorer: S, nodes: usize) -> Boards<S> {
        let (versions, measures) = (vec![1; nodes], vec![None; nodes]);
        Boards { scorer, boards: HashMap::new(), versions, measures, changes: Vec::new() }
    }

    fn offer(&mut self, index: usize, node: &Node, pod: &Pod) -> Option<Offer> {
        if !node.fits(pod) {
            return None;
        }
        let scorer = &self.scorer;
        let measure = *self.measures[index].get_or_insert_with(|| scorer.measure(node));
        Some(scorer.offer(node, measure, pod))
    }

    fn update(&mut self, board: &mut Board, index: usize, node: &Node, pod: &Pod) {
        if board.seen[index] != self.versions[index] {
            board.seen[index] = self.versions[index];
            board.tournament.set(index, self.offer(index, node, pod));
        }
    }
}

impl Board {
    fn new(nodes: usize) -> Board {
        Board { tournament: Tournament::new(nodes), seen: vec![0; nodes], changes: None }
    }
}

impl<S: Scorer> Chooser for Boards<S> {
    fn choose(&mut self, nodes: &[Node], pod: &Pod) -> Option<(usize, DeviceSet)> {
        let mut board = self.boards.remove(pod).unwrap_or_else(|| Board::new(nodes.len()));
        match board.changes {
            Some(known) if self.changes.len() - known < nodes.len() => {
                for at in known..self.changes.len() {
                    let index = self.changes[at];
                    self.update(&mut board, index, &nodes[index], pod);
                }
            }
            _ => (0..nodes.len()).for_each(|at| self.update(&mut board, at, &nodes[at], pod)),
        }
        board.changes = Some(self.changes.len());
        let winner = board.tournament.winner();
        self.boards.insert(*pod, board);
        winner.map(|(node, offer)| (node, offer.devices))
    }

    fn changed(&mut self, node: usize) {
        self.versions[node] += 1;
        self.measures[node] = None;
        self.changes.push(node);
    }
}
