//! Who finds whom: each service of a project has a Service, and the names by which the others know it.
//!
//! A project has one flat network. Its services find each other by their names, and by the aliases that
//! networks and links give them; networks do not keep them apart, which is said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::fields;
use super::making::Making;
use super::ports::Ports;
use crate::annotations::{ANNOTATION_ALIASES, ANNOTATION_PUBLISH, LABEL_PROJECT, LABEL_SERVICE};
use crate::gate::cursor::Cursor;

/// Names beside its own, of each service.
pub(crate) type Aliases = BTreeMap<String, BTreeSet<String>>;

/// What who separates services should know.
const FLAT: &str =
    "networks do not keep services apart: all services of the project find each other";
/// What who joins a network of others should know.
const OTHERS: &str = "a network of other projects is not joined: their services are found as \
                      PROJECT-SERVICE, in the same namespace";

/// Looks at the networks of the project, and at what its services say of them and of each other.
pub(crate) fn aliases(making: &mut Making<'_>, services: &Cursor<'_>) -> Aliases {
    let mut aliases = Aliases::new();
    let mut joined = BTreeSet::new();
    for (name, service) in services.entries() {
        let own = aliases.entry(name.to_owned()).or_default();
        own.insert(name.to_owned());
        if let Some(called) = service.get("container_name") {
            own.insert(called.text().to_owned());
        }
        for network in service.field("networks").items() {
            joined.insert(network.text().to_owned());
        }
        for (network, usage) in service.field("networks").entries() {
            joined.insert(network.to_owned());
            making.check(&usage, fields::NETWORK_USE);
            let said = usage.field("aliases").items();
            let own = aliases.entry(name.to_owned()).or_default();
            own.extend(said.iter().map(|alias| alias.text().to_owned()));
        }
    }
    for (_, service) in services.entries() {
        for link in service.field("links").items() {
            let (target, alias) = link.text().split_once(':').unwrap_or((link.text(), ""));
            if services.get(target).is_none() {
                making.refuse(&link, format!("there is no service {target:?}"));
            } else if !alias.is_empty() {
                aliases.entry(target.to_owned()).or_default().insert(alias.to_owned());
            }
        }
    }
    networks(making, &joined);
    aliases
}

/// The networks that are joined.
fn networks(making: &mut Making<'_>, joined: &BTreeSet<String>) {
    if joined.len() > 1 {
        making.warnings.push(FLAT.to_owned());
    }
    let mut is_others = false;
    for (name, network) in making.section("networks").entries() {
        if joined.contains(name) || name == "default" {
            making.check(&network, fields::NETWORK_OF_PROJECT);
            let external = network.field("external");
            is_others |= external.value != &Value::Bool(false) && !external.value.is_null();
        }
    }
    if is_others {
        making.warnings.push(OTHERS.to_owned());
    }
}

/// Makes the Service of a service.
pub(crate) fn make(
    making: &mut Making<'_>,
    name: &str,
    service: &Cursor<'_>,
    ports: &Ports,
    aliases: &BTreeSet<String>,
) {
    if service.field("network_mode").text() == "none" {
        return;
    }
    let object_name = making.object_name(name);
    // A Service's name is part of a host name, which begins with a letter.
    if !object_name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return making.refuse(
            service,
            format!("is {object_name} here, which no host name may be: begin the project's name with a letter"),
        );
    }
    let labels = json!({LABEL_PROJECT: making.project, LABEL_SERVICE: name});
    let port = |(number, protocol): &(i64, &str)| {
        let name = format!("{number}-{}", protocol.to_lowercase());
        json!({"name": name, "port": number, "targetPort": number, "protocol": protocol})
    };
    let mut spec = json!({"selector": labels});
    let is_spread = service.field("deploy").field("endpoint_mode").text() == "dnsrr";
    if ports.declared.is_empty() || (is_spread && !ports.anywhere) {
        // Its pods are found themselves, at whatever port they listen: also those that start yet, for
        // some wait for each other.
        spec["clusterIP"] = json!("None");
        spec["publishNotReadyAddresses"] = json!(true);
    } else if ports.anywhere {
        spec["type"] = json!("NodePort");
    }
    if !ports.declared.is_empty() {
        spec["ports"] = ports.declared.iter().map(port).collect();
    }
    let mut annotations = json!({});
    let known_as: Vec<&str> = aliases.iter().map(String::as_str).collect();
    annotations[ANNOTATION_ALIASES] = json!(known_as.join(","));
    if !ports.published.is_empty() {
        let published: Vec<&str> = ports.published.iter().map(String::as_str).collect();
        annotations[ANNOTATION_PUBLISH] = json!(published.join(","));
    }
    making.objects.push(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": object_name, "labels": labels, "annotations": annotations},
        "spec": spec,
    }));
}
