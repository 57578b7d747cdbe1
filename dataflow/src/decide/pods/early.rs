//! Words that came before their session's record: kept until it comes, then taken in.

use setpoint_schemas::{NodeName, Position, SessionId};

use crate::decide::Turn;
use crate::state::{Table, Word};
use crate::views::Views;

/// While early words are kept, an epoch whose cut is complete comes this soon: by then the record
/// that they wait for is read, or it was never to come.
pub(crate) const LOOK_MS: i64 = 100;

impl<V: Views> Turn<'_, V> {
    /// Whether this is the node's present session.
    pub(crate) fn is_present(&self, node: &str, session: &str) -> bool {
        let node = self.state.nodes.get(node).and_then(|id| self.state.node.get(id));
        node.is_some_and(|node| node.row.record.session.as_str() == session)
    }

    /// A session that is not the node's present one has spoken: its record may be still to be read.
    /// Where the cut covers every partition's end it is not: an agent registers before it speaks,
    /// or tells all again afterwards, and records of nodes apply before what they say.
    pub(crate) fn keep_early(&mut self, word: Word, at: Position) {
        match word {
            Word::Pod(observed) if self.complete => self.set_aside(&observed),
            Word::All(_) if self.complete => {}
            word => {
                self.state.touch(Table::Early, word.key());
                let forgotten = self.state.early.keep(word, at);
                self.early_set_aside(&forgotten);
            }
        }
    }

    /// A session is registered: what it said before counts now.
    pub(crate) fn hear_early(&mut self, node: &NodeName, session: &SessionId) {
        for row in self.state.early.take(node, session) {
            self.state.touch(Table::Early, row.word.key());
            match row.word {
                Word::Pod(observed) => self.pod_observed(observed, row.at),
                Word::All(snapshot) => self.snapshot(snapshot, row.at),
            }
        }
    }

    /// Every record up to now is read: who is not registered will not be by one of them.
    pub(crate) fn forget_early(&mut self) {
        let forgotten = self.state.early.clear();
        self.early_set_aside(&forgotten);
    }
}
