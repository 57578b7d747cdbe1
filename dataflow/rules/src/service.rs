//! The addresses and node ports of Services.
//!
//! Guarantee: they follow from the Service's name and from what others hold, so deciding again gives the
//! same; what a Service has it keeps when it is applied again. Absent: knowing who holds what.
//!
//! Source: Kubernetes' allocators of the Service's REST storage (`pkg/registry/core/service/storage`).

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use setpoint_schemas::ServiceRange;
use xxhash_rust::xxh3::xxh3_64;

/// The ports that nodes listen on for Services, as in Kubernetes.
pub const NODE_PORT_MIN: u16 = 30_000;
/// The last of them.
pub const NODE_PORT_MAX: u16 = 32_767;

/// A Service without an address of its own says this instead.
pub const HEADLESS: &str = "None";

/// A port of a node, of one protocol.
pub type NodePort = (Protocol, u16);

/// A protocol that has ports. Others are the gate's to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, also where nothing is said.
    Tcp,
    /// UDP.
    Udp,
}

/// What a Service holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Its address, if it has one.
    pub address: Option<Ipv4Addr>,
    /// The node ports that it has.
    pub node_ports: Vec<NodePort>,
}

impl Claims {
    /// What the Service of this body holds.
    #[must_use]
    pub fn of(object: &Value) -> Claims {
        let spec = &object["spec"];
        let node_port = |port: &Value| Some((protocol_of(port), number(&port["nodePort"])?));
        Claims {
            address: text(&spec["clusterIP"]).parse().ok(),
            node_ports: ports(spec).filter_map(node_port).collect(),
        }
    }
}

/// Who holds what, of the others.
pub struct Others<'a> {
    /// Whether another Service has this address.
    pub has_address: &'a dyn Fn(Ipv4Addr) -> bool,
    /// Whether another Service has this port of the nodes.
    pub has_port: &'a dyn Fn(NodePort) -> bool,
}

/// Gives a Service its address and its node ports: those that it had, those that it asks for, or free
/// ones.
///
/// # Errors
/// Why it cannot have what it asks for, beginning with the field's path.
pub fn give(
    object: &mut Value,
    before: Option<&Value>,
    (key, range): (&str, &ServiceRange),
    others: &Others<'_>,
) -> Result<(), String> {
    let nothing = Value::Null;
    let before = before.map_or(&nothing, |before| &before["spec"]);
    if !object["spec"].is_object() {
        return Ok(());
    }
    let spec = &mut object["spec"];
    address(spec, before, (key, range), others)?;
    node_ports(spec, before, key, others)
}

fn address(
    spec: &mut Value,
    before: &Value,
    (key, range): (&str, &ServiceRange),
    others: &Others<'_>,
) -> Result<(), String> {
    let had = text(&before["clusterIP"]).to_owned();
    if type_of(spec) == "ExternalName" {
        remove(spec, "clusterIP");
        remove(spec, "clusterIPs");
        return Ok(());
    }
    let asked = text(&spec["clusterIP"]).to_owned();
    if !had.is_empty() && !asked.is_empty() && asked != had {
        return Err(format!("spec.clusterIP: Invalid value: {asked:?}: field is immutable"));
    }
    let wanted = if asked.is_empty() { had } else { asked };
    let given = match wanted.as_str() {
        HEADLESS => HEADLESS.to_owned(),
        "" => match free_address(range, key, others.has_address) {
            Some(free) => free.to_string(),
            None => return Err("spec.clusterIP: no address of the range is free".to_owned()),
        },
        wanted => asked_for(wanted, range, others)?,
    };
    spec["clusterIPs"] = json!([given]);
    spec["clusterIP"] = Value::String(given);
    Ok(())
}

/// The first address from the key's own on that nobody has.
fn free_address(
    range: &ServiceRange,
    key: &str,
    is_taken: &dyn Fn(Ipv4Addr) -> bool,
) -> Option<Ipv4Addr> {
    let begin = place_of(key, range.given());
    let at = |step: u32| range.at((begin + step) % range.given());
    (0..range.given()).map(at).find(|address| !is_taken(*address))
}

