//! Pods of nodes that are only watched: shown to readers, and nothing else.
//!
//! Nothing is decided by them and nothing of them is kept: what an engine that Setpoint does not
//! manage runs is nobody's orphan and nobody's drift. After a restart they are shown again when
//! their watcher tells everything again.

use std::sync::Arc;

use setpoint_schemas::{NodeSnapshot, Observation, PodPhase};

use crate::Served;
use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A pod that we did not place was observed. One of a node that is not only watched is an
    /// orphan, which its agent stops by its placement list.
    pub(crate) fn watched_pod(&mut self, observed: Observation) {
        if !self.is_watched_by(observed.node(), observed.session()) {
            return self.set_aside(&observed);
        }
        if observed.phase() == PodPhase::Gone {
            self.out.served.push(Served::WatchedGone(observed.uid().clone()));
            return self.set_aside(&observed);
        }
        self.out.served.push(Served::Watched(observed));
    }

    /// All that a watched node has. Returns whether the node is one.
    pub(crate) fn watched_snapshot(&mut self, snapshot: &Arc<NodeSnapshot>) -> bool {
        let is_watched = self.is_watched_by(snapshot.node.as_str(), snapshot.session.as_str());
        if is_watched {
            self.out.served.push(Served::WatchedAll(snapshot.clone()));
        }
        is_watched
    }

    fn is_watched_by(&self, node: &str, session: &str) -> bool {
        let node = self.state.nodes.get(node).and_then(|id| self.state.node.get(id));
        let record = node.map(|node| &node.row.record);
        record.is_some_and(|record| record.is_watched() && record.session.as_str() == session)
    }
}
