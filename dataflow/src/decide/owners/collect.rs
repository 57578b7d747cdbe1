//! Looking at what is owned by who is gone or goes, and at what is in a namespace that goes, some at a time.
//!
//! Guarantee: what is left over is in the checkpoint and is looked at in the next epoch; an object that has an
//! owner alive is not deleted for another that is gone. Who waits for whom in a circle is told apart: in it
//! nobody is waited for.

use setpoint_rules::finalizers::{self, FOREGROUND, ORPHAN, Propagation};
use setpoint_rules::garbage::{self, Reference, Standing, Verdict};
use setpoint_schemas::{Action, Resource, ResourceKey};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::{is_claim, is_namespace};
use crate::decide::requests::workload_kind;
use crate::decided::About;
use crate::state::{OwnersRow, Subject, Table, WorkloadKind};
use crate::views::Views;

/// Dependents and contents that one epoch looks at: each that goes is a record and some work for whoever
/// it concerns, and an epoch is to stay a matter of milliseconds.
pub(crate) const LOOKED_AT_MAX: usize = 1_000;

/// The rule by which dependents go.
const RULE: &str = "garbage";

impl<V: Views> Turn<'_, V> {
    /// Looks at what is due, as much as one epoch may.
    pub(crate) fn collect(&mut self) {
        while self.looks_left > 0
            && let Some(row) = self.state.owners.due().cloned()
        {
            match &row.from {
                Some(from) => self.look_at_some(&row, from),
                None => self.look_whether_it_goes(&row),
            }
            self.state.touch(Table::Owners, &row.subject);
        }
    }

    /// Whether this epoch may look at more, and there is more.
    pub(crate) fn is_more_to_collect(&self) -> bool {
        self.looks_left > 0 && self.state.owners.due().is_some()
    }

    /// Whether something keeps a workload, so that its pods would stay with it.
    fn is_kept_workload(&self, key: &ResourceKey) -> bool {
        let has_pods = workload_kind(key).is_some_and(|kind| kind != WorkloadKind::Bare);
        has_pods && self.state.owners.said(key).is_some_and(|said| !said.finalizers.is_empty())
    }

    fn look_at_some(&mut self, row: &OwnersRow, from: &ResourceKey) {
        let (some, next) = self.state.owners.some(&row.subject, from, self.looks_left);
        self.looks_left = self.looks_left.saturating_sub(some.len().max(1));
        // Before what follows, by which they may have to be looked at again.
        self.state.owners.looked_until(&row.subject, next);
        let is_orphaning =
            row.owner.as_ref().and_then(|owner| self.waits_by(owner)) == Some(ORPHAN);
        for key in some {
            match &row.subject {
                Subject::Namespace(_) => {
                    // Its pods are in the namespace as well, and go whatever keeps their workload.
                    let first = self.is_kept_workload(&key).then_some(Propagation::Foreground);
                    self.delete(&key, first, &row.cause);
                }
                Subject::Owner(uid) if is_orphaning => {
                    let uids = [uid.clone()];
                    self.rewrite(&key, |body| garbage::let_go(body, &uids), &row.cause);
                }
                Subject::Owner(_) => self.look_at_dependent(&key, &row.cause),
            }
        }
    }

    /// By which finalizer an object that is being deleted waits for what it owns.
    fn waits_by(&self, key: &ResourceKey) -> Option<&'static str> {
        self.state.owners.said(key)?.waits_by()
    }

    fn look_at_dependent(&mut self, key: &ResourceKey, cause: &Cause) {
        let Some(resource) = self.state.resources.get(key).cloned() else { return };
        if resource.deleted_ms.is_some() {
            // What closed the circle is looked at, whichever of it that was.
            let may_be = self.state.owners.owns_one_that_waits(&resource.uid);
            if may_be && self.waits_for_itself(key) {
                self.rewrite(key, garbage::block_nobody, cause);
            }
            return;
        }
        let Some(said) = self.state.owners.said(key) else { return };
        let references = said.references.clone();
        let owners: Vec<(&Reference, Standing)> = references
            .iter()
            .map(|reference| (reference, self.owner_standing(key, reference)))
            .collect();
        match garbage::verdict(&owners, self.owns(&resource)) {
            Verdict::Stays => {}
            Verdict::LetGoBy(uids) => {
                self.rewrite(key, |body| garbage::let_go(body, &uids), cause);
            }
            // Nobody may delete it: so it is let go, and no owner waits for it.
            Verdict::Goes(_) if self.judge().may_go(key, &resource).is_err() => {
                let uids: Vec<String> = references.iter().map(|owner| owner.uid.clone()).collect();
                self.rewrite(key, |body| garbage::let_go(body, &uids), cause);
            }
            Verdict::Goes(propagation) => {
                let about = About {
                    resource: Some(key.to_string().into()),
                    causes: cause.clone().into(),
                    ..About::default()
                };
                self.ledger.write(Action::Rollout, RULE, why_it_goes(&owners), about);
                let is_circle = self.state.owners.owns_one_that_waits(&resource.uid);
                if propagation == Some(Propagation::Foreground) && is_circle {
                    self.rewrite(key, garbage::block_nobody, cause);
                }
                self.delete(key, propagation, cause);
            }
        }
    }

    /// Whether it has pods, or owns anything else.
    fn owns(&self, resource: &Resource) -> bool {
        self.state.owners.owns(&resource.uid) || !self.has_no_pods(&resource.key())
    }

    fn has_no_pods(&self, key: &ResourceKey) -> bool {
        let id = self.state.workloads.get(key);
        let workload = id.and_then(|id| self.state.workload.get(id));
        workload.is_none_or(|workload| {
            workload.pods.is_empty() && self.now >= workload.memo.unproven_until_ms
        })
    }

    /// An owner or a namespace that goes may have nothing to wait for any more.
    fn look_whether_it_goes(&mut self, row: &OwnersRow) {
        self.looks_left -= 1;
        let subject = &row.subject;
        let uid = match subject {
            Subject::Owner(uid) => uid,
            Subject::Namespace(name) => {
                if !self.end_namespace(name, &row.cause) {
                    self.state.owners.waits(subject);
                }
                return;
            }
        };
        let is_it = |key: &&ResourceKey| {
            self.state.resources.get(*key).is_some_and(|owner| owner.uid == *uid)
        };
        let owner = row.owner.as_ref().filter(is_it);
        let Some((key, how)) = owner.and_then(|key| Some((key, self.waits_by(key)?))) else {
            return self.state.owners.done(subject);
        };
        let owners = &self.state.owners;
        let may_go = match how {
            FOREGROUND => !owners.is_blocked(uid) && self.has_no_pods(key),
            _ => !owners.owns(uid),
        };
        if !may_go {
            return self.state.owners.waits(subject);
        }
        self.state.owners.done(subject);
        self.finalized(key, how, &row.cause);
    }

    /// Takes a finalizer of ours away; with the last one the object goes.
    fn finalized(&mut self, key: &ResourceKey, how: &str, cause: &Cause) {
        let Some(resource) = self.state.resources.get(key) else { return };
        let mut names = finalizers::of_text(&resource.kind, &resource.body);
        names.retain(|name| name != how);
        let is_used = is_claim(key) && self.state.claims.is_used(key);
        if names.is_empty() && !is_used && !is_namespace(key) {
            return self.gone(key, cause);
        }
        self.rewrite(key, |body| finalizers::write(body, &names), cause);
    }
}

/// Why an object goes whose owners stand so.
fn why_it_goes(owners: &[(&Reference, Standing)]) -> String {
    let named = |wanted: Standing| -> Vec<String> {
        let those = owners.iter().filter(|(_, standing)| *standing == wanted);
        those.map(|(owner, _)| format!("{} {:?}", owner.kind.kind, owner.name)).collect()
    };
    let (waiting, gone) = (named(Standing::Waiting), named(Standing::Absent));
    match waiting.is_empty() {
        true => format!("nobody owns it any more, {} is gone: it is deleted", gone.join(" and ")),
        false => format!("it goes before its owner {}: it is deleted", waiting.join(" and ")),
    }
}
