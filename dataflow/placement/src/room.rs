//! Which nodes may have room for pods that ask for the same, so that a full node is not asked again
//! and again.
//!
//! Guarantee: a node that has room is open. A node that was found to be full stays shut until
//! something on it is freed or some node's record changes.

use crate::bits::Bits;
use crate::eligible::Eligible;
use crate::journal::Followed;
use crate::nodes::Nodes;

#[derive(Debug)]
pub(crate) struct Room {
    /// How far the nodes' journal of what was freed was followed.
    followed: Followed,
    /// By position among the eligible nodes.
    open: Bits,
}

impl Room {
    /// All are open.
    pub(crate) fn new(nodes: &Nodes, eligible: &Eligible) -> Room {
        let open = Bits::all(eligible.slots.len());
        Room { followed: Followed::now(nodes.version, nodes.freed()), open }
    }

    /// Opens what was freed since.
    pub(crate) fn catch_up(&mut self, nodes: &Nodes, eligible: &Eligible) {
        let Some(freed) = self.followed.news(nodes.version, nodes.freed()) else {
            *self = Room::new(nodes, eligible);
            return;
        };
        for slot in freed {
            if let Some(at) = eligible.position(*slot) {
                self.open.set(at);
            }
        }
    }

    pub(crate) fn open(&self) -> &Bits {
        &self.open
    }

    pub(crate) fn shut(&mut self, at: usize) {
        self.open.clear(at);
    }
}
