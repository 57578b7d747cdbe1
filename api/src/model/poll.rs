//! The long poll of a node's placements.
//!
//! Guarantee: a list is complete, holds as of its epoch, and is never older than what the asker
//! has seen. A model that is not ready, or that is behind the asker, gives none.

use std::sync::Arc;
use std::time::Duration;

use setpoint_schemas::{FleetId, NodeName, Placement, PlacementList, RUNTIME_LABEL};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{NodeServed, ReadModel};

/// Why there is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PollError {
    /// The model does not hold all that is committed yet.
    #[error("this server is not up to date yet")]
    NotReady,
    /// The asker has seen a later epoch or term.
    #[error("this server is behind what the node has seen")]
    Behind,
}

/// What a look at the model gave.
enum Look {
    /// Something that the asker has not seen.
    News(PlacementList),
    /// Nothing new; the list as it stands.
    Same(PlacementList),
    Not(PollError),
}

fn holder_lease(holder: Option<&Arc<NodeServed>>) -> Option<i64> {
    holder.and_then(|served| served.lease)
}

impl ReadModel {
    /// All that a node should run: at once when it changed after `after` or `term`, otherwise
    /// when it changes, or as it stands when patience ends.
    pub(crate) async fn poll(
        &self,
        fleet: &FleetId,
        node: &NodeName,
        (term, after): (i64, i64),
        patience: Duration,
    ) -> Result<PlacementList, PollError> {
        let deadline = Instant::now() + patience;
        let mut news = self.listen(node);
        loop {
            let seen = *news.borrow_and_update();
            let _ = seen;
            match self.look(fleet, node, term, after) {
                Look::News(list) => return Ok(list),
                Look::Not(PollError::NotReady) => return Err(PollError::NotReady),
                Look::Same(_) | Look::Not(PollError::Behind) => {}
            }
            if timeout_at(deadline, news.changed()).await.is_err() {
                break;
            }
        }
        drop(news);
        self.sweep(node);
        match self.look(fleet, node, term, after) {
            Look::News(list) | Look::Same(list) => Ok(list),
            Look::Not(error) => Err(error),
        }
    }

    fn look(&self, fleet: &FleetId, node: &NodeName, term: i64, after: i64) -> Look {
        let inner = self.read();
        if !inner.is_ready() {
            return Look::Not(PollError::NotReady);
        }
        if (inner.term, inner.epoch) < (term, after) {
            return Look::Not(PollError::Behind);
        }
        let slot = inner.slots.get(node);
        let placed = inner.placements_on(node).into_iter();
        let placements: Vec<Placement> = placed.map(|p: &Arc<Placement>| (**p).clone()).collect();
        let changed = slot.map_or(0, |slot| slot.changed).max(inner.base_epoch());
        let holder = inner.nodes.get(node.as_str()).map(|served| &served.record);
        let runtime_id = holder.and_then(|record| record.labels.get(RUNTIME_LABEL));
        let list = PlacementList {
            fleet: fleet.clone(),
            node: node.clone(),
            term: inner.term,
            epoch: inner.epoch,
            complete: true,
            session: holder.map(|record| record.session.clone()),
            session_started_ms: holder.map_or(0, |record| record.started_ms),
            runtime_id: runtime_id.cloned().unwrap_or_default(),
            ended: placements
                .iter()
                .filter(|placed| inner.has_ended(placed))
                .map(|p| p.uid.clone())
                .collect(),
            lease: holder_lease(inner.nodes.get(node.as_str())),
            placements,
            volumes_leaving: inner.leaving.get(node).into_iter().flatten().cloned().collect(),
        };
        if changed > after || inner.term != term { Look::News(list) } else { Look::Same(list) }
    }

    fn listen(&self, node: &NodeName) -> watch::Receiver<i64> {
        self.write().slot(node).news.subscribe()
    }

    /// Forgets a slot that holds nothing and that nobody listens to.
    fn sweep(&self, node: &NodeName) {
        let mut inner = self.write();
        let idle = |slot: &super::inner::Slot| slot.len() == 0 && slot.news.receiver_count() == 0;
        let known = inner.nodes.contains_key(node.as_str());
        if !known && inner.slots.get(node).is_some_and(idle) {
            inner.slots.remove(node);
        }
    }
}
