//! The claims that are made with a pod and go with it: which they are, and why a pod cannot have them.
//!
//! Guarantee: follows from the template and the pod's name, so that every engine finds the same. A pod
//! without such volumes pays one look at an empty list.

use setpoint_rules::claim::Claim;
use setpoint_rules::{ephemeral, statefulset};
use setpoint_schemas::{PodUid, ResourceKey};

use super::claims::claim_key;
use super::{State, Template, Workload};

impl Template {
    /// The claims that are made with a pod of this name, each as it will be until it has its data.
    pub(crate) fn claims_made_with<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
    ) -> impl Iterator<Item = (ResourceKey, &'a Claim)> {
        let made = self.made_with.iter();
        made.map(move |(volume, claim)| (claim_key(namespace, &format!("{pod}-{volume}")), claim))
    }
}

impl State {
    /// Why the pod of this uid, and of this number where it is a StatefulSet's, cannot have the claims that
    /// are made with it; `None` when it can.
    pub(crate) fn made_claims_forbid(
        &self,
        workload: &Workload,
        template: &Template,
        (ordinal, uid): (Option<u32>, &PodUid),
    ) -> Option<String> {
        if template.made_with.is_empty() {
            return None;
        }
        let (namespace, set) = (&workload.key.namespace, &workload.key.name);
        let pod = match ordinal {
            Some(ordinal) => statefulset::pod_name(set, ordinal),
            None => workload.pod_name(template, uid).to_string(),
        };
        let mut made = template.claims_made_with(namespace, &pod);
        made.find_map(|(key, claim)| {
            let name = &*key.name;
            if let Some(why) = ephemeral::too_long(name) {
                return Some(why);
            }
            if self.resources.contains_key(&key) {
                return Some(ephemeral::taken(namespace, name, &pod));
            }
            claim.forbids(name, self.claims.class_of(claim), None)
        })
    }
}
