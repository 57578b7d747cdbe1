//! Services and their endpoints, as rows of a table.

use jiff::Timestamp;
use serde_json::Value;

use crate::output::age::age_of;
use crate::output::field::{NONE, list, name, number, or_none, pairs, text};

/// Addresses in a row, as kubectl has it.
const ENDPOINTS_SHOWN_MAX: usize = 3;

pub(crate) const HEADERS: &[&str] =
    &["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"];
pub(crate) const SLICE_HEADERS: &[&str] = &["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"];

pub(crate) fn service(object: &Value, now: Timestamp) -> Vec<String> {
    let kind = match text(object, "/spec/type") {
        "" => "ClusterIP",
        kind => kind,
    };
    let external = match kind {
        "ExternalName" => or_none(text(object, "/spec/externalName")),
        "LoadBalancer" => "<pending>".to_owned(),
        _ => NONE.to_owned(),
    };
    let address = or_none(text(object, "/spec/clusterIP"));
    let (ports, age) = (ports(object), age_of(object, now));
    vec![name(object).to_owned(), kind.to_owned(), address, external, ports, age]
}

pub(crate) fn service_wide(object: &Value, _: Timestamp) -> Vec<String> {
    vec![pairs(object, "/spec/selector")]
}

pub(crate) fn slice(object: &Value, now: Timestamp) -> Vec<String> {
    let ports = list(object, "/ports").iter().map(|port| number(port, "/port").to_string());
    let ports: Vec<String> = ports.collect();
    let endpoints = list(object, "/endpoints");
    let shown = endpoints.iter().take(ENDPOINTS_SHOWN_MAX).map(|one| text(one, "/addresses/0"));
    let mut shown = shown.collect::<Vec<_>>().join(",");
    let more = endpoints.len().saturating_sub(ENDPOINTS_SHOWN_MAX);
    if more > 0 {
        shown.push_str(&format!(" + {more} more..."));
    }
    let or_unset = |text: String| if text.is_empty() { "<unset>".to_owned() } else { text };
    vec![
        name(object).to_owned(),
        text(object, "/addressType").to_owned(),
        or_unset(ports.join(",")),
        or_unset(shown),
        age_of(object, now),
    ]
}

/// `80:30080/TCP,53/UDP`.
fn ports(object: &Value) -> String {
    let port = |port: &Value| {
        let node = match number(port, "/nodePort") {
            0 => String::new(),
            node => format!(":{node}"),
        };
        let protocol = match text(port, "/protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        format!("{}{node}/{protocol}", number(port, "/port"))
    };
    let ports: Vec<String> = list(object, "/spec/ports").iter().map(port).collect();
    or_none(&ports.join(","))
}
