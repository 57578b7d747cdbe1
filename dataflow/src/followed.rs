//! Following what another leader recorded, where these rules or this state would decide otherwise.
//!
//! Guarantee: after [`Engine::follow`] resources, placements, lost nodes and holds are the recorded
//! ones, whatever this engine would have decided; what it would have decided is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{Action, Decision, Placement, PodUid, Resource, ResourceKey};

use crate::Engine;
use crate::decide::Before;
use crate::epoch::{Epoch, Outcome, PlacementChange, Recorded};
use crate::views::Views;

/// An epoch that was followed.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    /// What was recorded, as an outcome.
    pub outcome: Outcome,
    /// Where this engine would have decided otherwise, a sentence each.
    pub differences: Vec<String>,
}

impl<V: Views> Engine<V> {
    /// Takes in an epoch as its leader decided it. The state is [inexact](Engine::is_exact)
    /// afterwards if this engine would have decided otherwise, or if the leader's own state had not
    /// come by exact replay.
    ///
    /// # Panics
    /// As [`Engine::step`], when the epoch does not follow the one before.
    pub fn follow(&mut self, epoch: Epoch, recorded: &Recorded) -> Followed {
        let hold = self.state.meta.hold.clone();
        let inexact = self.state.meta.inexact || epoch.rebuilt;
        let at = Epoch { inputs: Vec::new(), policy: None, ..epoch.clone() };
        let own = self.step(epoch);
        let mut differences = resource_differences(&own, recorded);
        differences.extend(placement_differences(&own, recorded));
        if own.hash != recorded.hash {
            differences.splice(0..0, decision_differences(&own.ledger(), &recorded.decisions));
        }
        if differences.is_empty() {
            self.state.meta.inexact = inexact;
            return Followed { outcome: own, differences };
        }
        let before = Before::of(&self.state, hold);
        let mut turn = self.turn(&at);
        let unmended = turn.correct(&own, recorded, &before);
        let outcome = turn.corrected(own, recorded);
        differences.extend(unmended);
        self.state.meta.inexact = true;
        Followed { outcome, differences }
    }
}

/// What was decided by one and not by the other; where that is nothing, the same with other words.
fn decision_differences(own: &[Decision], recorded: &[Decision]) -> Vec<String> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    own.iter().for_each(|d| *counts.entry(what(d)).or_default() += 1);
    recorded.iter().for_each(|d| *counts.entry(what(d)).or_default() -= 1);
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|(what, count)| match count > 0 {
            true => format!("these rules would {what}; it is not recorded"),
            false => format!("recorded is {what}; these rules would not"),
        })
        .collect();
    if told.is_empty() {
        return vec!["these rules would decide the same for other reasons".to_owned()];
    }
    told
}

fn what(decision: &Decision) -> String {
    let action = match decision.action {
        Action::Accept => "accept",
        Action::Refuse => "refuse",
        Action::Place => "place",
        Action::Wait => "let wait",
        Action::Stop => "stop",
        Action::Restart => "restart",
        Action::NodeLost => "declare lost",
        Action::NodeReturned => "take back",
        Action::Hold => "hold",
        Action::Release => "release",
        Action::Rollout => "roll out",
    };
    let parts = [action, &decision.resource, &decision.pod, &decision.node, &decision.request];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// The hash knows where a pod is placed, not all that it is told there.
fn placement_differences(own: &Outcome, recorded: &Recorded) -> Vec<String> {
    type Latest<'a> = BTreeMap<&'a PodUid, Option<&'a Placement>>;
    fn latest(placements: &[PlacementChange]) -> Latest<'_> {
        placements.iter().map(|change| (&change.uid, change.placement.as_deref())).collect()
    }
    let (own, recorded) = (latest(&own.placements), latest(&recorded.placements));
    // Who is placed by one alone stands among the decisions.
    let differs = own.iter().filter(|(uid, own)| recorded.get(*uid).is_some_and(|r| r != *own));
    differs
        .map(|(uid, _)| format!("these rules would tell pod {uid} otherwise than recorded"))
        .collect()
}

fn resource_differences(own: &Outcome, recorded: &Recorded) -> Vec<String> {
    type Latest<'a> = BTreeMap<&'a ResourceKey, Option<&'a Resource>>;
    fn latest(resources: &[(ResourceKey, Option<Arc<Resource>>)]) -> Latest<'_> {
        resources.iter().map(|(key, resource)| (key, resource.as_deref())).collect()
    }
    let (own, recorded) = (latest(&own.resources), latest(&recorded.resources));
    let keys: std::collections::BTreeSet<_> = own.keys().chain(recorded.keys()).collect();
    let differs = keys.into_iter().filter(|key| own.get(*key) != recorded.get(*key));
    differs.map(|key| format!("these rules would leave {key} otherwise than recorded")).collect()
}
