//! Claims that are made with a pod and go with it: what is in them, and why a pod cannot have one.
//!
//! Source: Kubernetes' generic ephemeral volumes, their controller and
//! `k8s.io/component-helpers/storage/ephemeral`.
//! Absent: whether a claim is there, and which pods there are. What a claim is called is the volume's to say
//! ([`setpoint_schemas::Volume::claim_of`]).

use serde_json::{Map, Value};
use setpoint_schemas::{NAME_BYTES_MAX, PodSpec};

use crate::claim::Claim;
use crate::own_claims::body_of;

/// The volumes of a spec whose claims are made with its pods: their names, and each claim as it will be
/// until it has its data.
#[must_use]
pub fn volumes_in(spec: &PodSpec) -> Vec<(String, Claim)> {
    let made = spec.volumes.iter().filter_map(|volume| {
        let source = volume.ephemeral.as_ref()?;
        let class = source.volume_claim_template["spec"]["storageClassName"].as_str();
        let claim = Claim { class: class.unwrap_or_default().to_owned(), ..Claim::default() };
        Some((volume.name.clone(), claim))
    });
    made.collect()
}

/// The claim of this name that a pod with this spec has for a volume; `None` when it has no such. It names a
/// class: its own, or else this one.
#[must_use]
pub fn claim_body(
    spec: &Value,
    volume: &str,
    at: (&str, &str),
    class: Option<&str>,
) -> Option<Value> {
    let mut volumes = spec["volumes"].as_array()?.iter();
    let template = &volumes.find(|known| known["name"] == volume)?["ephemeral"];
    let template = template.get("volumeClaimTemplate")?;
    Some(body_of(template, Map::new(), at, class))
}

/// Why no claim can have this name; `None` when one can.
#[must_use]
pub fn too_long(name: &str) -> Option<String> {
    (name.len() > NAME_BYTES_MAX)
        .then(|| format!("PVC name {name:?}: must be no more than {NAME_BYTES_MAX} characters"))
}

/// The sentence of a pod whose claim's name is another's, in Kubernetes' words.
#[must_use]
pub fn taken(namespace: &str, claim: &str, pod: &str) -> String {
    format!("PVC {namespace}/{claim} was not created for pod {namespace}/{pod} (pod is not owner)")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_as_its_volume_says_and_of_the_default_class_where_it_says_none() {
        let spec = json!({"volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {
                "metadata": {"labels": {"tier": "x"}},
                "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "mine"},
            }}},
        ]});
        let at = ("team", "web-scratch");
        let expected = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "web-scratch", "namespace": "team", "labels": {"tier": "x"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local"}});
        assert_eq!(claim_body(&spec, "scratch", at, Some("local")), Some(expected));
        assert_eq!(claim_body(&spec, "tmp", at, None), None);
        assert_eq!(claim_body(&spec, "other", at, None), None);
    }

    #[test]
    fn the_volumes_whose_claims_are_made_are_found_with_their_classes() {
        let spec = r#"{"volumes": [{"name": "a", "emptyDir": {}},
            {"name": "b", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}},
            {"name": "c", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]}"#;
        let spec: PodSpec = serde_json::from_str(spec).expect("a spec");
        let found: Vec<(String, String)> =
            volumes_in(&spec).into_iter().map(|(name, claim)| (name, claim.class)).collect();
        let expected = [("b", "fast"), ("c", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_that_no_object_can_have_is_said_to_be_too_long() {
        assert_eq!(too_long(&"x".repeat(253)), None);
        let why = too_long(&"x".repeat(254)).expect("too long");
        assert!(why.ends_with("must be no more than 253 characters"), "{why}");
    }
}
