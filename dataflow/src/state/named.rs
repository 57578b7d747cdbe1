//! What a workload's pods are called, those that only wait among them.

use std::sync::Arc;

use setpoint_rules::identity;
use setpoint_schemas::{PodUid, ResourceName};

use super::{PodName, Template, Waiting, WaitingHere, Workload, WorkloadKind};
use crate::causes::NameParts;
use crate::epoch::WaitingPod;

impl Workload {
    /// The uid of its pod of this number.
    pub(crate) fn pod_uid(&self, counter: u64) -> PodUid {
        identity::pod_uid(&self.uid, counter)
    }

    /// The name of its pod of this uid and template: a bare pod's is its own.
    pub(crate) fn pod_name(&self, template: &Template, uid: &PodUid) -> ResourceName {
        if self.kind == WorkloadKind::Bare
            && let Ok(name) = ResourceName::parse(&self.key.name)
        {
            return name;
        }
        let revision = self.revision_name(template);
        identity::pod_name(&self.key.name, revision.as_deref(), uid)
    }

    /// The name that follows for its pod of this revision and uid, as text.
    pub(crate) fn name_of(&self, revision: u32, uid: &PodUid) -> PodName<'_> {
        match self.templates.get(&revision) {
            Some(_) if self.kind == WorkloadKind::Bare => PodName::Kept(&self.key.name),
            Some(template) => PodName::Derived(identity::with_suffix(self.stem(template), uid)),
            None => PodName::Derived(identity::with_suffix(&self.key.name, uid)),
        }
    }

    /// What that name follows from.
    pub(crate) fn name_parts(&self, revision: u32, uid: &PodUid) -> NameParts {
        match self.templates.get(&revision) {
            Some(_) if self.kind == WorkloadKind::Bare => NameParts::Whole(self.key.name.clone()),
            Some(template) => NameParts::Derived(self.stem(template).clone(), uid.clone()),
            None => NameParts::Derived(self.key.name.clone(), uid.clone()),
        }
    }

    /// What the names of its pods of this template begin with.
    fn stem<'a>(&self, template: &'a Template) -> &'a Arc<str> {
        template.stem.get_or_init(|| {
            let revision = self.revision_name(template);
            Arc::from(identity::name_stem(&self.key.name, revision.as_deref()))
        })
    }

    /// All groups of its pods that wait.
    pub(crate) fn groups_waiting(&self) -> Vec<Waiting> {
        let memo = &self.memo;
        let here = memo.waiting_here.values().map(WaitingHere::alone);
        // A DaemonSet's pods wait on their nodes, promised or not.
        let promised = memo.nominated.iter().filter(|_| self.kind != WorkloadKind::Daemon);
        let promised = promised.map(|(counter, nominated)| nominated.alone(*counter));
        promised.chain(memo.waiting.iter().cloned()).chain(here).collect()
    }

    /// The listed pods of a group, as readers see them.
    pub(crate) fn pods_waiting(&self, group: &Waiting) -> Vec<WaitingPod> {
        let Some(template) = self.templates.get(&group.revision) else { return Vec::new() };
        let pod = |counter| {
            let uid = self.pod_uid(counter);
            let promise = self.memo.nominated.get(&counter);
            WaitingPod {
                name: self.name_to_be(template, counter, &uid).to_string(),
                uid,
                workload: self.key.clone(),
                reason: group.reason.clone(),
                gated: template.is_gated || self.is_held(),
                nominated: promise.map(|promise| promise.node.clone()),
                devices: promise.map(|promise| promise.devices.clone()).unwrap_or_default(),
            }
        };
        group.listed().map(pod).collect()
    }
}
