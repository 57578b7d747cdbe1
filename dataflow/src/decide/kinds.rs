//! Which resources are namespaces and nodes, and which are workloads that we act on.

use setpoint_schemas::{GroupKind, NodeName, ResourceKey};

/// The key of a node's resource.
pub(crate) fn node_key(node: &NodeName) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "Node"), "", node.as_str())
}

/// Whether a resource is a node's.
pub(crate) fn is_node(key: &ResourceKey) -> bool {
    &*key.kind.kind == "Node" && key.kind.group.is_empty()
}

/// The key of a namespace.
pub(crate) fn namespace_key(namespace: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "Namespace"), "", namespace)
}

/// Whether a resource is a namespace.
pub(crate) fn is_namespace(key: &ResourceKey) -> bool {
    &*key.kind.kind == "Namespace" && key.kind.group.is_empty()
}

/// The key of a priority class.
pub(crate) fn priority_class_key(name: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("scheduling.k8s.io", "PriorityClass"), "", name)
}

/// Whether a resource is a priority class.
pub(crate) fn is_priority_class(key: &ResourceKey) -> bool {
    (&*key.kind.group, &*key.kind.kind) == ("scheduling.k8s.io", "PriorityClass")
}

/// Whether a resource is a disruption budget.
pub(crate) fn is_budget(key: &ResourceKey) -> bool {
    (&*key.kind.group, &*key.kind.kind) == ("policy", "PodDisruptionBudget")
}

/// Whether the kind's group is the one whose workloads we act on.
pub(crate) fn is_managed_group(key: &ResourceKey) -> bool {
    matches!(
        (&*key.kind.group, &*key.kind.kind),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet")
            | ("", "ReplicationController" | "Pod")
    )
}
