//! The claims that a StatefulSet's pods have each for itself: made when their pods are first wanted, and
//! taken away when the set says so.
//!
//! Guarantee: a claim that is there is used as it is; one that somebody made stays his; none is made that
//! quotas or LimitRanges forbid. One that is taken
//! away goes with the last pod that uses it. What was made for which set stands in the claim's status.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::own_claims::{self, Fate};
use setpoint_rules::{quota, statefulset};
use setpoint_schemas::{ClaimStatus, RequestItem, Resource, ResourceKey, Verb};

use crate::decide::Turn;
use crate::state::{Identity, claim_key};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Pods of these identities are about to start: they get the claims that are not there. Why some do not,
    /// by their numbers.
    pub(crate) fn make_own_claims(
        &mut self,
        id: u32,
        identities: &[Identity],
    ) -> BTreeMap<u32, String> {
        let mut refused = BTreeMap::new();
        let Some(workload) = self.state.workload.get(&id) else { return refused };
        let set = workload.key.clone();
        let mut missing: Vec<(u32, String, ResourceKey)> = Vec::new();
        for identity in identities {
            let pod = statefulset::pod_name(&set.name, identity.ordinal);
            let keys = workload.own_claims().iter().map(|template| {
                let name = own_claims::name_of(template, &pod);
                (identity.ordinal, template.clone(), claim_key(&set.namespace, &name))
            });
            missing.extend(keys.filter(|(_, _, key)| !self.state.resources.contains_key(key)));
        }
        if missing.is_empty() {
            return refused;
        }
        let Some(resource) = self.state.resources.get(&set) else { return refused };
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        for (ordinal, template, key) in missing {
            if let Some(why) = self.make_claim(&set, &body, &template, &key) {
                refused.entry(ordinal).or_insert(why);
            }
        }
        refused
    }

    /// Makes a claim of a set's pod; why it may not be made.
    fn make_claim(
        &mut self,
        set: &ResourceKey,
        body: &Value,
        template: &str,
        key: &ResourceKey,
    ) -> Option<String> {
        let class = self.state.claims.default_class();
        let at = (&*key.namespace, &*key.name);
        let body = own_claims::claim_body(body, template, at, class)?;
        let made = ClaimStatus { made_for: set.name.to_string(), ..ClaimStatus::default() };
        let claim = self.claim_to_be(key, &body, made);
        let why = self.judge().limits_refuse(key, &body);
        if let Some(why) = why.or_else(|| self.quotas_refuse(key, &claim)) {
            return Some(quota::without_claim(&key.name, &why));
        }
        self.enter_claim(key, claim);
        // Its pod is about to be placed: by then it is known where.
        self.find_volume(key);
        None
    }

    /// A claim with this body, with what its status says of whom it is made for.
    pub(super) fn claim_to_be(
        &self,
        key: &ResourceKey,
        body: &Value,
        made: ClaimStatus,
    ) -> Resource {
        let item = RequestItem {
            verb: Verb::Create,
            api_version: "v1".to_owned(),
            kind: key.kind.kind.to_string(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            subresource: String::new(),
            body: String::new(),
            expected_version: None,
        };
        let status = ClaimStatus { phase: "Pending".to_owned(), ..made };
        let status = serde_json::to_string(&status).unwrap_or_default();
        Resource {
            body: Arc::from(body.to_string()),
            status: Arc::from(status),
            ..self.judge().blank(&item, key)
        }
    }

    /// A claim is made.
    pub(super) fn enter_claim(&mut self, key: &ResourceKey, claim: Resource) {
        let claim = Arc::new(claim);
        self.state.set_resource(key, Some(claim.clone()));
        self.out.resources.push((key.clone(), Some(claim.clone())));
        self.claim_made(key, &claim);
    }

    /// These identities of a set are not wanted any more, and no pod of them runs on: their claims go
    /// where the set says so.
    pub(crate) fn scaled_claims_go(&mut self, id: u32, ordinals: &[u32]) {
        let Some(workload) = self.state.workload.get(&id) else { return };
        let Some(identities) = &workload.wants.identities else { return };
        if identities.claims.when_scaled == Fate::Stay {
            return;
        }
        let set = workload.key.clone();
        let mut keys: Vec<ResourceKey> = Vec::new();
        for ordinal in ordinals {
            let pod = statefulset::pod_name(&set.name, *ordinal);
            let names = identities.claims.templates.iter();
            let names = names.map(|template| own_claims::name_of(template, &pod));
            keys.extend(names.map(|name| claim_key(&set.namespace, &name)));
        }
        keys.retain(|key| {
            self.state.claims.get(key).is_some_and(|claim| *claim.made_for == *set.name)
        });
        keys.iter().for_each(|key| self.own_claim_goes(key));
    }

    /// A resource is about to be deleted: when it is a set that says so, all that was made for it goes.
    pub(crate) fn deleted_claims_go(&mut self, key: &ResourceKey) {
        let id = self.state.workloads.get(key);
        let workload = id.and_then(|id| self.state.workload.get(id));
        let identities = workload.and_then(|workload| workload.wants.identities.as_ref());
        if identities.is_none_or(|identities| identities.claims.when_deleted == Fate::Stay) {
            return;
        }
        for claim in self.state.claims.made_for(key) {
            self.own_claim_goes(&claim);
        }
    }

    fn own_claim_goes(&mut self, key: &ResourceKey) {
        let Some(claim) = self.state.resources.get(key).cloned() else { return };
        if ClaimStatus::read(&claim.status).is_leaving() {
            return;
        }
        let leaving = self.judge().leaving(key, &claim, None);
        let cause = self.cause_of_epoch();
        match leaving {
            Some(leaving) => self.mark_deleted(leaving, &cause),
            None => self.claim_goes(key),
        }
    }
}
