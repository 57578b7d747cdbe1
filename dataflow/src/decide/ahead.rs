//! Looking ahead: what the next observations are about is brought near before they are taken in.
//!
//! Why: a large fleet does not fit a processor's caches. Who takes in one observation waits for its pod,
//! then for the node and the workload that the pod names, then for what these point at. Looked at step
//! by step for many observations, a processor waits for many at a time
//! (`docs/decisions/0029-an-epoch-looks-ahead.md`).
//!
//! Guarantee: nothing is changed, counted or decided here.

use std::hint::black_box;

use setpoint_schemas::{Input, Sourced};

use crate::decide::Turn;
use crate::state::{Node, Pod, Workload};
use crate::views::Views;

/// Inputs that are looked at together: what they are about fits the innermost large cache with room to
/// spare, at some four kilobytes each.
pub(crate) const AHEAD: usize = 128;
/// Fewer are not worth it: looking takes longer than waiting.
const AHEAD_MIN: usize = 8;

impl<V: Views> Turn<'_, V> {
    /// Looks at what these inputs are about.
    pub(crate) fn look_ahead(&self, inputs: &[Sourced]) {
        if inputs.len() < AHEAD_MIN {
            return;
        }
        self.look_at(inputs.iter().filter_map(|sourced| self.pod_ahead(sourced)).collect());
    }

    /// Looks at what these pods name.
    pub(crate) fn look_ahead_at(&self, pods: &[u32]) {
        if pods.len() >= AHEAD_MIN {
            self.look_at(pods.iter().filter_map(|id| self.state.pods.at(*id)).collect());
        }
    }

    fn look_at(&self, pods: Vec<&Pod>) {
        let nodes: Vec<&Node> = pods.iter().filter_map(|pod| self.state.host(pod)).collect();
        let owners: Vec<&Workload> = pods.iter().filter_map(|pod| self.state.owner(pod)).collect();
        let of_nodes = nodes.iter().map(|node| touched(node.row.record.node.as_str()));
        let of_owners = owners.iter().zip(&pods).map(|(owner, pod)| {
            let memo = &owner.memo;
            let requests = owner.templates.get(&pod.revision).map(|t| t.shape.requests().pods);
            memo.whys.len() as u64
                + owner.tallies.get(&pod.revision).map_or(0, |tally| tally.live as u64)
                + requests.unwrap_or(0) as u64
                + memo.look_ms as u64
        });
        black_box(of_nodes.chain(of_owners).fold(0, u64::wrapping_add));
    }

    fn pod_ahead(&self, sourced: &Sourced) -> Option<&Pod> {
        match &sourced.input {
            Input::Pod(observed) => self.state.pods.ahead(observed.uid()),
            _ => None,
        }
    }
}

/// The first byte of a text, wherever it is.
fn touched(text: &str) -> u64 {
    text.bytes().next().map_or(0, u64::from)
}
