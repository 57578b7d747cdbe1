//! How a service is called and whom it finds by name: `hostname`, `domainname`, `extra_hosts`, `dns`.

use serde_json::{Value, json};

use super::making::Making;
use super::units::scalar_text;
use crate::annotations::ANNOTATION_DOMAIN;
use crate::gate::cursor::Cursor;

/// Docker's word for the node's address as containers see it.
const GATEWAY: &str = "host-gateway";

/// Sets them in the service's pod; what Kubernetes has no field for goes into the pod's annotations.
pub(crate) fn apply(
    making: &mut Making<'_>,
    service: &Cursor<'_>,
    spec: &mut Value,
    annotations: &mut Value,
) {
    if let Some(hostname) = service.get("hostname") {
        spec["hostname"] = json!(hostname.text());
    }
    if let Some(domain) = service.get("domainname").filter(|domain| !domain.text().is_empty()) {
        annotations[ANNOTATION_DOMAIN] = json!(domain.text());
    }
    let aliases = aliases(making, &service.field("extra_hosts"));
    if !aliases.is_empty() {
        spec["hostAliases"] = Value::Array(aliases);
    }
    let servers = texts(&service.field("dns"));
    if !servers.is_empty() {
        // Compose asks nobody else then.
        spec["dnsPolicy"] = json!("None");
        spec["dnsConfig"]["nameservers"] = json!(servers);
    }
    let searches = texts(&service.field("dns_search"));
    if !searches.is_empty() {
        spec["dnsConfig"]["searches"] = json!(searches);
    }
    let options: Vec<Value> = texts(&service.field("dns_opt")).iter().map(|o| option(o)).collect();
    if !options.is_empty() {
        spec["dnsConfig"]["options"] = Value::Array(options);
    }
}

fn option(text: &str) -> Value {
    match text.split_once(':') {
        Some((name, value)) => json!({"name": name, "value": value}),
        None => json!({"name": text}),
    }
}

/// `name:address` and `name=address` in a list, or a map of them.
fn aliases(making: &mut Making<'_>, at: &Cursor<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    let listed = at.items().into_iter().map(|item| (item.text().to_owned(), item));
    for (text, item) in listed {
        line(making, &item, &text, &mut found);
    }
    for (name, item) in at.entries() {
        match item.value {
            // A list that was merged with another: the entry is its own key.
            Value::Null => line(making, &item, name, &mut found),
            Value::Array(_) => {
                for address in texts(&item) {
                    alias(making, &item, name, &address, &mut found);
                }
            }
            other => {
                let address = scalar_text(other).unwrap_or_default();
                alias(making, &item, name, &address, &mut found);
            }
        }
    }
    found
}

fn line(making: &mut Making<'_>, at: &Cursor<'_>, text: &str, found: &mut Vec<Value>) {
    match text.split_once('=').or_else(|| text.split_once(':')) {
        Some((name, address)) => alias(making, at, name, address, found),
        None => making.refuse(at, "expected such as name:10.0.0.1"),
    }
}

fn alias(
    making: &mut Making<'_>,
    at: &Cursor<'_>,
    name: &str,
    address: &str,
    found: &mut Vec<Value>,
) {
    let address = address.trim().trim_start_matches('[').trim_end_matches(']');
    if address == GATEWAY {
        return making.ignore(at, "the address by which a pod sees its node is not known here");
    }
    found.push(json!({"ip": address, "hostnames": [name.trim()]}));
}

/// A text, or a list of them.
fn texts(at: &Cursor<'_>) -> Vec<String> {
    let items = if at.value.is_array() { at.items() } else { vec![at.clone()] };
    items.iter().filter_map(|item| scalar_text(item.value)).collect()
}
