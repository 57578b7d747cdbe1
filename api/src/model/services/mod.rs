//! The endpoints of Services, maintained: which pods each has, where they are reached, how they stand.
//!
//! Guarantee: follows from the resources, placements and observations, whatever order they came in; one
//! pod's change costs the Services that select it, a Service's change the pods that it selects. Absent:
//! where a connection goes; that is each node's own choice.

mod groups;
mod selectors;
mod service;
mod slice;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use setpoint_schemas::{GroupKind, PodUid, Resource, ResourceKey};

use super::names::Name;
use super::parts::PodParts;
use groups::Groups;
use selectors::Selectors;
use service::Service;

pub(crate) use groups::Member;
pub(crate) use slice::{Endpoint, Facts, Slice, SlicePort};

/// All Services and their endpoints.
#[derive(Default)]
pub(crate) struct Services {
    services: HashMap<Name, Service>,
    selectors: Selectors,
    groups: Groups,
    slices: BTreeMap<Name, Arc<Slice>>,
    /// How the slices were that changed since this was taken last.
    changed: BTreeMap<Name, Option<Arc<Slice>>>,
    epoch: i64,
}

/// The kind of slices.
pub(crate) fn slice_kind() -> GroupKind {
    GroupKind::new("discovery.k8s.io", "EndpointSlice")
}

/// Whether a resource is a Service.
pub(crate) fn is_service(key: &ResourceKey) -> bool {
    &*key.kind.kind == "Service" && key.kind.group.is_empty()
}

impl Services {
    /// What changes from now on is of this epoch.
    pub(crate) fn begin(&mut self, epoch: i64) {
        self.epoch = epoch;
    }

    /// A slice by its namespace and name.
    pub(crate) fn slice(&self, name: &Name) -> Option<&Arc<Slice>> {
        self.slices.get(name)
    }

    /// How many slices there are.
    pub(crate) fn len(&self) -> usize {
        self.slices.len()
    }

    /// The names of slices in order, from one on.
    pub(crate) fn names_from(&self, name: &Name) -> impl Iterator<Item = Name> {
        self.slices.range(name.clone()..).map(|(name, _)| name.clone())
    }

    /// The slices that are other than they were, and how they were.
    pub(crate) fn take_changed(&mut self) -> Vec<(Name, Option<Arc<Slice>>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let slices = &self.slices;
        let is_other = |(name, former): &(Name, Option<Arc<Slice>>)| {
            let (now, former) = (slices.get(name), former.as_ref());
            now.is_some() != former.is_some()
                || now.zip(former).is_some_and(|(now, former)| !now.says_what(former))
        };
        changed.filter(is_other).collect()
    }

    /// A Service is this now, or gone. Its pods are looked up by `facts_of`.
    pub(crate) fn set(
        &mut self,
        key: &ResourceKey,
        resource: Option<&Resource>,
        facts_of: impl Fn(u32) -> Option<Facts>,
    ) {
        let name: Name = (key.namespace.clone(), key.name.clone());
        if let Some(former) = self.services.remove(&name) {
            self.selectors.remove(&name, &former.selector);
            let uids: Vec<PodUid> = former.members.keys().cloned().collect();
            let mut former = former;
            uids.iter().for_each(|uid| self.part(&mut former, uid));
        }
        let Some(resource) = resource else { return };
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let Some(mut service) = Service::of(resource, &body) else { return };
        self.selectors.add(&name, &service.selector);
        for id in self.groups.matching(&name.0, &service.selector) {
            if let Some(facts) = facts_of(id) {
                self.join(&mut service, &facts);
            }
        }
        self.services.insert(name, service);
    }

    /// What is known of a pod changed: it was this member, and is this one now. What is known is looked up
    /// where a Service selects it.
    pub(crate) fn pod(
        &mut self,
        was: Option<Member>,
        is: Option<Member>,
        facts: impl FnOnce() -> Option<Facts>,
    ) {
        if was != is {
            if let Some(was) = &was {
                self.groups.part(was);
            }
            if let Some(is) = &is {
                self.groups.join(is);
            }
        }
        let is_relabelled = |was: &&Member| is.as_ref().is_some_and(|is| is.labels != was.labels);
        if let Some(was) = was.as_ref().filter(is_relabelled) {
            self.leave_all(was);
        }
        let Some(member) = is.or(was) else { return };
        let services = self.selectors.selecting(&member.namespace, &member.labels);
        if services.is_empty() {
            return;
        }
        let facts = facts();
        for name in services {
            let Some(mut service) = self.services.remove(&name) else { continue };
            match &facts {
                Some(facts) => self.join(&mut service, facts),
                None => self.part(&mut service, &member.uid),
            }
            self.services.insert(name, service);
        }
    }

    /// A pod has other labels now: whether Services still select it is found anew.
    fn leave_all(&mut self, was: &Member) {
        for name in self.selectors.selecting(&was.namespace, &was.labels) {
            let Some(mut service) = self.services.remove(&name) else { continue };
            self.part(&mut service, &was.uid);
            self.services.insert(name, service);
        }
    }

    /// A pod is an endpoint of a Service, as it stands now.
    fn join(&mut self, service: &mut Service, facts: &Facts) {
        let (slice, hostname) = match service.members.get(&facts.uid) {
            // A pod's spec never changes, and so where its ports lead.
            Some(member) => (member.slice.clone(), member.hostname.clone()),
            None => {
                let (ports, hostname) = service.found_in(&facts.placement);
                let name = service.slice_name(&ports);
                let key = (service.namespace.clone(), name.clone());
                if !self.slices.contains_key(&key) {
                    self.changed.entry(key.clone()).or_insert(None);
                    self.slices.insert(key, Arc::new(service.empty(&name, ports)));
                }
                (name, hostname)
            }
        };
        let endpoint = Endpoint::of(facts, service.publishes_unready, hostname.clone());
        let member = service::Membership { slice: slice.clone(), hostname };
        service.members.insert(facts.uid.clone(), member);
        let key = (service.namespace.clone(), slice);
        let Some(slice) = self.slices.get_mut(&key) else { return };
        if slice.endpoints.get(&facts.uid) == Some(&endpoint) {
            return;
        }
        self.changed.entry(key).or_insert_with(|| Some(slice.clone()));
        let slice = Arc::make_mut(slice);
        slice.endpoints.insert(facts.uid.clone(), endpoint);
        slice.version = self.epoch;
    }

    /// A pod is no endpoint of a Service any more; a slice without endpoints goes.
    fn part(&mut self, service: &mut Service, uid: &PodUid) {
        let Some(member) = service.members.remove(uid) else { return };
        let key = (service.namespace.clone(), member.slice);
        let Some(slice) = self.slices.get_mut(&key) else { return };
        self.changed.entry(key.clone()).or_insert_with(|| Some(slice.clone()));
        let changed = Arc::make_mut(slice);
        changed.endpoints.remove(uid);
        changed.version = self.epoch;
        if changed.endpoints.is_empty() {
            self.slices.remove(&key);
        }
    }
}

impl Member {
    /// The member that a placed pod is, with its number.
    pub(crate) fn of(id: u32, parts: &PodParts) -> Option<Member> {
        let placement = parts.placement()?;
        Some(Member {
            id,
            uid: placement.uid.clone(),
            namespace: placement.pattern.namespace.shared(),
            labels: placement.pattern.labels.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
