//! The claims that are made with a pod and go with it: which they are, and why a pod cannot have them.
//!
//! Guarantee: follows from the template and the pod's name, so that every engine finds the same. A pod
//! without such volumes pays one look at an empty list.

use setpoint_rules::claim::Claim;
use setpoint_rules::{ephemeral, statefulset};
use setpoint_schemas::{PodUid, ResourceKey};

use super::claims::claim_key;
use super::{State, Template, Workload, WorkloadKind};

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

impl Workload {
    /// The name of the pod of this uid, and of this number where it is a StatefulSet's.
    pub(crate) fn name_of_pod(
        &self,
        template: &Template,
        (ordinal, uid): (Option<u32>, &PodUid),
    ) -> String {
        match ordinal {
            Some(ordinal) => statefulset::pod_name(&self.key.name, ordinal),
            None => self.pod_name(template, uid).to_string(),
        }
    }

    /// Whether its pods have claims of their own: a StatefulSet's, of which each has its name for good.
    pub(crate) fn has_claims_by_name(&self) -> bool {
        let made =
            || self.current_template().is_some_and(|template| !template.made_with.is_empty());
        !self.own_claims().is_empty() || (self.kind == WorkloadKind::Stateful && made())
    }
}

impl State {
    /// Why the pod of this uid, and of this number where it is a StatefulSet's, cannot have the claims that
    /// are made with it; `None` when it can.
    pub(crate) fn made_claims_forbid(
        &self,
        workload: &Workload,
        template: &Template,
        of_pod: (Option<u32>, &PodUid),
    ) -> Option<String> {
        if template.made_with.is_empty() {
            return None;
        }
        let namespace = &workload.key.namespace;
        let pod = workload.name_of_pod(template, of_pod);
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
