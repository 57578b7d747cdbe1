//! Kinds that custom resource definitions name.

use serde_json::Value;

/// A kind that a custom resource definition names; its resources are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomKind {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The plural in lowercase, as in a URL.
    pub plural: String,
    /// The versions that are served.
    pub versions: Vec<String>,
    /// Whether its resources live in a namespace.
    pub namespaced: bool,
}

impl CustomKind {
    /// Whether an `apiVersion` and a `kind` mean this kind.
    #[must_use]
    pub fn serves(&self, api_version: &str, kind: &str) -> bool {
        let Some((group, version)) = api_version.split_once('/') else { return false };
        self.kind == kind && self.group == group && self.versions.iter().any(|v| v == version)
    }
}

/// The kinds that the custom resource definitions among these objects name.
pub fn custom_kinds<'o>(objects: impl IntoIterator<Item = &'o Value>) -> Vec<CustomKind> {
    objects.into_iter().filter_map(custom_kind).collect()
}

fn custom_kind(object: &Value) -> Option<CustomKind> {
    let version = object.get("apiVersion")?.as_str()?;
    if object.get("kind")?.as_str()? != "CustomResourceDefinition"
        || version != "apiextensions.k8s.io/v1"
    {
        return None;
    }
    let spec = object.get("spec")?;
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    let names = spec.get("names")?;
    let versions = spec.get("versions")?.as_array()?.iter();
    let served = versions.filter(|version| version.get("served") != Some(&Value::Bool(false)));
    Some(CustomKind {
        group: text(spec, "group")?,
        kind: text(names, "kind")?,
        plural: text(names, "plural")?,
        versions: served.filter_map(|version| text(version, "name")).collect(),
        namespaced: spec.get("scope")?.as_str()? == "Namespaced",
    })
}
