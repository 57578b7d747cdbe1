//! The claims that each pod of a StatefulSet has for itself: what they are called, what is in them, and
//! how a pod's spec names them.
//!
//! Source: Kubernetes' StatefulSet controller (`getPersistentVolumeClaims`, `updateStorage`) and its
//! retention policies. One difference: a claim is taken away only when the set made it.
//! Absent: whether a claim is there, and which pods use it.

use serde_json::{Map, Value, json};
use setpoint_schemas::WorkloadSpec;

use crate::statefulset;

/// What a set says of the claims that each of its pods has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnClaims {
    /// The names of the templates that they are made from, in order, each once.
    pub templates: Vec<String>,
    /// What becomes of them with the set.
    pub when_deleted: Fate,
    /// What becomes of those whose ordinals are not wanted any more.
    pub when_scaled: Fate,
}

/// What becomes of claims.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fate {
    /// They stay, and pods that come back find their data.
    #[default]
    Stay,
    /// They go with their last pods.
    Go,
}

impl OwnClaims {
    /// By this spec. What does not read was refused at the door and counts as the default.
    #[must_use]
    pub fn of(spec: &WorkloadSpec) -> OwnClaims {
        let mut templates: Vec<String> = Vec::new();
        for template in &spec.volume_claim_templates {
            let name = &template.metadata.name;
            if !name.is_empty() && !templates.contains(name) {
                templates.push(name.clone());
            }
        }
        let retention = spec.persistent_volume_claim_retention_policy.clone().unwrap_or_default();
        let fate = |said: Option<String>| match said.as_deref() {
            Some("Delete") => Fate::Go,
            _ => Fate::Stay,
        };
        let (when_deleted, when_scaled) =
            (fate(retention.when_deleted), fate(retention.when_scaled));
        OwnClaims { templates, when_deleted, when_scaled }
    }
}

/// The name of the claim that the pod of this name has of a template.
#[must_use]
pub fn name_of(template: &str, pod: &str) -> String {
    format!("{template}-{pod}")
}

/// The templates and sets that a claim of this name may be made for, by the name alone.
pub fn may_be_for(claim: &str) -> impl Iterator<Item = (&str, &str)> {
    claim.match_indices('-').filter_map(move |(at, _)| {
        let pod = &claim[at + 1..];
        let (set, _) = pod.rsplit_once('-')?;
        statefulset::ordinal_of(set, pod)?;
        Some((&claim[..at], set))
    })
}

/// The claim of this name that a set makes of one of its templates; `None` when it has no such. It
/// bears the labels that the set selects by, and names a class: its own, or else this one.
#[must_use]
pub fn claim_body(
    set: &Value,
    template: &str,
    (namespace, name): (&str, &str),
    class: Option<&str>,
) -> Option<Value> {
    let mut templates = set["spec"]["volumeClaimTemplates"].as_array()?.iter();
    let template = templates.find(|known| known["metadata"]["name"] == template)?;
    let labels = map_of(&set["spec"]["selector"]["matchLabels"]);
    Some(body_of(template, labels, (namespace, name), class))
}

