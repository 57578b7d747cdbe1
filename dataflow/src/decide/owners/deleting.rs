//! Deletions: what nothing holds goes at once, what has finalizers is marked and stays.
//!
//! Guarantee: whoever deletes asks here, so that no controller takes away what a finalizer holds.

use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::finalizers::Propagation;
use setpoint_rules::garbage::Standing;
use setpoint_schemas::{PodUid, Position, Resource, ResourceKey, Topic};

use crate::causes::Cause;
use crate::decide::Turn;
use crate::decide::kinds::{is_claim, is_namespace, is_volume};
use crate::decide::requests::{compile, is_terminating, workload_kind};
use crate::state::{Subject, Table, first_key};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Deletes a resource, or marks it when something holds it.
    pub(crate) fn delete(
        &mut self,
        key: &ResourceKey,
        propagation: Option<Propagation>,
        cause: &Cause,
    ) {
        let Some(present) = self.state.resources.get(key).cloned() else { return };
        let leaving = match is_namespace(key) {
            // What is in it goes first; the default one stays.
            true => match self.judge().consider_terminating(&present) {
                Ok(leaving) => Some(leaving),
                Err(_) => return,
            },
            false => self.judge().leaving(key, &present, propagation),
        };
        match leaving {
            Some(leaving) => self.mark_deleted(leaving, cause),
            None => self.gone(key, cause),
        }
    }

    /// The deletion of a resource that something holds is accepted: it stays, marked so.
    pub(crate) fn mark_deleted(&mut self, leaving: Arc<Resource>, cause: &Cause) {
        let key = leaving.key();
        let before = self.state.resources.get(&key).cloned();
        if before.as_ref() == Some(&leaving) {
            return;
        }
        self.state.set_resource(&key, Some(leaving.clone()));
        self.out.resources.push((key.clone(), Some(leaving.clone())));
        if let Some(id) = self.state.workloads.get(&key).copied() {
            self.workload_leaves(id, &leaving, cause);
        }
        if is_claim(&key) {
            self.claim_put(&key, &leaving);
        }
        if is_volume(&key) {
            // It is no claim's to come, though something keeps it.
            self.volume_put(&key, &leaving);
        }
        self.owners_look(&key, before.as_deref(), cause);
    }

    /// A resource is otherwise than before, or gone: what it owns, and it for its owners, is to be looked at.
    pub(crate) fn owners_look(
        &mut self,
        key: &ResourceKey,
        before: Option<&Resource>,
        cause: &Cause,
    ) {
        let after = self.state.resources.get(key).cloned();
        let is_same = |uid: &str| after.as_ref().is_some_and(|after| after.uid == uid);
        if let Some(before) = before
            && !is_same(&before.uid)
        {
            let subject = Subject::Owner(before.uid.clone());
            let owners = &self.state.owners;
            if owners.owns(&before.uid) || owners.row(&subject).is_some() {
                self.look_at_owned(subject, None, first_key(), cause);
            }
        }
        let Some(after) = after else { return };
        if is_namespace(key) && is_terminating(&after) {
            self.namespace_goes(key, cause);
        }
        let Some(said) = self.state.owners.said(key) else { return };
        let goes = said.waits_by().is_some();
        let references = said.references.clone();
        if goes {
            let subject = Subject::Owner(after.uid.clone());
            self.look_at_owned(subject, Some(key.clone()), first_key(), cause);
        }
        for reference in references {
            let is_alive = self.owner_standing(key, &reference) == Standing::Alive;
            let subject = Subject::Owner(reference.uid);
            // An owner that lets go what it owns is alive, and lets this go too.
            if !is_alive || self.state.owners.row(&subject).is_some() {
                self.look_at_owned(subject, None, key.clone(), cause);
            }
        }
    }

    fn namespace_goes(&mut self, key: &ResourceKey, cause: &Cause) {
        let subject = Subject::Namespace(key.name.clone());
        if self.state.owners.may_go(&subject) {
            self.state.touch(Table::Owners, &subject);
            return;
        }
        self.look_at_owned(subject, None, first_key(), cause);
    }

    fn look_at_owned(
        &mut self,
        subject: Subject,
        owner: Option<ResourceKey>,
        from: ResourceKey,
        cause: &Cause,
    ) {
        self.state.touch(Table::Owners, &subject);
        self.state.owners.look(subject, owner, from, cause);
    }

    /// The last pod of a workload that stays for its finalizers is gone: it may be what that waited for.
    pub(crate) fn pods_are_gone(&mut self, uid: &str) {
        let subject = Subject::Owner(uid.to_owned());
        if self.state.owners.may_go(&subject) {
            self.state.touch(Table::Owners, &subject);
        }
    }

    /// Something that kept a namespace is gone.
    pub(crate) fn namespace_may_go(&mut self, name: &Arc<str>) {
        let subject = Subject::Namespace(name.clone());
        if self.state.owners.may_go(&subject) {
            self.state.touch(Table::Owners, &subject);
        }
    }

    /// A pod is there no longer, or waits no longer: what it owns is looked at.
    pub(crate) fn owning_pod_moved(&mut self, uid: &PodUid, workload: u32) {
        // Hardly ever does a pod own anything.
        if self.state.owners.is_empty() {
            return;
        }
        let uid = uid.to_string();
        if !self.state.owners.owns(&uid) {
            return;
        }
        let causes = self.state.causes(workload);
        let cause = causes.first().cloned().unwrap_or_else(|| self.cause_of_epoch());
        self.look_at_owned(Subject::Owner(uid), None, first_key(), &cause);
    }

    /// What has no other cause.
    pub(crate) fn cause_of_epoch(&self) -> Cause {
        let at = Position { topic: Topic::Epochs, partition: 0, offset: 0 };
        Cause::told(at, format!("epoch {}", self.out.number))
    }

    /// Writes a resource's body anew.
    pub(super) fn rewrite(
        &mut self,
        key: &ResourceKey,
        change: impl FnOnce(&mut Value),
        cause: &Cause,
    ) {
        let Some(resource) = self.state.resources.get(key).cloned() else { return };
        let mut body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        change(&mut body);
        let resource = Resource {
            body: Arc::from(body.to_string()),
            version: self.out.number,
            ..Resource::clone(&resource)
        };
        let compiled = workload_kind(key).and_then(|kind| compile(kind, &resource).ok());
        self.put(key.clone(), Arc::new(resource), compiled.map(Box::new), cause);
    }
}
