//! The kinds, each with its API group, version, scope, names and standing: one table.
//!
//! Guarantee: every kind that Kubernetes stores is here, as managed or as kept. A kind that is not
//! here is refused, unless a custom resource definition names it.

mod table;

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource, ResourceScope};
use serde::de::DeserializeOwned;
use serde_json::Value;
use setpoint_schemas::Standing;

use crate::typed::{self, Findings, Look};

pub use table::KINDS;

/// A kind.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version of its API, such as `v1`.
    pub version: &'static str,
    /// The kind, such as `Deployment`.
    pub kind: &'static str,
    /// The plural in lowercase, as in a URL.
    pub plural: &'static str,
    /// Whether its resources live in a namespace.
    pub namespaced: bool,
    /// What people type instead, such as `deploy`.
    pub short_names: &'static [&'static str],
    /// Whether it is acted upon or only kept.
    pub standing: Standing,
    /// Reads an object into the kind's type.
    pub(crate) check: fn(&Value, Look) -> Findings,
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The kind in lowercase, as people type it.
    #[must_use]
    pub fn singular(&self) -> String {
        self.kind.to_ascii_lowercase()
    }
}

/// The kind of an `apiVersion` and a `kind`, when it is known.
#[must_use]
pub fn known(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    KINDS.iter().find(|row| row.kind == kind && row.group == group && row.version == version)
}

/// The kind that someone types: kind, plural, singular, short name, or plural with group
/// (`deployments.apps`). The first of the table wins, which has managed kinds first.
#[must_use]
pub fn lookup(typed: &str) -> Option<&'static Kind> {
    let word = typed.to_ascii_lowercase();
    let (name, group) = word.split_once('.').map_or((word.as_str(), None), |(n, g)| (n, Some(g)));
    KINDS.iter().find(|row| {
        let named = row.plural == name || row.singular() == name || row.short_names.contains(&name);
        named && group.is_none_or(|group| group == row.group)
    })
}

/// Whether resources of a scope live in a namespace.
trait Scoped: ResourceScope {
    const NAMESPACED: bool;
}

impl Scoped for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl Scoped for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

const fn managed<T>(short_names: &'static [&'static str]) -> Kind
where
    T: Resource + DeserializeOwned,
    T::Scope: Scoped,
{
    row::<T>(short_names, Standing::Managed)
}

const fn kept<T>(short_names: &'static [&'static str]) -> Kind
where
    T: Resource + DeserializeOwned,
    T::Scope: Scoped,
{
    row::<T>(short_names, Standing::Kept)
}

const fn row<T>(short_names: &'static [&'static str], standing: Standing) -> Kind
where
    T: Resource + DeserializeOwned,
    T::Scope: Scoped,
{
    Kind {
        group: T::GROUP,
        version: T::VERSION,
        kind: T::KIND,
        plural: T::URL_PATH_SEGMENT,
        namespaced: <T::Scope as Scoped>::NAMESPACED,
        short_names,
        standing,
        check: typed::check::<T>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_every_name_that_people_type() {
        for typed in ["deploy", "Deployment", "deployments", "deployments.apps"] {
            assert_eq!(lookup(typed).map(|kind| kind.kind), Some("Deployment"), "{typed}");
        }
        assert_eq!(lookup("ev").map(|kind| kind.group), Some(""));
        assert_eq!(known("v1", "Pod").map(|kind| kind.plural), Some("pods"));
        assert!(known("apps/v1beta1", "Deployment").is_none());
    }

    #[test]
    fn no_two_rows_are_the_same_kind() {
        let mut names: Vec<_> = KINDS.iter().map(|row| (row.api_version(), row.kind)).collect();
        names.sort();
        let rows = names.len();
        names.dedup();
        assert_eq!(names.len(), rows);
    }
}
