//! The claims that are made with a pod: when it is placed, on its node, and gone with it (`release.rs`).
//!
//! Guarantee: a claim that is there already is nobody's but its own pod's; the pod whose name it has waits.
//! With which pod a claim was made stands in its status, where only the leader writes.

use serde_json::Value;
use setpoint_rules::{ephemeral, quota};
use setpoint_schemas::{ClaimStatus, MadeWith, PodUid, ResourceKey};

use crate::decide::Turn;
use crate::state::{Template, Workload, WorkloadKind};
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
    /// Why the claims that would be made with a pod may not be: LimitRanges say so, or quotas, which count
    /// for each those before it. A pod without such volumes pays one look.
    pub(crate) fn made_claims_refused(
        &self,
        workload: &Workload,
        template: &Template,
        of_pod: (Option<u32>, &PodUid),
    ) -> Option<String> {
        let namespace = &workload.key.namespace;
        if template.made_with.is_empty()
            || (!self.state.quotas.is_about(namespace)
                && self.state.limits.of(namespace).is_empty())
        {
            return None;
        }
        let pod = workload.name_of_pod(template, of_pod);
        let spec: Value = serde_json::from_str(&template.pattern.spec).unwrap_or_default();
        let (judge, class) = (self.judge(), self.state.claims.default_class());
        let keys = template.claims_made_with(namespace, &pod).map(|(key, _)| key);
        template.made_with.iter().zip(keys).find_map(|((volume, _), key)| {
            let body = ephemeral::claim_body(&spec, volume, (&*key.namespace, &*key.name), class)?;
            let claim = self.claim_to_be(&key, &body, ClaimStatus::default());
            let beyond = || judge.within_quotas(&key, None, &claim, None).err();
            let why = judge.limits_refuse(&key, &body);
            let why = why.or_else(|| beyond().map(|refusal| refusal.message))?;
            Some(match workload.kind {
                // It was made when it was accepted: it is there, and waits.
                WorkloadKind::Bare => why,
                _ => quota::without_claim(&key.name, &why),
            })
        })
    }

    /// A pod of this number was placed: it gets the claims that its volumes describe.
    pub(crate) fn make_claims_with(&mut self, id: u32) {
        let Some(pod) = self.state.pods.get(&id) else { return };
        let Some(owner) = self.state.owner(pod) else { return };
        let Some(template) = owner.templates.get(&pod.revision).cloned() else { return };
        let (namespace, name) = (owner.key.namespace.clone(), self.state.pod_name(pod).to_string());
        let made_with = MadeWith { name: name.clone(), uid: pod.uid.to_string() };
        let volumes = template.made_with.iter().map(|(volume, _)| volume);
        let keys = template.claims_made_with(&namespace, &name).map(|(key, _)| key);
        let missing: Vec<(&String, ResourceKey)> =
            volumes.zip(keys).filter(|(_, key)| !self.state.resources.contains_key(key)).collect();
        if missing.is_empty() {
            return;
        }
        let spec: Value = serde_json::from_str(&template.pattern.spec).unwrap_or_default();
        for (volume, key) in missing {
            let class = self.state.claims.default_class();
            let at = (&*key.namespace, &*key.name);
            let Some(body) = ephemeral::claim_body(&spec, volume, at, class) else { continue };
            let made = ClaimStatus { made_with: Some(made_with.clone()), ..ClaimStatus::default() };
            let claim = self.claim_to_be(&key, &body, made);
            self.enter_claim(&key, claim);
        }
    }
}
