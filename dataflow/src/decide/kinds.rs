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

/// Whether a resource is a CronJob.
pub(crate) fn is_cron_job(key: &ResourceKey) -> bool {
    (&*key.kind.group, &*key.kind.kind) == ("batch", "CronJob")
}

/// Whether a resource holds what pods read.
pub(crate) fn is_source(key: &ResourceKey) -> bool {
    matches!(&*key.kind.kind, "ConfigMap" | "Secret") && key.kind.group.is_empty()
}

/// Whether a resource is a claim.
pub(crate) fn is_claim(key: &ResourceKey) -> bool {
    &*key.kind.kind == "PersistentVolumeClaim" && key.kind.group.is_empty()
}

/// The key of a volume.
pub(crate) fn volume_key(name: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("", "PersistentVolume"), "", name)
}

/// Whether a resource is a volume.
pub(crate) fn is_volume(key: &ResourceKey) -> bool {
    &*key.kind.kind == "PersistentVolume" && key.kind.group.is_empty()
}

/// The key of a storage class.
pub(crate) fn storage_class_key(name: &str) -> ResourceKey {
    ResourceKey::new(GroupKind::new("storage.k8s.io", "StorageClass"), "", name)
}

/// Whether a resource is a storage class.
pub(crate) fn is_storage_class(key: &ResourceKey) -> bool {
    (&*key.kind.group, &*key.kind.kind) == ("storage.k8s.io", "StorageClass")
}

/// Whether the kind's group is the one whose workloads we act on.
pub(crate) fn is_managed_group(key: &ResourceKey) -> bool {
    matches!(
        (&*key.kind.group, &*key.kind.kind),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet")
            | ("", "ReplicationController" | "Pod")
            | ("batch", "Job")
    )
}
