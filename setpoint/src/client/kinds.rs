//! The kinds by the names that people type. One table; a kind that is not in it is still found
//! through the API's discovery.

use serde_json::Value;

use crate::client::{ApiError, Client, KindPath, spelling};
use crate::output::field::text;

/// A kind and its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
    group: &'static str,
    version: &'static str,
    namespaced: bool,
}

const fn kind(
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
    group: &'static str,
    version: &'static str,
    namespaced: bool,
) -> Kind {
    Kind { kind, plural, short, group, version, namespaced }
}

/// Managed kinds first, then the kept ones that people ask for most.
const KINDS: &[Kind] = &[
    kind("Deployment", "deployments", "deploy", "apps", "v1", true),
    kind("ReplicaSet", "replicasets", "rs", "apps", "v1", true),
    kind("DaemonSet", "daemonsets", "ds", "apps", "v1", true),
    kind("StatefulSet", "statefulsets", "sts", "apps", "v1", true),
    kind("ReplicationController", "replicationcontrollers", "rc", "", "v1", true),
    kind("Pod", "pods", "po", "", "v1", true),
    kind("Node", "nodes", "no", "", "v1", false),
    kind("Namespace", "namespaces", "ns", "", "v1", false),
    kind("ConfigMap", "configmaps", "cm", "", "v1", true),
    kind("Secret", "secrets", "", "", "v1", true),
    kind("EndpointSlice", "endpointslices", "", "discovery.k8s.io", "v1", true),
    kind("Event", "events", "ev", "", "v1", true),
    kind("Job", "jobs", "", "batch", "v1", true),
    kind("CronJob", "cronjobs", "cj", "batch", "v1", true),
    kind("Service", "services", "svc", "", "v1", true),
    kind("ServiceAccount", "serviceaccounts", "sa", "", "v1", true),
    kind("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "", "v1", true),
    kind("PersistentVolume", "persistentvolumes", "pv", "", "v1", false),
    kind("Ingress", "ingresses", "ing", "networking.k8s.io", "v1", true),
    kind("NetworkPolicy", "networkpolicies", "netpol", "networking.k8s.io", "v1", true),
    kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "autoscaling", "v2", true),
    kind("ResourceQuota", "resourcequotas", "quota", "", "v1", true),
    kind("LimitRange", "limitranges", "limits", "", "v1", true),
    kind("PodDisruptionBudget", "poddisruptionbudgets", "pdb", "policy", "v1", true),
    kind("Role", "roles", "", "rbac.authorization.k8s.io", "v1", true),
    kind("RoleBinding", "rolebindings", "", "rbac.authorization.k8s.io", "v1", true),
    kind("ClusterRole", "clusterroles", "", "rbac.authorization.k8s.io", "v1", false),
    kind("ClusterRoleBinding", "clusterrolebindings", "", "rbac.authorization.k8s.io", "v1", false),
    kind("StorageClass", "storageclasses", "sc", "storage.k8s.io", "v1", false),
    kind("PriorityClass", "priorityclasses", "pc", "scheduling.k8s.io", "v1", false),
];

impl Kind {
    fn answers_to(&self, name: &str) -> bool {
        let (name, group) = name.split_once('.').unwrap_or((name, self.group));
        let is_name = name == self.plural
            || name == self.kind.to_lowercase()
            || (!name.is_empty() && name == self.short);
        is_name && (group == self.group || group == format!("{}.{}", self.version, self.group))
    }

    fn path(&self) -> KindPath {
        KindPath {
            kind: self.kind.to_owned(),
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            plural: self.plural.to_owned(),
            namespaced: self.namespaced,
        }
    }
}

/// The kind that a user means by `deploy`, `Deployments` or `deployments.apps`; `None` when
/// neither the table nor the API knows it.
pub(crate) async fn find(client: &Client, name: &str) -> Result<Option<KindPath>, ApiError> {
    let name = name.to_lowercase();
    match KINDS.iter().find(|kind| kind.answers_to(&name)) {
        Some(kind) => Ok(Some(kind.path())),
        None => {
            discover(client, |found, short| {
                let names = [found.plural.clone(), found.kind.to_lowercase()];
                names.contains(&name)
                    || short.contains(&name)
                    || names.iter().any(|n| format!("{n}.{}", found.group) == name)
            })
            .await
        }
    }
}