/// The claim of this name that is made from a template, with these labels beside the template's own.
pub(crate) fn body_of(
    template: &Value,
    more_labels: Map<String, Value>,
    (namespace, name): (&str, &str),
    class: Option<&str>,
) -> Value {
    let mut labels = map_of(&template["metadata"]["labels"]);
    labels.extend(more_labels);
    let mut metadata = json!({"name": name, "namespace": namespace});
    for (field, map) in
        [("labels", labels), ("annotations", map_of(&template["metadata"]["annotations"]))]
    {
        if !map.is_empty() {
            metadata[field] = Value::Object(map);
        }
    }
    let mut spec = map_of(&template["spec"]);
    spec.remove("volumeName");
    if spec.get("storageClassName").is_none_or(Value::is_null)
        && let Some(class) = class
    {
        spec.insert("storageClassName".to_owned(), json!(class));
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
}

fn map_of(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Puts the volumes of the claims that the pod of this name has into its spec.
pub fn mount(spec: &mut Value, templates: &[String], pod: &str) {
    if templates.is_empty() {
        return;
    }
    let volume = |template: &String| {
        let claim = name_of(template, pod);
        json!({"name": template, "persistentVolumeClaim": {"claimName": claim}})
    };
    let own: Vec<Value> = templates.iter().map(volume).collect();
    match spec["volumes"].as_array_mut() {
        Some(volumes) => volumes.extend(own),
        None => spec["volumes"] = Value::Array(own),
    }
}

/// The templates of the claims that the pod of this name has, by its spec.
#[must_use]
pub fn mounted(spec: &Value, pod: &str) -> Vec<String> {
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let own = volumes.filter_map(|volume| {
        let name = volume["name"].as_str()?;
        let claim = volume["persistentVolumeClaim"]["claimName"].as_str()?;
        (claim == name_of(name, pod)).then(|| name.to_owned())
    });
    own.collect()
}

/// Takes the volumes of these names out of a pod's spec: a claim stands in the place of a volume that has
/// its template's name.
pub fn unmount(spec: &mut Value, templates: &[String]) {
    let Some(fields) = spec.as_object_mut().filter(|_| !templates.is_empty()) else { return };
    let Some(volumes) = fields.get_mut("volumes").and_then(Value::as_array_mut) else { return };
    volumes.retain(|volume| !templates.iter().any(|template| volume["name"] == **template));
    if volumes.is_empty() {
        fields.remove("volumes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_its_name_a_claim_may_be_for_several_sets_and_only_for_a_number() {
        let table: [(&str, &[(&str, &str)]); 6] = [
            ("data-web-0", &[("data", "web")]),
            ("data-my-web-12", &[("data", "my-web"), ("data-my", "web")]),
            ("data-web-01", &[]),
            ("data-web-x", &[]),
            ("data-0", &[]),
            ("data", &[]),
        ];
        for (claim, expected) in table {
            let found: Vec<(&str, &str)> = may_be_for(claim).collect();
            assert_eq!(found, expected, "{claim}");
        }
    }

    #[test]
    fn a_pods_spec_names_its_own_claims_and_without_them_it_is_the_templates() {
        let templates = ["data".to_owned(), "logs".to_owned()];
        for template in [
            json!({"containers": []}),
            json!({"containers": [], "volumes": [{"name": "tmp", "emptyDir": {}}]}),
        ] {
            let mut spec = template.clone();
            mount(&mut spec, &templates, "web-1");
            assert_eq!(mounted(&spec, "web-1"), templates);
            assert!(mounted(&spec, "web-0").is_empty(), "those are another pod's");
            unmount(&mut spec, &templates);
            assert_eq!(spec, template);
        }
        let mut spec = json!({});
        mount(&mut spec, &[], "web-0");
        assert_eq!(spec, json!({}));
    }

    #[test]
    fn a_claim_is_as_its_template_says_with_the_labels_that_the_set_selects_by() {
        let set = json!({"spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "volumeClaimTemplates": [{
            "metadata": {"name": "data", "labels": {"tier": "db"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "mine"},
        }]}});
        let at = ("team", "data-web-0");
        let made = claim_body(&set, "data", at, Some("local")).expect("there is such a template");
        let expected = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data-web-0", "namespace": "team",
                "labels": {"app": "web", "tier": "db"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local"}});
        assert_eq!(made, expected);
        assert_eq!(claim_body(&set, "logs", at, None), None);
    }

    #[test]
    fn claims_stay_unless_the_set_says_otherwise() {
        let spec = |policy: Value| -> WorkloadSpec {
            let spec = json!({"persistentVolumeClaimRetentionPolicy": policy,
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]});
            serde_json::from_value(spec).expect("a spec")
        };
        let fates = |policy: Value| {
            let claims = OwnClaims::of(&spec(policy));
            assert_eq!(claims.templates, ["data"]);
            (claims.when_deleted, claims.when_scaled)
        };
        assert_eq!(fates(json!({})), (Fate::Stay, Fate::Stay));
        assert_eq!(fates(json!({"whenDeleted": "Retain"})), (Fate::Stay, Fate::Stay));
        assert_eq!(fates(json!({"whenDeleted": "Delete"})), (Fate::Go, Fate::Stay));
        assert_eq!(fates(json!({"whenScaled": "Delete"})), (Fate::Stay, Fate::Go));
    }
}
