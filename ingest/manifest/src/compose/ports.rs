//! Ports in their short and long forms.
//!
//! A port is published on the node only with `mode: host`; what is published otherwise would need
//! a load balancer and is not acted on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields;
use super::making::Making;
use super::units::{scalar_text, whole};
use crate::gate::cursor::Cursor;

/// Ports of one range; a range of all ports is a mistake.
const RANGE_MAX: i64 = 1_000;

const NOT_PUBLISHED: &str = "ports are published only with mode: host";

/// The ports of a service's container, each once.
pub(crate) fn ports(making: &mut Making<'_>, service: &Cursor<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    for port in service.field("ports").items() {
        match port.value {
            Value::Object(_) => long(making, &port, &mut found),
            _ => short(making, &port, true, &mut found),
        }
    }
    for port in service.field("expose").items() {
        short(making, &port, false, &mut found);
    }
    let mut seen = BTreeSet::new();
    found.retain(|port| {
        let number = port["containerPort"].as_i64().unwrap_or_default();
        seen.insert((number, port["protocol"].to_string(), port["hostPort"].to_string()))
    });
    found
}

/// `[[address:]published:]target[/protocol]`, each a port or a range.
fn short(making: &mut Making<'_>, at: &Cursor<'_>, publishes: bool, found: &mut Vec<Value>) {
    let text = scalar_text(at.value).unwrap_or_default();
    let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let (published, target) = text.rsplit_once(':').map_or((None, text), |(p, t)| (Some(p), t));
    let (Some(protocol), Some((first, last))) = (protocol_of(protocol), range(target)) else {
        return making.refuse(at, "is no port: expected [[address:]published:]target[/protocol]");
    };
    let published = published.map(|published| published.rsplit(':').next().unwrap_or(published));
    if published.is_some_and(|published| !published.is_empty() && range(published).is_none()) {
        return making.refuse(at, "the published port is no port");
    }
    if publishes {
        making.ignore(at, NOT_PUBLISHED);
    }
    for port in first..=last {
        found.push(json!({"containerPort": port, "protocol": protocol}));
    }
}

fn long(making: &mut Making<'_>, at: &Cursor<'_>, found: &mut Vec<Value>) {
    making.check(at, fields::PORT);
    let (target, published) = (at.field("target"), at.field("published"));
    let Some(number) = whole(target.value).filter(|port| is_port(*port)) else {
        return making.refuse(&target, "must be a port from 1 to 65535");
    };
    let protocol = scalar_text(at.field("protocol").value).unwrap_or_else(|| "tcp".into());
    let Some(protocol) = protocol_of(&protocol) else {
        return making.refuse(&at.field("protocol"), "must be tcp, udp or sctp");
    };
    let mut port = json!({"containerPort": number, "protocol": protocol});
    let host_ip = at.field("host_ip");
    match at.field("mode").text() {
        "host" if published.value.is_null() => {
            making.ignore(&target, "no port is chosen by itself")
        }
        "host" => match whole(published.value).filter(|port| is_port(*port)) {
            Some(published) => {
                port["hostPort"] = json!(published);
                if !host_ip.text().is_empty() {
                    port["hostIP"] = json!(host_ip.text());
                }
            }
            None => making.ignore(&published, "ranges are not published"),
        },
        "" | "ingress" => making.ignore(at, NOT_PUBLISHED),
        _ => making.refuse(&at.field("mode"), "must be host or ingress"),
    }
    found.push(port);
}

fn range(text: &str) -> Option<(i64, i64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (is_port(first) && is_port(last) && first <= last && last - first < RANGE_MAX)
        .then_some((first, last))
}

fn is_port(number: i64) -> bool {
    (1..=65_535).contains(&number)
}

fn protocol_of(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" | "" => Some("TCP"),
        "udp" => Some("UDP"),
        "sctp" => Some("SCTP"),
        _ => None,
    }
}
