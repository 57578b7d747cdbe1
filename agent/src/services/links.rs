//! The variables by which a container finds the Services of its namespace.
//!
//! Source: the kubelet's `envvars.FromServices`; as there, those Services count that exist when the
//! container starts.

use super::known::Known;
use super::objects::{Port, Protocol, Service};

/// The variables for a pod of this namespace: of each Service its own, and Docker's.
pub(crate) fn links(known: &Known, namespace: &str) -> Vec<(String, String)> {
    known.services_in(namespace).iter().flat_map(|service| of_service(service)).collect()
}

fn of_service(service: &Service) -> Vec<(String, String)> {
    let (Some(address), Some(first)) = (service.address, service.ports.first()) else {
        return Vec::new();
    };
    let name = service.name.1.to_uppercase().replace('-', "_");
    let mut variables = vec![
        (format!("{name}_SERVICE_HOST"), address.to_string()),
        (format!("{name}_SERVICE_PORT"), first.number.to_string()),
    ];
    for port in service.ports.iter().filter(|port| !port.name.is_empty()) {
        let named = port.name.to_uppercase().replace('-', "_");
        variables.push((format!("{name}_SERVICE_PORT_{named}"), port.number.to_string()));
    }
    let url = |port: &Port| format!("{}://{address}:{}", port.protocol.word(), port.number);
    variables.push((format!("{name}_PORT"), url(first)));
    for port in &service.ports {
        let protocol = match port.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        let prefix = format!("{name}_PORT_{}_{protocol}", port.number);
        variables.push((prefix.clone(), url(port)));
        variables.push((format!("{prefix}_PROTO"), port.protocol.word().to_owned()));
        variables.push((format!("{prefix}_PORT"), port.number.to_string()));
        variables.push((format!("{prefix}_ADDR"), address.to_string()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_those_that_kubernetes_sets() {
        let service = Service::of(&json!({
            "metadata": {"namespace": "default", "name": "redis-primary"},
            "spec": {"clusterIP": "127.96.0.11", "ports": [{"name": "db", "port": 6379}]},
        }));
        let expected = [
            ("REDIS_PRIMARY_SERVICE_HOST", "127.96.0.11"),
            ("REDIS_PRIMARY_SERVICE_PORT", "6379"),
            ("REDIS_PRIMARY_SERVICE_PORT_DB", "6379"),
            ("REDIS_PRIMARY_PORT", "tcp://127.96.0.11:6379"),
            ("REDIS_PRIMARY_PORT_6379_TCP", "tcp://127.96.0.11:6379"),
            ("REDIS_PRIMARY_PORT_6379_TCP_PROTO", "tcp"),
            ("REDIS_PRIMARY_PORT_6379_TCP_PORT", "6379"),
            ("REDIS_PRIMARY_PORT_6379_TCP_ADDR", "127.96.0.11"),
        ];
        let told = of_service(&service);
        let told: Vec<(&str, &str)> = told.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(told, expected);
        let headless = json!({"metadata": {"name": "a"}, "spec": {"clusterIP": "None"}});
        assert_eq!(of_service(&Service::of(&headless)), [] as [(String, String); 0]);
    }
}
