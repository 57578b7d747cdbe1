//! A desired resource, as accepted by the leader.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{InvalidId, ResourceName};

/// A kind within its API group, such as `apps/Deployment`. The core group is the empty one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The kind, such as `Deployment`.
    pub kind: Arc<str>,
}

impl GroupKind {
    /// A kind of a group.
    #[must_use]
    pub fn new(group: &str, kind: &str) -> Self {
        GroupKind { group: Arc::from(group), kind: Arc::from(kind) }
    }

    /// From an `apiVersion` such as `apps/v1` (or `v1` for the core group) and a kind.
    #[must_use]
    pub fn of_api_version(api_version: &str, kind: &str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        GroupKind::new(group, kind)
    }
}

impl fmt::Display for GroupKind {
    /// `apps/Deployment`; `core/Pod` for the core group.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() { "core" } else { &self.group };
        write!(f, "{group}/{}", self.kind)
    }
}

/// The key of a resource: `group/kind/namespace/name`. A cluster-scoped one has no namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceKey {
    /// Group and kind.
    pub kind: GroupKind,
    /// The namespace; empty for a cluster-scoped resource.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ResourceKey {
    /// A key of its parts.
    #[must_use]
    pub fn new(kind: GroupKind, namespace: &str, name: &str) -> Self {
        ResourceKey { kind, namespace: Arc::from(namespace), name: Arc::from(name) }
    }

    /// Parses `group/kind/namespace/name`, the key on the log. The core group is written `core`,
    /// the namespace of a cluster-scoped resource `-`.
    ///
    /// # Errors
    /// [`InvalidId`] when the text does not have four parts, or the name is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let mut parts = text.splitn(4, '/');
        let (Some(group), Some(kind), Some(namespace), Some(name)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidId {
                what: "resource key",
                text: text.chars().take(80).collect(),
                why: "it is not group/kind/namespace/name",
            });
        };
        ResourceName::parse(name)?;
        let group = if group == "core" { "" } else { group };
        let namespace = if namespace == "-" { "" } else { namespace };
        Ok(ResourceKey::new(GroupKind::new(group, kind), namespace, name))
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = if self.namespace.is_empty() { "-" } else { &self.namespace };
        write!(f, "{}/{namespace}/{}", self.kind, self.name)
    }
}

/// What the house does with a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Acted upon.
    Managed,
    /// Stored and served back as applied, without effect.
    Kept,
}

/// A resource as accepted by the leader. On the log under its [`ResourceKey`]; a tombstone means
/// that it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// As written, such as `apps/v1`.
    pub api_version: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The namespace; empty for a cluster-scoped resource.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Unique over time: a resource deleted and made again has a new one.
    pub uid: String,
    /// Rises by one when the spec changes.
    pub generation: i64,
    /// The epoch in which the resource last changed; its `resourceVersion`.
    pub version: i64,
    /// Engine time of creation, milliseconds since 1970.
    pub created_ms: i64,
    /// The object in JSON as applied, without status and server-added metadata. Secret values are
    /// sealed.
    pub body: Arc<str>,
    /// The status that the leader maintains, in JSON; `{}` when there is none.
    pub status: Arc<str>,
    /// Field managers in JSON: manager to the list of JSON pointers that it owns.
    pub managers: Arc<str>,
    /// The templates that a workload had, in JSON: number, hash and text of each, the current one
    /// last and without its text, which is the body's. `[]` for what is not a workload.
    pub history: Arc<str>,
    /// Engine time at which its deletion was asked for, milliseconds since 1970, while its finalizers
    /// hold it; `None` for all others.
    pub deleted_ms: Option<i64>,
}

impl Resource {
    /// The key of this resource.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        let kind = GroupKind::of_api_version(&self.api_version, &self.kind);
        ResourceKey::new(kind, &self.namespace, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use crate::avro::Codec;
    use crate::samples;

    use super::*;

    #[test]
    fn since_when_it_is_being_deleted_is_written_and_read() {
        let codec = Codec::single_object();
        for deleted_ms in [None, Some(7)] {
            let resource = Resource { deleted_ms, ..samples::desired() };
            let bytes = codec.encode(&resource).expect("it encodes");
            assert_eq!(codec.decode::<Resource>(&bytes).expect("it decodes"), resource);
        }
    }

    #[test]
    fn keys_read_back_as_they_were_written() {
        for text in ["apps/Deployment/default/web", "core/Node/-/node-1", "core/Pod/a/b"] {
            assert_eq!(ResourceKey::parse(text).expect(text).to_string(), text);
        }
        assert!(ResourceKey::parse("Deployment/web").is_err());
    }
}
