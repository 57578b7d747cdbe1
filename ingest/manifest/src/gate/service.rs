//! Services.
//!
//! Source: `ValidateService` of Kubernetes. Absent: which addresses and node ports are free: that is the
//! leader's.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cursor::{Checker, Cursor};
use super::names;

/// Kubernetes' longest affinity, a day, in seconds.
const AFFINITY_SECONDS_MAX: i64 = 86_400;
/// Two families are all that there are.
const ADDRESSES_MAX: usize = 2;

/// What who applies a load balancer is told.
const NO_BALANCER: &str = "no load balancer is made: the Service is reached at its node ports, on every \
                           node";

/// A Service.
pub(crate) fn check(checker: &mut Checker, object: &Cursor<'_>) {
    let name = object.field("metadata").field("name");
    let is_digit = name.text().starts_with(|c: char| c.is_ascii_digit());
    if !name.text().is_empty() && (is_digit || names::label(name.text()).is_err()) {
        let grammar = "lowercase letters, digits and '-', and begin with a letter";
        checker.refuse(&name, format!("a Service's name is part of a host name: only {grammar}"));
    }
    let spec = object.field("spec");
    let kinds = &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"];
    checker.one_of(&spec.field("type"), kinds);
    names::labels(checker, &spec.field("selector"));
    address(checker, &spec);
    ports(checker, &spec);
    affinity(checker, &spec);
    let policies = &["Cluster", "Local"];
    checker.one_of(&spec.field("externalTrafficPolicy"), policies);
    checker.one_of(&spec.field("internalTrafficPolicy"), policies);
}

/// What who applies it should know.
pub(crate) fn warning(object: &Value) -> Option<String> {
    (object["spec"]["type"] == "LoadBalancer").then(|| NO_BALANCER.to_owned())
}

fn address(checker: &mut Checker, spec: &Cursor<'_>) {
    let (address, addresses) = (spec.field("clusterIP"), spec.field("clusterIPs"));
    if spec.field("type").text() == "ExternalName" {
        let name = spec.field("externalName");
        if checker.required(&name)
            && let Err(reason) = names::subdomain(name.text().trim_end_matches('.'))
        {
            checker.refuse(&name, reason);
        }
        if !matches!(address.text(), "" | "None") {
            checker.refuse(&address, "must be absent with type ExternalName");
        }
        return;
    }
    if address.text() == "None" && matches!(spec.field("type").text(), "NodePort" | "LoadBalancer")
    {
        checker.refuse(&address, "may not be None with this type");
    }
    let items = addresses.items();
    if items.len() > ADDRESSES_MAX {
        checker.refuse(&addresses, "has more than two addresses");
    }
    match items.as_slice() {
        [] => {}
        [only] if only.text() == address.text() => {}
        [only] => checker.refuse(only, "must equal clusterIP"),
        [_, second, ..] => checker.refuse(second, "a Service has one address, of IPv4"),
    }
    for family in spec.field("ipFamilies").items() {
        checker.one_of(&family, &["IPv4"]);
    }
    checker.one_of(&spec.field("ipFamilyPolicy"), &["SingleStack", "PreferDualStack"]);
}

fn ports(checker: &mut Checker, spec: &Cursor<'_>) {
    let (at, kind) = (spec.field("ports"), spec.field("type"));
    let items = at.items();
    let needs = kind.text() != "ExternalName" && spec.field("clusterIP").text() != "None";
    if items.is_empty() && needs {
        checker.refuse(&at, "is required");
    }
    let (mut names_seen, mut ports_seen) = (BTreeSet::new(), BTreeSet::new());
    for port in &items {
        let name = port.field("name");
        if name.text().is_empty() && items.len() > 1 {
            checker.refuse(&name, "is required when there are several ports");
        } else if !name.text().is_empty() {
            if let Err(reason) = names::label(name.text()) {
                checker.refuse(&name, reason);
            }
            if !names_seen.insert(name.text()) {
                checker.refuse(&name, "two ports have the same name");
            }
        }
        one_port(checker, port, kind.text());
        let protocol = port.field("protocol").text();
        let protocol = if protocol.is_empty() { "TCP" } else { protocol };
        if !ports_seen.insert((port.field("port").int(), protocol)) {
            checker.refuse(port, "two entries are of the same port and protocol");
        }
    }
}

