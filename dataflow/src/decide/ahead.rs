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

/// Inputs that are looked at together: what they are about, by estimate some kilobytes each, must not push
/// each other out of a cache of a megabyte or two before it is used.
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
        let owned = |pod| Some((self.state.owner(pod)?, pod.revision));
        let owners: Vec<(&Workload, u32)> = pods.into_iter().filter_map(owned).collect();
        let of_nodes = nodes.iter().map(|node| touched(node.row.record.node.as_str()));
        let of_owners = owners.iter().flat_map(|(owner, revision)| {
            let requests = owner.templates.get(revision).map_or(0, |t| t.shape.requests().pods);
            let live = owner.tallies.get(revision).map_or(0, |tally| tally.live);
            [owner.memo.whys.len() as i64, live, requests, owner.memo.look_ms]
        });
        black_box(of_nodes.chain(of_owners).fold(0, i64::wrapping_add));
    }

    fn pod_ahead(&self, sourced: &Sourced) -> Option<&Pod> {
        match &sourced.input {
            Input::Pod(observed) => self.state.pods.ahead(observed.uid()),
            _ => None,
        }
    }
}

/// The first byte of a text, wherever it is.
fn touched(text: &str) -> i64 {
    text.bytes().next().map_or(0, i64::from)
}
