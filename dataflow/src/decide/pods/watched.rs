//! Pods of nodes that are only watched: shown to readers, and nothing else.
//!
//! Nothing is decided by them and nothing of them is kept: what an engine that Setpoint does not
//! manage runs is nobody's orphan and nobody's drift. After a restart they are shown again when
//! their watcher tells everything again.

use std::sync::Arc;

use setpoint_schemas::{NodeName, NodeSnapshot, PodObserved, PodPhase, SessionId};

use crate::Served;
use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A pod that we did not place was observed. One of a node that is not only watched is an
    /// orphan, which its agent stops by its placement list.
    pub(crate) fn watched_pod(&mut self, observed: Arc<PodObserved>) {
        if !self.is_watched_by(&observed.node, &observed.session) {
            return self.set_aside(&observed);
        }
        if observed.phase == PodPhase::Gone {
            self.out.served.push(Served::WatchedGone(observed.uid.clone()));
            return self.set_aside(&observed);
        }
        self.out.served.push(Served::Watched(observed));
    }

    /// All that a watched node has. Returns whether the node is one.
    pub(crate) fn watched_snapshot(&mut self, snapshot: &Arc<NodeSnapshot>) -> bool {
        let is_watched = self.is_watched_by(&snapshot.node, &snapshot.session);
        if is_watched {
            self.out.served.push(Served::WatchedAll(snapshot.clone()));
        }
        is_watched
    }

    fn is_watched_by(&self, node: &NodeName, session: &SessionId) -> bool {
        let node = self.state.nodes.get(node).and_then(|id| self.state.node.get(id));
        node.is_some_and(|node| node.row.record.is_watched() && node.row.record.session == *session)
    }
}
