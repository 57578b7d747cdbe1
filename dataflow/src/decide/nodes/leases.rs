//! Leases: renewed by nodes, and judged when they end.

use setpoint_rules::lease;
use setpoint_schemas::{Lease, NodeName, Position};

use crate::causes::cause_of_lease;
use crate::decide::Turn;
use crate::state::Deadline;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// A lease is renewed. A renewal of an earlier session or with a lower sequence is stale.
    pub(crate) fn lease_renewed(&mut self, lease: &Lease, at: Position) {
        let Some(id) = self.state.nodes.get(&lease.node).copied() else { return };
        let Some(node) = self.state.node.get_mut(&id) else { return };
        if node.row.record.session != lease.session || lease.sequence <= node.row.sequence {
            return;
        }
        node.row.sequence = lease.sequence;
        node.row.renewed_ms = self.now;
        node.row.cause = cause_of_lease(at, lease);
        let was_lost = node.row.lost;
        let was_silent = std::mem::take(&mut node.row.silent);
        self.state.touch_node(id);
        if self.state.guarded.is_on(id) {
            // Until when its pods may run that may run at most once.
            self.nodes_touched.insert(id);
        }
        self.node_heard();
        if was_lost {
            self.node_returned(id);
        }
        if was_lost || was_silent {
            self.node_changed(id);
        }
    }

    /// Some node is heard. When nobody was for long, it was we who did not hear, an outage of our
    /// API for instance: every lease begins anew, so that those whose word is still on its way are
    /// not lost meanwhile. What is taken in from a backlog may have been said since it began.
    pub(super) fn node_heard(&mut self) {
        let meta = &self.state.meta;
        let (before, said_ms) = (meta.heard_ms, meta.behind_ms.unwrap_or(self.now));
        if lease::is_silence(before, said_ms, &meta.policy) {
            self.renew_all_leases();
        }
        let meta = &mut self.state.meta;
        meta.heard_ms = meta.heard_ms.max(said_ms);
    }

    /// Notes whether more is on the log than is taken in. A backlog does not tell when its words were
    /// said. When it took as long as a silence and somebody spoke in it, every lease begins anew.
    pub(crate) fn keep_up(&mut self, is_behind: bool) {
        let meta = &mut self.state.meta;
        if is_behind {
            meta.behind_ms.get_or_insert(self.now);
            return;
        }
        let Some(since_ms) = meta.behind_ms.take() else { return };
        let is_heard = meta.heard_ms >= since_ms;
        if is_heard && lease::is_silence(since_ms, self.now, &meta.policy) {
            self.renew_all_leases();
        }
    }

    /// After a start, a takeover or a silence every lease begins a full grace period anew.
    pub(crate) fn renew_all_leases(&mut self) {
        (self.state.meta.heard_ms, self.state.meta.rebased_ms) = (self.now, self.now);
        if self.state.meta.hold.is_some() {
            self.judge_when_complete();
        }
        let ids: Vec<u32> = self.state.nodes.values().copied().collect();
        for id in ids {
            if let Some(node) = self.state.node.get_mut(&id)
                && !node.row.lost
            {
                node.row.renewed_ms = self.now;
                self.state.touch_node(id);
                self.schedule_lease(id);
            }
        }
    }

    /// The leases are to be judged once all renewals up to now are taken in: at the end of this
    /// epoch, or of the next whose cut is complete.
    pub(super) fn judge_when_complete(&mut self) {
        self.state.meta.judge_ms = Some(self.now);
    }

    /// A lease's deadline fired: put back when it was renewed since. Says whether all leases are to
    /// be judged, which costs the whole fleet: when this one ended. While a hold lasts they are
    /// judged from time to time, whichever of them ends.
    pub(crate) fn lease_ended(&mut self, name: &NodeName) -> bool {
        if self.state.meta.hold.is_some() {
            return false;
        }
        let Some(id) = self.state.nodes.get(name).copied() else { return false };
        let Some(node) = self.state.node.get(&id) else { return false };
        let is_due = self.now >= node.due_ms(&self.state.meta);
        if is_due {
            return !node.row.lost;
        }
        self.schedule_lease(id);
        false
    }

    /// The settings changed: each lease is looked at when it ends by the new ones.
    pub(crate) fn reschedule_leases(&mut self) {
        let meta = &self.state.meta;
        let running = self.state.node.values().filter(|node| !node.row.lost);
        let due: Vec<(i64, NodeName)> =
            running.map(|node| (node.due_ms(meta), node.row.record.node.clone())).collect();
        due.into_iter().for_each(|(at, name)| self.state.schedule(at, Deadline::Lease(name)));
    }

    /// Which leases ended, and whether so many that the doubt falls on ourselves. When a hold ends
    /// nobody is lost at once: who is still silent has a whole grace period from there, because all
    /// that was silent under the hold was doubted.
    pub(crate) fn judge_leases(&mut self) {
        let was_held = self.state.meta.hold.is_some();
        let (overdue, ended) = self.overdue();
        match self.doubt(overdue, self.state.leases.running()).filter(|_| !ended.is_empty()) {
            Some(reason) => self.hold(reason, &ended),
            None if self.state.meta.hold.is_some() => self.release_hold(),
            None => {
                for id in &ended {
                    let reason = self.ended_reason(*id);
                    self.node_lost(*id, "lease", reason, None);
                }
            }
        }
        let is_held = self.state.meta.hold.is_some();
        // While a hold lasts deadlines fire and are not put back.
        if was_held || is_held {
            let ids: Vec<u32> = self.state.nodes.values().copied().collect();
            ids.into_iter().for_each(|id| self.schedule_lease(id));
        }
        let again = self.now + self.state.meta.policy.lease_renew_ms;
        self.state.meta.judge_ms = is_held.then_some(again);
    }

    /// How many leases that run are overdue, and those of them that ended, in order of their nodes'
    /// names. Looks at no other.
    fn overdue(&self) -> (i64, Vec<u32>) {
        let meta = &self.state.meta;
        let (mut overdue, mut ended) = (0, Vec::new());
        for (renewed_ms, id) in self.state.leases.oldest_first() {
            let from_ms = renewed_ms.max(meta.released_ms);
            let is_overdue = lease::is_overdue(from_ms, self.now, &meta.policy);
            let Some(node) = self.state.node.get(&id) else { continue };
            let is_ended = self.now >= node.due_ms(meta);
            if !is_overdue && !is_ended {
                break;
            }
            overdue += i64::from(is_overdue);
            if is_ended {
                ended.push((&node.row.record.node, id));
            }
        }
        ended.sort_unstable();
        (overdue, ended.into_iter().map(|(_, id)| id).collect())
    }

    /// Why the silence is rather our own side's than the nodes', when it is: nobody at all is
    /// heard, or too many fell silent at once.
    fn doubt(&self, overdue: i64, fleet: i64) -> Option<String> {
        let meta = &self.state.meta;
        let suspicion = "suspecting our own side, replacements are held until";
        if lease::is_silence(meta.heard_ms, self.now, &meta.policy) {
            let silent_s = (self.now - meta.heard_ms) / 1_000;
            return Some(format!(
                "none of {fleet} nodes was heard for {silent_s} s: {suspicion} one returns or they are confirmed lost"
            ));
        }
        let lost_now = self.state.leases.unconfirmed();
        let (overdue, fleet) = (overdue + lost_now, fleet + lost_now);
        lease::is_mass_loss(overdue, fleet, &meta.policy).then(|| {
            format!(
                "{overdue} of {fleet} nodes stopped renewing their leases at once: {suspicion} they return or are confirmed lost"
            )
        })
    }

    fn ended_reason(&self, id: u32) -> String {
        self.state.node.get(&id).map_or_else(String::new, |node| {
            let silent = (self.now - node.row.renewed_ms) / 1_000;
            format!("node {} did not renew its lease for {silent} s", node.row.record.node)
        })
    }

    pub(crate) fn schedule_lease(&mut self, id: u32) {
        let Some(node) = self.state.node.get(&id) else { return };
        if node.row.lost {
            return;
        }
        let due = node.due_ms(&self.state.meta);
        if due <= self.now && self.state.meta.hold.is_some() {
            return;
        }
        let name = node.row.record.node.clone();
        self.state.schedule(due, Deadline::Lease(name));
    }
}
