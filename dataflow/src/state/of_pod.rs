//! What a pod's numbers stand for: its owner, its node, its name and its fact.

use std::ops::Deref;

use setpoint_rules::identity;
use setpoint_schemas::{NodeName, PodUid};

use super::{NameHash, Node, Pod, State, Workload};
use crate::views::{PodFact, Standing};

/// A pod's name, as it is kept or as it follows.
pub(crate) enum PodName<'a> {
    Kept(&'a str),
    Derived(identity::Derived),
}

impl State {
    /// The workload that a pod is of.
    pub(crate) fn owner(&self, pod: &Pod) -> Option<&Workload> {
        self.workload.get(&pod.workload).map(Box::as_ref)
    }

    /// The node that a pod is placed on.
    pub(crate) fn host(&self, pod: &Pod) -> Option<&Node> {
        self.node.get(&pod.node)
    }

    /// Whether a pod is placed on the node of this name.
    pub(crate) fn is_on(&self, pod: &Pod, node: &NodeName) -> bool {
        self.host(pod).is_some_and(|host| host.row.record.node == *node)
    }

    /// A pod's name.
    pub(crate) fn pod_name<'a>(&'a self, pod: &'a Pod) -> PodName<'a> {
        if let Some(name) = pod.rare.as_ref().and_then(|rare| rare.name.as_deref()) {
            return PodName::Kept(name);
        }
        self.owner(pod).map_or(PodName::Kept(""), |owner| owner.name_of(pod.revision, &pod.uid))
    }

    /// The fact that the views should have of a pod. Nobody knows whether one that is live on a lost
    /// node is ready.
    pub(crate) fn fact_of(&self, id: u32) -> Option<PodFact> {
        let pod = self.pods.get(&id)?;
        let owner = self.owner(pod)?;
        let is_lost = self.node.get(&pod.node).is_some_and(|node| node.row.lost);
        let requests = owner.template_of(pod)?.shape.requests();
        Some(PodFact {
            node: pod.node,
            pod: id,
            workload: pod.workload,
            revision: pod.revision,
            namespace: owner.namespace,
            standing: match pod.standing {
                live if is_lost && live.is_live() => Standing::Starting,
                Standing::Ended if pod.is_finished() => Standing::Finished,
                Standing::Stopping if pod.is_finished() => Standing::Leaving,
                standing => standing,
            },
            cpu_milli: requests.cpu_milli,
            memory_bytes: requests.memory_bytes,
        })
    }

    /// The pod that is meant by this name.
    pub(crate) fn pod_named(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.pods.get(&self.id_named(namespace, name)?)
    }

    /// Whether the name that the workload's next pod would have with this uid means a pod already.
    pub(crate) fn is_named(&self, workload: &Workload, uid: &PodUid) -> bool {
        let name = workload.name_of(workload.memo.current, uid);
        self.id_named(&workload.key.namespace, &name).is_some()
    }

    /// From now on this pod is meant by its name.
    pub(crate) fn name_pod(&mut self, id: u32) {
        let Some((hash, other)) = self.with_full_name(id, |namespace, name| {
            (NameHash::of(namespace, name), self.id_named(namespace, name))
        }) else {
            return;
        };
        if let Some(other) = other {
            self.pods.unname(other, hash);
        }
        self.pods.name(id, hash);
    }

    /// Nobody means this pod by its name any more.
    pub(crate) fn unname_pod(&mut self, id: u32) {
        if let Some(hash) = self.with_full_name(id, NameHash::of) {
            self.pods.unname(id, hash);
        }
    }

    fn id_named(&self, namespace: &str, name: &str) -> Option<u32> {
        let is_it = |pod: &Pod| {
            let owner = self.owner(pod);
            owner.is_some_and(|o| &*o.key.namespace == namespace) && *self.pod_name(pod) == *name
        };
        self.pods.id_named(NameHash::of(namespace, name), is_it)
    }

    /// What this tells of a pod's namespace and name.
    fn with_full_name<T>(&self, id: u32, tells: impl Fn(&str, &str) -> T) -> Option<T> {
        let pod = self.pods.get(&id)?;
        Some(tells(&self.owner(pod)?.key.namespace, &self.pod_name(pod)))
    }
}

impl Deref for PodName<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            PodName::Kept(name) => name,
            PodName::Derived(name) => name,
        }
    }
}
