//! What a path means: `/apis/apps/v1/namespaces/default/deployments/web/scale`, taken apart.

use crate::percent;

/// The object or collection that a path names. Nothing is looked up yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    /// Empty for all namespaces, or for a cluster-scoped kind.
    pub(crate) namespace: String,
    pub(crate) plural: String,
    /// Empty for a collection.
    pub(crate) name: String,
    /// `status`, `scale`, or empty.
    pub(crate) subresource: String,
    /// The old form of a watch, `/api/v1/watch/…`.
    pub(crate) watch: bool,
}

impl Target {
    /// Takes the path apart; `None` when it is not the path of an object or collection.
    pub(crate) fn parse(path: &str) -> Option<Target> {
        let mut parts = path.trim_matches('/').split('/');
        let mut target = Target::default();
        match parts.next()? {
            "api" => {}
            "apis" => target.group = parts.next()?.to_owned(),
            _ => return None,
        }
        target.version = parts.next()?.to_owned();
        let mut rest: Vec<String> = parts.map(decoded).collect::<Option<_>>()?;
        if rest.iter().any(String::is_empty) {
            return None;
        }
        if rest.first().is_some_and(|part| part == "watch") {
            target.watch = true;
            rest.remove(0);
        }
        // `namespaces/x` and its subresources are a Namespace; `namespaces/x/pods` is inside it.
        let inside = rest.len() >= 3
            && rest[0] == "namespaces"
            && !matches!(rest[2].as_str(), "status" | "finalize");
        if inside {
            rest.remove(0);
            target.namespace = rest.remove(0);
        }
        let mut rest = rest.into_iter();
        target.plural = rest.next()?;
        target.name = rest.next().unwrap_or_default();
        target.subresource = rest.next().unwrap_or_default();
        rest.next().is_none().then_some(target)
    }
}

/// A segment as it is meant; `None` when it is not UTF-8.
fn decoded(segment: &str) -> Option<String> {
    String::from_utf8(percent::decoded(segment.as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(path: &str) -> String {
        Target::parse(path).map_or("-".to_owned(), |t| {
            let watch = if t.watch { " watch" } else { "" };
            let Target { group, version, namespace, plural, name, subresource, .. } = t;
            format!("{group}|{version}|{namespace}|{plural}|{name}|{subresource}{watch}")
        })
    }

    #[test]
    fn paths_mean_what_kubernetes_means_by_them() {
        for (path, meaning) in [
            ("/api/v1/pods", "|v1||pods||"),
            ("/api/v1/namespaces", "|v1||namespaces||"),
            ("/api/v1/namespaces/a", "|v1||namespaces|a|"),
            ("/api/v1/namespaces/a/status", "|v1||namespaces|a|status"),
            ("/api/v1/namespaces/a/pods", "|v1|a|pods||"),
            ("/api/v1/namespaces/a/pods/x/status", "|v1|a|pods|x|status"),
            ("/api/v1/nodes/n1", "|v1||nodes|n1|"),
            ("/apis/apps/v1/namespaces/a/deployments/w/scale", "apps|v1|a|deployments|w|scale"),
            ("/api/v1/watch/namespaces/a/pods", "|v1|a|pods|| watch"),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                "rbac.authorization.k8s.io|v1||clusterroles|system:node|",
            ),
            ("/api", "-"),
            ("/apis/apps/v1", "-"),
            ("/api/v1//pods", "-"),
            ("/api/v1/pods/a/b/c/d", "-"),
        ] {
            assert_eq!(short(path), meaning, "{path}");
        }
    }
}
