//! The claims that are made with a pod: when it is placed, on its node, and gone with it (`release.rs`).
//!
//! Guarantee: a claim that is there already is nobody's but its own pod's; the pod whose name it has waits.
//! With which pod a claim was made stands in its status, where only the leader writes.

use serde_json::Value;
use setpoint_rules::ephemeral;
use setpoint_schemas::{ClaimStatus, MadeWith, ResourceKey};

use crate::decide::Turn;
use crate::views::Views;

impl<V: Views> Turn<'_, V> {
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