/// An address that is asked for, if it can be had.
fn asked_for(wanted: &str, range: &ServiceRange, others: &Others<'_>) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("spec.clusterIP: Invalid value: {wanted:?}: {why}"));
    let Ok(address) = wanted.parse::<Ipv4Addr>() else {
        return refuse("must be empty, \"None\", or an IPv4 address of the range of Services");
    };
    if !range.has(address) {
        return refuse("is not in the range of Services (engine.policy.service_range)");
    }
    if (others.has_address)(address) {
        return refuse("provided IP is already allocated");
    }
    Ok(wanted.to_owned())
}

fn node_ports(
    spec: &mut Value,
    before: &Value,
    key: &str,
    others: &Others<'_>,
) -> Result<(), String> {
    let has = matches!(type_of(spec), "NodePort" | "LoadBalancer");
    let Some(Value::Array(ports)) = spec.get_mut("ports") else { return Ok(()) };
    if !has {
        ports.iter_mut().for_each(|port| remove(port, "nodePort"));
        return Ok(());
    }
    let mut own: Vec<NodePort> = Vec::new();
    let asked = ports.iter().enumerate();
    for (index, port) in asked {
        let Some(number) = number(&port["nodePort"]) else { continue };
        let wanted = (protocol_of(port), number);
        let refuse =
            |why| Err(format!("spec.ports[{index}].nodePort: Invalid value: {number}: {why}"));
        if !(NODE_PORT_MIN..=NODE_PORT_MAX).contains(&number) {
            return refuse("provided port is not in the valid range 30000-32767");
        }
        if (others.has_port)(wanted) || own.contains(&wanted) {
            return refuse("provided port is already allocated");
        }
        own.push(wanted);
    }
    for (index, port) in ports.iter_mut().enumerate() {
        if number(&port["nodePort"]).is_some() {
            continue;
        }
        let is_free = |port: &NodePort| !(others.has_port)(*port) && !own.contains(port);
        let protocol = protocol_of(port);
        let kept = had(before, port).map(|number| (protocol, number)).filter(is_free);
        let seed = format!("{key}/{}/{}", text(&port["name"]), port["port"]);
        let free = kept.or_else(|| free_port(protocol, &seed, &is_free));
        let Some(given) = free else {
            return Err(format!("spec.ports[{index}].nodePort: no port of the nodes is free"));
        };
        port["nodePort"] = json!(given.1);
        own.push(given);
    }
    Ok(())
}

/// The node port that this port of the Service had before.
fn had(before: &Value, port: &Value) -> Option<u16> {
    let same =
        |other: &&Value| other["port"] == port["port"] && protocol_of(other) == protocol_of(port);
    number(&ports(before).find(same)?["nodePort"])
}

fn free_port(
    protocol: Protocol,
    seed: &str,
    is_free: &dyn Fn(&NodePort) -> bool,
) -> Option<NodePort> {
    let all = u32::from(NODE_PORT_MAX - NODE_PORT_MIN) + 1;
    let begin = place_of(seed, all);
    let at = |step: u32| NODE_PORT_MIN + u16::try_from((begin + step) % all).unwrap_or(0);
    (0..all).map(|step| (protocol, at(step))).find(is_free)
}

/// Where a text begins to look, of so many places.
fn place_of(text: &str, places: u32) -> u32 {
    u32::try_from(xxh3_64(text.as_bytes()) % u64::from(places)).unwrap_or(0)
}

fn type_of(spec: &Value) -> &str {
    match text(&spec["type"]) {
        "" => "ClusterIP",
        named => named,
    }
}

fn protocol_of(port: &Value) -> Protocol {
    if port["protocol"] == "UDP" { Protocol::Udp } else { Protocol::Tcp }
}

