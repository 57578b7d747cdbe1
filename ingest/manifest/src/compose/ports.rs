//! Ports in their short and long forms.
//!
//! What a service declares, other services reach at its name, on every node. What it publishes, every node
//! listens on; with `mode: host` only the node of a pod, by its runtime.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fields;
use super::making::Making;
use super::units::{scalar_text, whole};
use crate::gate::cursor::Cursor;

/// Ports of one range; a range of all ports is a mistake.
const RANGE_MAX: i64 = 1_000;

const NO_RANGE: &str = "of a range no port is chosen; publish as many ports as there are targets";
const NO_SCTP: &str = "SCTP is not passed on";

/// The ports of a service.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// As its container has them, each once.
    pub(crate) container: Vec<Value>,
    /// As other services reach them: number and protocol, each once.
    pub(crate) declared: BTreeSet<(i64, &'static str)>,
    /// Where nodes listen: `[address:]port:port-of-the-service/protocol`.
    pub(crate) published: BTreeSet<String>,
    /// Whether nodes listen for one of them wherever they have a port to give.
    pub(crate) anywhere: bool,
}

/// A port that is published.
struct Published<'a> {
    address: &'a str,
    port: i64,
    target: i64,
    protocol: &'static str,
}

/// The ports that a service speaks of.
pub(crate) fn ports(making: &mut Making<'_>, service: &Cursor<'_>) -> Ports {
    let mut found = Ports::default();
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
    found.container.retain(|port| {
        let number = port["containerPort"].as_i64().unwrap_or_default();
        seen.insert((number, port["protocol"].to_string(), port["hostPort"].to_string()))
    });
    found
}

impl Ports {
    fn declare(&mut self, port: i64, protocol: &'static str) {
        self.container.push(json!({"containerPort": port, "protocol": protocol}));
        if protocol != "SCTP" {
            self.declared.insert((port, protocol));
        }
    }

    fn publish(&mut self, making: &mut Making<'_>, at: &Cursor<'_>, what: &Published<'_>) {
        if what.protocol == "SCTP" {
            return making.ignore(at, NO_SCTP);
        }
        let address = what.address.trim_start_matches('[').trim_end_matches(']');
        let address = match address.parse::<std::net::IpAddr>() {
            _ if address.is_empty() => String::new(),
            Ok(std::net::IpAddr::V6(address)) => format!("[{address}]:"),
            Ok(address) => format!("{address}:"),
            Err(_) => return making.refuse(at, "the address to publish at is no address"),
        };
        let Published { port, target, protocol, .. } = what;
        self.published.insert(format!("{address}{port}:{target}/{}", protocol.to_lowercase()));
    }
}

/// `[[address:]published:]target[/protocol]`, each a port or a range.
fn short(making: &mut Making<'_>, at: &Cursor<'_>, publishes: bool, found: &mut Ports) {
    let text = scalar_text(at.value).unwrap_or_default();
    let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let (published, target) = text.rsplit_once(':').map_or((None, text), |(p, t)| (Some(p), t));
    let (Some(protocol), Some((first, last))) = (protocol_of(protocol), range(target)) else {
        let expected = "expected [[address:]published:]target[/protocol]";
        return match scalar_text(at.value).filter(|text| !text.trim().is_empty()) {
            Some(text) => making.refuse(at, format!("{text:?} is no port: {expected}")),
            None => {
                making.refuse(at, format!("is empty, as a variable is that is not set: {expected}"))
            }
        };
    };
    (first..=last).for_each(|port| found.declare(port, protocol));
    if !publishes {
        return;
    }
    let (address, published) = match published.map(|published| published.rsplit_once(':')) {
        Some(Some((address, published))) => (address, published),
        Some(None) => ("", published.unwrap_or_default()),
        None => ("", ""),
    };
    if published.is_empty() {
        return anywhere(making, at, protocol, found);
    }
    let Some((from, to)) = range(published) else {
        return making.refuse(at, "the published port is no port");
    };
    if to - from != last - first {
        return making.ignore(at, NO_RANGE);
    }
    for step in 0..=(to - from) {
        let what = Published { address, port: from + step, target: first + step, protocol };
        found.publish(making, at, &what);
    }
}

/// Published without a number: each node listens on one of those that it has for that.
fn anywhere(making: &mut Making<'_>, at: &Cursor<'_>, protocol: &str, found: &mut Ports) {
    if protocol == "SCTP" {
        return making.ignore(at, NO_SCTP);
    }
    found.anywhere = true;
}

fn long(making: &mut Making<'_>, at: &Cursor<'_>, found: &mut Ports) {
    making.check(at, fields::PORT);
    let (target, published) = (at.field("target"), at.field("published"));
    let Some(number) = whole(target.value).filter(|port| is_port(*port)) else {
        return making.refuse(&target, "must be a port from 1 to 65535");
    };
    let protocol = scalar_text(at.field("protocol").value).unwrap_or_else(|| "tcp".into());
    let Some(protocol) = protocol_of(&protocol) else {
        return making.refuse(&at.field("protocol"), "must be tcp, udp or sctp");
    };
    found.declare(number, protocol);
    match at.field("mode").text() {
        "host" => on_host(making, at, (number, protocol), found),
        "" | "ingress" if published.value.is_null() => anywhere(making, at, protocol, found),
        "" | "ingress" => {
            let address = at.field("host_ip");
            match whole(published.value).filter(|port| is_port(*port)) {
                Some(port) => {
                    let address = address.text();
                    let what = Published { address, port, target: number, protocol };
                    found.publish(making, &published, &what);
                }
                None => making.ignore(&published, NO_RANGE),
            }
        }
        _ => making.refuse(&at.field("mode"), "must be host or ingress"),
    }
}

/// A port that the runtime of the pod's node publishes.
fn on_host(
    making: &mut Making<'_>,
    at: &Cursor<'_>,
    (number, protocol): (i64, &'static str),
    found: &mut Ports,
) {
    let (published, host_ip) = (at.field("published"), at.field("host_ip"));
    if published.value.is_null() {
        return making.ignore(&at.field("target"), "no port is chosen by itself");
    }
    let Some(port) = whole(published.value).filter(|port| is_port(*port)) else {
        return making.ignore(&published, "ranges are not published");
    };
    found.container.pop();
    let mut container = json!({"containerPort": number, "protocol": protocol, "hostPort": port});
    if !host_ip.text().is_empty() {
        container["hostIP"] = json!(host_ip.text());
    }
    found.container.push(container);
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
