//! What a container is told of its own pod: fields, and what its containers may use.
//!
//! Source: Kubernetes' `pkg/fieldpath` and `ExtractContainerResourceValue`, with their rounding.
//! The pod's own address is not known yet; what stands for it is the runtime's to replace.

use std::collections::BTreeMap;

use setpoint_actuators::{ActuatorError, DesiredPod, POD_ADDRESS};
use setpoint_schemas::{
    Container, FieldRef, PodSpec, Quantity, ResourceFieldRef, Resources, Volume,
};

/// Kubernetes' name of the account of a pod that names none.
const ACCOUNT_DEFAULT: &str = "default";

/// What is told of the node.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Where it is reached.
    pub(super) address: String,
    /// What its pods may use; nothing where nobody asks for it.
    pub(super) allocatable: Resources,
}

/// Whether a container of the pod is told what the node's pods may use: where it has no limit of its
/// own, that is what limits it.
pub(super) fn wants_allocatable(spec: &PodSpec) -> bool {
    let variables = spec.every_container().flat_map(|container| &container.env);
    let of_env =
        variables.filter_map(|variable| variable.value_from.as_ref()?.resource_field_ref.as_ref());
    let files = spec.volumes.iter().flat_map(files_of);
    let of_files = files.filter_map(|file| file.resource_field_ref.as_ref());
    of_env.chain(of_files).any(|from| from.resource.starts_with("limits."))
}

/// A field of the pod.
///
/// # Errors
/// Permanent when there is no such field.
pub(super) fn field(
    pod: &DesiredPod,
    node: &Node,
    from: &FieldRef,
) -> Result<String, ActuatorError> {
    let (placement, pattern) = (&pod.placement, &pod.placement.pattern);
    let spec = &pod.spec;
    let path = from.field_path.as_str();
    if let Some((map, key)) = subscript(path) {
        let of = |map: &BTreeMap<String, String>| map.get(key).cloned().unwrap_or_default();
        match map {
            "metadata.labels" => return Ok(of(&pattern.labels)),
            "metadata.annotations" => return Ok(of(&pattern.annotations)),
            _ => return Err(unknown(path)),
        }
    }
    Ok(match path {
        "metadata.name" => placement.name.to_string(),
        "metadata.namespace" => pattern.namespace.to_string(),
        "metadata.uid" => placement.uid.to_string(),
        "metadata.labels" => lines(&pattern.labels),
        "metadata.annotations" => lines(&pattern.annotations),
        "spec.nodeName" => placement.node.to_string(),
        "spec.serviceAccountName" => {
            let named = [&spec.service_account_name, &spec.service_account].into_iter().flatten();
            named
                .into_iter()
                .find(|name| !name.is_empty())
                .cloned()
                .unwrap_or(ACCOUNT_DEFAULT.into())
        }
        "status.hostIP" | "status.hostIPs" => node.address.clone(),
        "status.podIP" | "status.podIPs" if spec.host_network == Some(true) => node.address.clone(),
        "status.podIP" | "status.podIPs" => POD_ADDRESS.to_owned(),
        _ => return Err(unknown(path)),
    })
}

/// What a container asks for or may use, in units of its divisor, rounded up. `own` is the one that
/// is told, when no other is named.
///
/// # Errors
/// Permanent when there is no such container or resource.
pub(super) fn resource(
    spec: &PodSpec,
    node: &Node,
    own: &str,
    from: &ResourceFieldRef,
) -> Result<String, ActuatorError> {
    let name = from.container_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(own);
    let container = spec.every_container().find(|container| container.name == name);
    let container = container
        .ok_or_else(|| wrong(format!("resourceFieldRef: the pod has no container {name:?}")))?;
    let (kind, resource) = from.resource.split_once('.').ok_or_else(|| unknown(&from.resource))?;
    let asked = match kind {
        "limits" => limit(container, node, resource),
        "requests" => request(container, resource),
        _ => return Err(unknown(&from.resource)),
    };
    let is_cpu = resource == "cpu";
    let divisor = from.divisor.as_ref().map_or(0, |quantity| amount(quantity, is_cpu));
    let divisor = if divisor > 0 {
        divisor
    } else if is_cpu {
        MILLI
    } else {
        1
    };
    Ok((asked + divisor - 1).div_euclid(divisor).to_string())
}

/// A processor in thousandths, in which shares of one are counted.
const MILLI: i128 = 1_000;

/// The files of a volume that tell of the pod.
pub(super) fn files_of(volume: &Volume) -> impl Iterator<Item = &setpoint_schemas::DownwardFile> {
    let own = volume.downward_api.iter();
    let sources = volume.projected.iter().flat_map(|projected| &projected.sources);
    let projected = sources.filter_map(|source| source.downward_api.as_ref());
    own.chain(projected).flat_map(|source| &source.items)
}

