//! What a StatefulSet's pods have each for itself: a number, a name, and what follows from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use setpoint_rules::{own_claims, statefulset};
use setpoint_schemas::{Pattern, PodUid, ResourceName};

use super::workload::REVISION_LABEL;
use super::{Pod, State, Template, Workload, WorkloadKind};

/// Kubernetes' label with the number of a pod.
const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
/// Kubernetes' label with the name of a pod.
const NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// The labels that a template does not have.
pub(crate) const IDENTITY_LABELS: [&str; 3] = [INDEX_LABEL, NAME_LABEL, REVISION_LABEL];

/// A pod that a StatefulSet is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) ordinal: u32,
    pub(crate) revision: u32,
}

impl State {
    /// The number of a StatefulSet's pod.
    pub(crate) fn ordinal_of(&self, workload: &Workload, pod: &Pod) -> Option<u32> {
        statefulset::ordinal_of(&workload.key.name, &self.pod_name(pod))
    }

    /// What the placement of a pod says beside what is its own: its revision's pattern, and of a
    /// StatefulSet's pod that with its name.
    pub(crate) fn pattern_of(&self, owner: &Workload, pod: &Pod) -> Option<Arc<Pattern>> {
        let template = owner.template_of(pod)?;
        if owner.kind != WorkloadKind::Stateful {
            return Some(pod.conditioned(pod.pattern_of(&template.pattern)));
        }
        let service = owner.wants.identities.as_ref().map_or("", |wanted| &wanted.service);
        let ordinal = self.ordinal_of(owner, pod);
        let (name, claims) = (self.pod_name(pod), pod.own_claims());
        let own = named(&template.pattern, (&*name, ordinal), service, claims);
        Some(pod.conditioned(Arc::new(own)))
    }
}

impl Workload {
    /// The name that the pod of this number and uid is to have.
    pub(crate) fn name_to_be(
        &self,
        template: &Template,
        counter: u64,
        uid: &PodUid,
    ) -> ResourceName {
        let ordinal = self.ordinal_to_be(counter);
        let name = ordinal.map(|ordinal| statefulset::pod_name(&self.key.name, ordinal));
        let name = name.and_then(|name| ResourceName::parse(&name).ok());
        name.unwrap_or_else(|| self.pod_name(template, uid))
    }

    /// The number of the identity that the pod of this number is to have, in the order in which they
    /// wait: first those to which room is promised.
    pub(crate) fn ordinal_to_be(&self, counter: u64) -> Option<u32> {
        let memo = &self.memo;
        let promised = memo.nominated.keys().position(|promised| *promised == counter);
        let waiting = || {
            let from = memo.waiting.as_ref().map_or(memo.next_pod, |waiting| waiting.from);
            let behind = usize::try_from(counter.checked_sub(from)?).ok()?;
            Some(memo.nominated.len() + behind)
        };
        memo.ordinals.get(promised.or_else(waiting)?).copied()
    }

    /// The templates of the claims that each of its pods has for itself.
    pub(crate) fn own_claims(&self) -> &[String] {
        self.wants.identities.as_ref().map_or(&[], |wanted| &wanted.claims.templates)
    }

    /// The number of the revision that an update leaves behind.
    pub(crate) fn stable(&self) -> u32 {
        match self.memo.stable {
            known if self.templates.get(&known).is_some() => known,
            _ => self.memo.current,
        }
    }
}

/// The pattern of a revision as the pod of this name and number has it, with the claims of these templates.
fn named(
    pattern: &Pattern,
    (name, ordinal): (&str, Option<u32>),
    service: &str,
    claims: &[String],
) -> Pattern {
    let mut labels: BTreeMap<String, String> = (*pattern.labels).clone();
    labels.insert(NAME_LABEL.to_owned(), name.to_owned());
    if let Some(ordinal) = ordinal {
        labels.insert(INDEX_LABEL.to_owned(), ordinal.to_string());
    }
    let mut spec: Value = serde_json::from_str(&pattern.spec).unwrap_or_default();
    spec["hostname"] = Value::from(name);
    if !service.is_empty() {
        spec["subdomain"] = Value::from(service);
    }
    own_claims::mount(&mut spec, claims, name);
    Pattern { labels: Arc::new(labels), spec: spec.to_string().into(), ..pattern.clone() }
}