fn ports(spec: &Value) -> impl Iterator<Item = &Value> {
    spec["ports"].as_array().into_iter().flatten()
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> ServiceRange {
        "127.96.0.0/29".parse().expect("a range")
    }

    /// A Service of this spec after it was given what it needs, or why it was not; the others hold these.
    fn given(spec: &Value, before: &Value, held: &[&str], ports: &[u16]) -> Result<Value, String> {
        let mut object = json!({"spec": spec});
        let before = json!({"spec": before});
        let others = Others {
            has_address: &|address| held.contains(&address.to_string().as_str()),
            has_port: &|(_, port)| ports.contains(&port),
        };
        give(&mut object, Some(&before), ("core/Service/default/web", &range()), &others)?;
        Ok(object["spec"].clone())
    }

    #[test]
    fn an_address_is_given_kept_asked_for_or_left_away() {
        let nothing = json!({});
        let none: &[&str] = &[];
        let first = given(&nothing, &nothing, none, &[]).expect("free");
        let address = text(&first["clusterIP"]).to_owned();
        assert_eq!(first["clusterIPs"], json!([address]));
        assert_eq!(given(&nothing, &nothing, none, &[]), Ok(first.clone()), "the same again");
        assert_eq!(given(&nothing, &first, none, &[]), Ok(first.clone()), "kept");
        let other = given(&nothing, &nothing, &[&address], &[]).expect("free");
        assert_ne!(other["clusterIP"], first["clusterIP"], "nobody's twice");

        let asks = |address: &str| json!({"clusterIP": address});
        let table = [
            (asks("127.96.0.5"), &nothing, none, "127.96.0.5"),
            (asks("None"), &nothing, none, "None"),
            (asks("10.0.0.1"), &nothing, none, "not in the range"),
            (asks("web"), &nothing, none, "must be empty"),
            (asks("127.96.0.5"), &nothing, &["127.96.0.5"], "already allocated"),
            (asks("None"), &first, none, "immutable"),
        ];
        for (spec, before, held, expected) in table {
            let found = match given(&spec, before, held, &[]) {
                Ok(given) => text(&given["clusterIP"]).to_owned(),
                Err(why) => why,
            };
            assert!(found.contains(expected), "{spec} {found}");
        }
        let external = json!({"type": "ExternalName", "clusterIP": address, "externalName": "a.b"});
        let external = given(&external, &first, none, &[]).expect("it needs none");
        assert_eq!(external.get("clusterIP"), None);
        let all: Vec<String> = (1..7).map(|n| format!("127.96.0.{n}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert!(given(&nothing, &nothing, &all, &[]).unwrap_err().contains("no address"));
    }

    #[test]
    fn node_ports_are_given_kept_and_taken_back() {
        let spec = |kind: &str, port: Value| json!({"type": kind, "ports": [port]});
        let first = given(&spec("NodePort", json!({"port": 80})), &json!({}), &[], &[]);
        let first = first.expect("free");
        let number = number(&first["ports"][0]["nodePort"]).expect("a port");
        assert!((NODE_PORT_MIN..=NODE_PORT_MAX).contains(&number));
        let again = given(&spec("NodePort", json!({"port": 80})), &first, &[], &[]);
        assert_eq!(again, Ok(first.clone()), "kept");
        let other = given(&spec("NodePort", json!({"port": 80})), &json!({}), &[], &[number]);
        assert_ne!(other.expect("free")["ports"], first["ports"], "nobody's twice");
        let inner = given(&spec("ClusterIP", first["ports"][0].clone()), &first, &[], &[]);
        assert_eq!(inner.expect("fine")["ports"], json!([{"port": 80}]), "taken back");
        for (asked, held, why) in
            [(80, 0, "not in the valid range"), (30_001, 30_001, "already allocated")]
        {
            let port = json!({"port": 80, "nodePort": asked});
            let found = given(&spec("NodePort", port), &json!({}), &[], &[held]);
            assert!(found.unwrap_err().contains(why), "{asked}");
        }
        let both = json!({"type": "NodePort", "ports": [{"port": 53, "nodePort": 30_053},
            {"port": 53, "nodePort": 30_053, "protocol": "UDP"}]});
        assert!(given(&both, &json!({}), &[], &[]).is_ok(), "of two protocols");
        let held = Claims::of(&json!({"spec": first}));
        assert_eq!(held.node_ports, [(Protocol::Tcp, number)]);
    }
}