fn limit(container: &Container, node: &Node, resource: &str) -> i128 {
    let own = container.resources.limits.get(resource);
    own.map_or_else(
        || match resource {
            "cpu" => node.allocatable.cpu_milli.into(),
            "memory" => node.allocatable.memory_bytes.into(),
            "ephemeral-storage" => node.allocatable.ephemeral_bytes.into(),
            _ => 0,
        },
        |quantity| amount(quantity, resource == "cpu"),
    )
}

/// A limit stands in for an absent request.
fn request(container: &Container, resource: &str) -> i128 {
    let resources = &container.resources;
    let own = resources.requests.get(resource).or_else(|| resources.limits.get(resource));
    own.map_or(0, |quantity| amount(quantity, resource == "cpu"))
}

fn amount(quantity: &Quantity, is_cpu: bool) -> i128 {
    if is_cpu { quantity.milli().into() } else { quantity.units().into() }
}

/// `metadata.labels['app']` as its map and its key.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

/// All entries, a line each, values quoted as Go quotes them.
fn lines(map: &BTreeMap<String, String>) -> String {
    let line = |(key, value): (&String, &String)| format!("{key}={}", quoted(value));
    map.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn unknown(path: &str) -> ActuatorError {
    wrong(format!("{path:?} is no field that a container can be told"))
}

fn wrong(message: String) -> ActuatorError {
    ActuatorError::permanent("CreateContainerConfigError", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use setpoint_schemas::samples;

    use super::*;

    fn pod() -> DesiredPod {
        let spec = json!({"containers": [
            {"name": "main", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"},
                                           "requests": {"cpu": "250m"}}},
            {"name": "side"},
        ]});
        let mut placement = samples::placement_of("web-1", &spec.to_string());
        let pattern = std::sync::Arc::make_mut(&mut placement.pattern);
        let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        pattern.labels = std::sync::Arc::new(pairs(&[("app", "web"), ("a/b", "x")]));
        pattern.annotations = pairs(&[("note", "say \"hi\"\n\u{1}")]);
        DesiredPod::of(&placement)
    }

    fn node() -> Node {
        let allocatable =
            Resources { cpu_milli: 3_500, memory_bytes: 1 << 30, ..Resources::default() };
        Node { address: "192.0.2.7".to_owned(), allocatable }
    }

    #[test]
    fn fields_are_told_as_kubernetes_tells_them() {
        let pod = pod();
        let table = [
            ("metadata.name", pod.placement.name.as_str()),
            ("metadata.uid", &*pod.placement.uid.text()),
            ("spec.nodeName", pod.placement.node.as_str()),
            ("metadata.labels['app']", "web"),
            ("metadata.labels['a/b']", "x"),
            ("metadata.labels['absent']", ""),
            ("metadata.labels", "a/b=\"x\"\napp=\"web\""),
            ("metadata.annotations", r#"note="say \"hi\"\n\x01""#),
            ("spec.serviceAccountName", "default"),
            ("status.hostIP", "192.0.2.7"),
            ("status.podIP", POD_ADDRESS),
        ];
        for (path, expected) in table {
            let from = FieldRef { field_path: path.to_owned() };
            assert_eq!(field(&pod, &node(), &from).expect(path), expected, "{path}");
        }
        for path in ["spec.containers", "spec.x['y']", "status.phase"] {
            let from = FieldRef { field_path: path.to_owned() };
            assert!(!field(&pod, &node(), &from).expect_err(path).is_transient());
        }
    }

    #[test]
    fn a_pod_on_the_nodes_network_has_the_nodes_address() {
        let mut pod = pod();
        std::sync::Arc::make_mut(&mut pod.spec).host_network = Some(true);
        let from = FieldRef { field_path: "status.podIP".to_owned() };
        assert_eq!(field(&pod, &node(), &from).expect("known"), "192.0.2.7");
    }

    #[test]
    fn amounts_are_counted_in_their_divisor_and_rounded_up() {
        // (container, resource, divisor, what is told)
        let table = [
            ("", "limits.cpu", "", "2"),
            ("", "limits.cpu", "1m", "1500"),
            ("", "requests.cpu", "1m", "250"),
            ("", "requests.cpu", "1", "1"),
            ("", "limits.memory", "", "67108864"),
            ("", "limits.memory", "1Mi", "64"),
            ("", "limits.memory", "1M", "68"),
            ("", "requests.memory", "1Mi", "64"),
            ("side", "limits.cpu", "0", "4"),
            ("side", "limits.memory", "1Mi", "1024"),
            ("side", "requests.cpu", "", "0"),
        ];
        let pod = pod();
        for (container, resource, divisor, expected) in table {
            let text = json!({"containerName": container, "resource": resource, "divisor":
                (!divisor.is_empty()).then_some(divisor)});
            let from: ResourceFieldRef = serde_json::from_value(text).expect("a reference");
            let told = super::resource(&pod.spec, &node(), "main", &from).expect(resource);
            assert_eq!(told, expected, "{container} {resource} {divisor}");
        }
        let from = ResourceFieldRef { container_name: Some("no".into()), ..Default::default() };
        let error = super::resource(&pod.spec, &node(), "main", &from);
        assert!(error.expect_err("absent").to_string().contains("no container \"no\""));
    }
}