fn one_port(checker: &mut Checker, port: &Cursor<'_>, kind: &str) {
    let is_port = |number: i64| (1..=65_535).contains(&number);
    let (number, target, node) =
        (port.field("port"), port.field("targetPort"), port.field("nodePort"));
    if !number.int().is_some_and(is_port) {
        checker.refuse(&number, "must be a port from 1 to 65535");
    }
    checker.one_of(&port.field("protocol"), &["TCP", "UDP"]);
    match target.value {
        Value::String(name) if !name.is_empty() => {
            if let Err(reason) = names::port_name(name) {
                checker.refuse(&target, reason);
            }
        }
        Value::Number(_) if !target.int().is_some_and(|number| number == 0 || is_port(number)) => {
            checker.refuse(&target, "must be a port from 1 to 65535");
        }
        _ => {}
    }
    let wanted = node.int().filter(|number| *number != 0);
    if wanted.is_some() && matches!(kind, "" | "ClusterIP" | "ExternalName") {
        checker.refuse(&node, "may not be used when type is ClusterIP");
    } else if wanted.is_some_and(|number| !is_port(number)) {
        checker.refuse(&node, "must be a port from 30000 to 32767");
    }
}

fn affinity(checker: &mut Checker, spec: &Cursor<'_>) {
    let (affinity, config) = (spec.field("sessionAffinity"), spec.field("sessionAffinityConfig"));
    checker.one_of(&affinity, &["None", "ClientIP"]);
    let seconds = config.field("clientIP").field("timeoutSeconds");
    if affinity.text() != "ClientIP" && !seconds.value.is_null() {
        checker.refuse(&config, "must be absent without sessionAffinity ClientIP");
    } else if seconds.int().is_some_and(|s| !(1..=AFFINITY_SECONDS_MAX).contains(&s)) {
        checker.refuse(&seconds, "must be from 1 to 86400");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(name: &str, spec: &Value) -> Vec<String> {
        let mut checker = Checker::default();
        let object = json!({"metadata": {"name": name}, "spec": spec});
        check(&mut checker, &Cursor::new(&object));
        checker.problems.iter().map(|problem| problem.path.to_string()).collect()
    }

    #[test]
    fn what_kubernetes_refuses_of_a_service_is_refused_with_its_path() {
        let web = json!({"ports": [{"port": 80}]});
        assert_eq!(refused("web", &web), [""; 0]);
        assert_eq!(refused("1web", &web), ["metadata.name"]);
        assert_eq!(refused("a.web", &web), ["metadata.name"]);
        let table = [
            (json!({}), "spec.ports"),
            (json!({"clusterIP": "None"}), ""),
            (json!({"type": "ExternalName", "externalName": "db.example.org"}), ""),
            (json!({"type": "ExternalName"}), "spec.externalName"),
            (json!({"type": "Magic", "ports": [{"port": 80}]}), "spec.type"),
            (json!({"ports": [{"port": 80, "protocol": "SCTP"}]}), "spec.ports[0].protocol"),
            (json!({"ports": [{"port": 0}]}), "spec.ports[0].port"),
            (json!({"ports": [{"port": 80, "targetPort": "http"}]}), ""),
            (json!({"ports": [{"port": 80, "targetPort": 70_000}]}), "spec.ports[0].targetPort"),
            (json!({"ports": [{"port": 80, "nodePort": 30_001}]}), "spec.ports[0].nodePort"),
            (json!({"ports": [{"port": 80}, {"port": 81, "name": "b"}]}), "spec.ports[0].name"),
            (json!({"ports": [{"port": 80}], "clusterIPs": ["10.0.0.1"]}), "spec.clusterIPs[0]"),
            (json!({"ports": [{"port": 80}], "ipFamilies": ["IPv6"]}), "spec.ipFamilies[0]"),
            (json!({"ports": [{"port": 80}], "sessionAffinity": "ClientIP"}), ""),
            (
                json!({"ports": [{"port": 80}], "sessionAffinity": "ClientIP",
                    "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}}),
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            ),
        ];
        for (spec, path) in table {
            let expected: Vec<&str> =
                Some(path).filter(|path| !path.is_empty()).into_iter().collect();
            assert_eq!(refused("web", &spec), expected, "{spec}");
        }
    }
}