/// The kind of an object, by its `apiVersion` and `kind`.
pub(crate) async fn of_object(
    client: &Client,
    object: &Value,
) -> Result<Option<KindPath>, ApiError> {
    let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if let Some(known) = KINDS.iter().find(|k| k.kind == kind && k.group == group) {
        return Ok(Some(KindPath { version: version.to_owned(), ..known.path() }));
    }
    discover(client, |found, _| found.kind == kind && found.group == group).await
}

/// The name of a kind that is most like this one, which is none.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let plurals = KINDS.iter().map(|kind| kind.plural);
    spelling::nearest(&name.to_lowercase(), plurals)
}

/// The kinds that every server has, by their plurals.
pub(crate) fn plurals() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.plural)
}

/// Every kind that the API has, with its short names.
pub(crate) async fn all(client: &Client) -> Result<Vec<(KindPath, Vec<String>)>, ApiError> {
    let mut found = Vec::new();
    for root in roots(client).await? {
        let list = client.find(&root).await?.unwrap_or(Value::Null);
        found.extend(resources(&list));
    }
    Ok(found)
}

/// Asks the API for its groups and their kinds until one is meant.
async fn discover(
    client: &Client,
    is_meant: impl Fn(&KindPath, &[String]) -> bool,
) -> Result<Option<KindPath>, ApiError> {
    for root in roots(client).await? {
        let list = client.find(&root).await?.unwrap_or(Value::Null);
        if let Some((found, _)) = resources(&list).find(|(found, short)| is_meant(found, short)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where the lists of kinds are, the core group's first.
async fn roots(client: &Client) -> Result<Vec<String>, ApiError> {
    let groups = client.find("/apis").await?.unwrap_or(Value::Null);
    let versions = groups.get("groups").and_then(Value::as_array).cloned().unwrap_or_default();
    let versions = versions.iter().map(|g| text(g, "/preferredVersion/groupVersion").to_owned());
    let roots = versions.filter(|gv| !gv.is_empty()).map(|gv| format!("/apis/{gv}"));
    Ok(std::iter::once("/api/v1".to_owned()).chain(roots).collect())
}

fn resources(list: &Value) -> impl Iterator<Item = (KindPath, Vec<String>)> {
    let group_version = text(list, "/groupVersion");
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let entries = list.get("resources").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    entries.iter().filter(|entry| !text(entry, "/name").contains('/')).map(move |entry| {
        let short = entry.get("shortNames").and_then(Value::as_array).into_iter().flatten();
        let short = short.filter_map(Value::as_str).map(str::to_owned).collect();
        let path = KindPath {
            kind: text(entry, "/kind").to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            plural: text(entry, "/name").to_owned(),
            namespaced: entry.get("namespaced").and_then(Value::as_bool).unwrap_or(true),
        };
        (path, short)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str) -> Option<&'static str> {
        KINDS.iter().find(|kind| kind.answers_to(name)).map(|kind| kind.kind)
    }

    #[test]
    fn kinds_are_found_by_every_name_that_people_type() {
        for name in
            ["deployment", "deployments", "deploy", "deployments.apps", "deployment.v1.apps"]
        {
            assert_eq!(meant(name), Some("Deployment"), "{name}");
        }
        assert_eq!(meant("po"), Some("Pod"));
        assert_eq!(meant(""), None);
        assert_eq!(meant("deployments.batch"), None);
    }

    #[test]
    fn no_name_means_two_kinds() {
        for one in KINDS {
            let same = |other: &&Kind| {
                other.answers_to(one.plural)
                    || (!one.short.is_empty() && other.answers_to(one.short))
            };
            assert_eq!(KINDS.iter().filter(same).count(), 1, "{}", one.kind);
        }
    }
}
