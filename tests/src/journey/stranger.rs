//! An engine of other rules: it follows what the leader records, and may lead one day.
//!
//! Other rules are played by other settings: it would place elsewhere, start at another pace and
//! wait longer for silent nodes. What it holds must be what was recorded, after every epoch.

use std::collections::BTreeMap;

use setpoint_dataflow::{Engine, Epoch, Outcome};
use setpoint_schemas::Policy;

use super::leader::Leader;
use crate::committed::Committed;
use crate::watched::{Watched, Window};

/// The engine and its settings.
pub(super) struct Stranger {
    engine: Engine<Watched>,
    window: Window,
    policy: Policy,
}

impl Stranger {
    /// One that knows nothing yet, with settings unlike these.
    pub(super) fn new(policy: &Policy) -> Self {
        let policy = Policy {
            lease_grace_ms: 2 * policy.lease_grace_ms,
            starts_per_second: 7,
            starts_burst: 3,
            placement_samples: 1,
            ..policy.clone()
        };
        let views = Watched::by_hand();
        let window = views.window();
        Stranger { engine: Engine::new(views, policy.clone()), window, policy }
    }

    /// Follows the last epoch; says how often it would have decided otherwise.
    pub(super) fn follow(&mut self, epoch: Epoch, committed: &Committed) -> Result<usize, String> {
        let Some(last) = committed.epochs.last() else { return Ok(0) };
        let number = epoch.number;
        let epoch = Epoch { policy: Some(self.policy.clone()), ..epoch };
        let followed = self.engine.follow(epoch, &last.outcome);
        let unmended = followed.differences.iter().find(|d| d.contains("cannot be made"));
        if let Some(unmended) = unmended {
            return Err(format!("an engine of other rules, in epoch {number}: {unmended}"));
        }
        holds_the_same(&self.engine.everything(), committed)
            .map_err(|what| format!("an engine of other rules, after epoch {number}: {what}"))?;
        Ok(followed.differences.len())
    }

    /// As a leader of this term.
    pub(super) fn lead(self, term: i64, looked_ms: i64) -> Leader {
        Leader {
            engine: self.engine,
            window: self.window,
            term,
            is_marked: true,
            is_first: true,
            looked_ms,
            due_ms: Some(0),
            wants_cold: true,
        }
    }
}

/// Placements and resources are those on the log.
fn holds_the_same(everything: &Outcome, committed: &Committed) -> Result<(), String> {
    let placements: BTreeMap<_, _> = everything
        .placements
        .iter()
        .filter_map(|change| Some((&change.uid, change.placement.as_deref()?)))
        .collect();
    let recorded: BTreeMap<_, _> =
        committed.placements.iter().map(|(uid, placement)| (uid, &**placement)).collect();
    if placements != recorded {
        let uids = placements.keys().chain(recorded.keys());
        let other = uids.copied().find(|uid| placements.get(uid) != recorded.get(uid));
        let [its, theirs] =
            [&placements, &recorded].map(|of| other.and_then(|uid| of.get(uid).copied()));
        return Err(format!("its placements differ: {its:#?}, and the log has {theirs:#?}"));
    }
    let resources: BTreeMap<_, _> = everything
        .resources
        .iter()
        .filter_map(|(key, resource)| Some((key, resource.as_deref()?)))
        .collect();
    let recorded: BTreeMap<_, _> =
        committed.resources.iter().map(|(key, (resource, _))| (key, &**resource)).collect();
    if resources != recorded {
        let other = resources.iter().find(|(key, r)| recorded.get(*key) != Some(*r));
        let other =
            other.or_else(|| recorded.iter().find(|(key, _)| !resources.contains_key(*key)));
        return Err(format!("its resources differ, such as {other:#?}"));
    }
    Ok(())
}
