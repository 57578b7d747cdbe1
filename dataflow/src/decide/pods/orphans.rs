//! Orphans: pods that a node says it has and that are not placed there.
//!
//! The node's agent stops them, because its placement list does not name them; the ledger says
//! that it is so and why, the node bears a condition, and the overview counts them. A snapshot is
//! what tells them: it names all that a node has.

use std::collections::BTreeSet;
use std::sync::Arc;

use setpoint_schemas::{
    Action, Condition, ConditionStatus, NodeName, NodeRecord, NodeSnapshot, PodUid,
};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::decided::About;
use crate::state::{Orphan, OrphanRow, Table};
use crate::views::{Fact, Views};

/// The condition of a node that has orphans.
const CONDITION: &str = "OrphanPods";

impl<V: Views> Turn<'_, V> {
    /// What this snapshot says of orphans on its node.
    pub(crate) fn look_for_orphans(&mut self, node: u32, snapshot: &NodeSnapshot, cause: &Cause) {
        let is_placed = |uid: &PodUid| self.state.pods.by_uid(uid).is_some_and(|p| p.node == node);
        let strays: Vec<PodUid> =
            snapshot.uids.iter().filter(|uid| !is_placed(uid)).cloned().collect();
        let present: BTreeSet<&PodUid> = snapshot.uids.iter().collect();
        let is_over = |orphan: &&Orphan| {
            let row = &orphan.row;
            is_later(row, snapshot) && !present.contains(&row.uid)
        };
        let over = self.state.orphans.of(&snapshot.node).filter(is_over);
        let over: Vec<PodUid> = over.map(|orphan| orphan.row.uid.clone()).collect();
        over.iter().for_each(|uid| self.orphan_gone(&snapshot.node, uid));
        strays.iter().for_each(|uid| self.orphan_named(node, snapshot, uid, cause));
    }

    fn orphan_named(&mut self, node: u32, snapshot: &NodeSnapshot, uid: &PodUid, cause: &Cause) {
        let known = self.state.orphans.get(&snapshot.node, uid);
        let fact = known.and_then(|known| known.fact);
        let row = match known {
            Some(known) if !is_later(&known.row, snapshot) => return,
            Some(known) => OrphanRow {
                session: snapshot.session.clone(),
                sequence: snapshot.sequence,
                is_certain: true,
                ..known.row.clone()
            },
            None => OrphanRow {
                node: snapshot.node.clone(),
                uid: uid.clone(),
                session: snapshot.session.clone(),
                sequence: snapshot.sequence,
                cause: cause.clone(),
                since_ms: self.now,
                is_certain: false,
                is_told: false,
            },
        };
        self.state.touch(Table::Orphans, row.key());
        self.state.orphans.insert(Orphan { row, fact });
        self.show_orphan(node, &snapshot.node, uid);
    }

    /// Tells the views of an orphan that is certain.
    pub(crate) fn show_orphan(&mut self, node: u32, name: &NodeName, uid: &PodUid) {
        let id = self.state.number_orphan();
        let Some(orphan) = self.state.orphans.get_mut(name, uid) else { return };
        if orphan.row.is_certain && orphan.fact.is_none() {
            orphan.fact = Some((node, id));
            self.views.update(Fact::Seen((node, id)), 1);
            self.state.cold_dirty = true;
        }
    }

    /// Nothing is left of an orphan.
    pub(crate) fn orphan_gone(&mut self, node: &NodeName, uid: &PodUid) {
        let Some(orphan) = self.state.orphans.remove(node, uid) else { return };
        self.state.touch(Table::Orphans, orphan.row.key());
        if let Some(fact) = orphan.fact {
            self.views.update(Fact::Seen(fact), -1);
            self.state.cold_dirty = true;
        }
    }

    /// A node was removed, and what it said with it.
    pub(crate) fn orphans_gone_with(&mut self, node: &NodeName) {
        let uids: Vec<PodUid> =
            self.state.orphans.of(node).map(|orphan| orphan.row.uid.clone()).collect();
        uids.iter().for_each(|uid| self.orphan_gone(node, uid));
    }

    /// Tells the ledger of orphans that it does not have yet, as the views show them.
    pub(crate) fn tell_orphans(&mut self) {
        let shown = std::mem::take(&mut self.state.orphans.shown);
        let is_news =
            |o: &&mut Orphan| !o.row.is_told && o.fact.is_some_and(|f| shown.contains(&f));
        let mut told = Vec::new();
        for orphan in self.state.orphans.all_mut().filter(is_news) {
            orphan.row.is_told = true;
            told.push(orphan.row.clone());
        }
        self.state.orphans.shown = shown;
        for row in told {
            self.state.touch(Table::Orphans, row.key());
            let about = About {
                pod: Some(row.uid),
                node: Some(row.node.clone()),
                causes: row.cause.into(),
                ..About::default()
            };
            let reason = format!("it is on node {} without a placement", row.node);
            self.ledger.write(Action::Stop, "orphan", reason, about);
        }
    }
}

/// Whether this snapshot is later than the one that last named the orphan. A snapshot of another
/// session was refused before, unless it is of the node's present one.
fn is_later(row: &OrphanRow, snapshot: &NodeSnapshot) -> bool {
    row.session != snapshot.session || row.sequence < snapshot.sequence
}

/// The node's record with the condition that it has so many orphans since then.
pub(crate) fn with_orphans(
    record: &Arc<NodeRecord>,
    (orphans, since_ms): (usize, i64),
) -> Arc<NodeRecord> {
    let mut record = Arc::clone(record);
    if orphans > 0 {
        Arc::make_mut(&mut record).conditions.push(Condition {
            kind: CONDITION.to_owned(),
            status: ConditionStatus::True,
            reason: "NoPlacement".to_owned(),
            message: format!("pods without a placement that it has: {orphans}"),
            transition_ms: since_ms,
        });
    }
    record
}
