//! Services and slices as the API tells them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use setpoint_schemas::PodUid;

/// The annotation by which a Service is published at ports of the nodes' own:
/// `[address:]port:port-of-the-service/protocol`, separated by commas. Compose's `ports` become it.
const PUBLISH: &str = "setpoint.dev/publish";
/// The annotation with the names by which others of its Compose project find a Service.
const ALIASES: &str = "setpoint.dev/aliases";
/// The label with the Compose project of an object.
pub(super) const PROJECT: &str = "setpoint.dev/compose-project";
/// Kubernetes' affinity where nothing is said: three hours.
const AFFINITY_SECONDS: u64 = 10_800;

/// Namespace and name.
pub(crate) type Name = (String, String);

/// A protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: Name,
    /// When it was made: who is told of Services is told of the earlier ones first.
    pub(crate) created: String,
    /// Its address; `None` of a headless one.
    pub(crate) address: Option<Ipv4Addr>,
    /// Another name that it stands for.
    pub(crate) external: Option<String>,
    pub(crate) ports: Vec<Port>,
    /// How long a client stays with its endpoint.
    pub(crate) affinity: Option<Duration>,
    /// Whether connections from the node go to its own endpoints only.
    pub(crate) inner_is_local: bool,
    /// Whether connections from outside do.
    pub(crate) outer_is_local: bool,
    pub(crate) published: Vec<Published>,
    /// The Compose project that it is of, and the names by which the others there find it.
    pub(crate) project: Option<String>,
    pub(crate) aliases: Vec<String>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) number: u16,
    /// The port of its pods that it leads to; `None` of one that goes by a name.
    pub(crate) target: Option<u16>,
    pub(crate) node_port: Option<u16>,
}

/// A port of the node's own at which a port of a Service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    /// The port of the Service.
    pub(crate) to: u16,
    pub(crate) protocol: Protocol,
}

/// A slice: endpoints of one Service whose ports lead to the same places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) name: Name,
    pub(crate) service: Name,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
}

/// A pod, as a Service has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) uid: PodUid,
    pub(crate) address: String,
    pub(crate) node: String,
    pub(crate) ferry: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) ready: bool,
    pub(crate) serving: bool,
    pub(crate) terminating: bool,
    /// Where the Service's ports lead, by name and protocol.
    pub(crate) ports: Arc<Vec<(String, Protocol, u16)>>,
}

impl Protocol {
    fn of(value: &Value) -> Protocol {
        if value == "UDP" { Protocol::Udp } else { Protocol::Tcp }
    }

    /// In lowercase, as the ferry and SRV records have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

impl Service {
    /// The Service of an object.
    pub(crate) fn of(object: &Value) -> Service {
        let spec = &object["spec"];
        let is_external = spec["type"] == "ExternalName";
        let seconds = spec.pointer("/sessionAffinityConfig/clientIP/timeoutSeconds");
        let seconds = seconds.and_then(Value::as_u64).unwrap_or(AFFINITY_SECONDS);
        let published = text(&object["metadata"]["annotations"][PUBLISH]);
        Service {
            name: name_of(object),
            created: text(&object["metadata"]["creationTimestamp"]).to_owned(),
            address: text(&spec["clusterIP"]).parse().ok(),
            external: is_external.then(|| text(&spec["externalName"]).to_owned()),
            ports: list(&spec["ports"]).filter_map(Port::of).collect(),
            affinity: (spec["sessionAffinity"] == "ClientIP").then(|| Duration::from_secs(seconds)),
            inner_is_local: spec["internalTrafficPolicy"] == "Local",
            outer_is_local: spec["externalTrafficPolicy"] == "Local",
            project: some(&object["metadata"]["labels"][PROJECT]),
            aliases: text(&object["metadata"]["annotations"][ALIASES])
                .split(',')
                .filter(|alias| !alias.is_empty())
                .map(str::to_ascii_lowercase)
                .collect(),
            published: published.split(',').filter_map(Published::of).collect(),
        }
    }
}

impl Service {
    /// Its names in its project: namespace, project and name of each.
    pub(crate) fn known_as(&self) -> impl Iterator<Item = (String, String, String)> {
        let project = self.project.iter();
        project.flat_map(|project| {
            let name = |alias: &String| (self.name.0.clone(), project.clone(), alias.clone());
            self.aliases.iter().map(name)
        })
    }
}

impl Port {
    fn of(port: &Value) -> Option<Port> {
        let own = number(&port["port"])?;
        let target = &port["targetPort"];
        Some(Port {
            name: text(&port["name"]).to_owned(),
            protocol: Protocol::of(&port["protocol"]),
            number: own,
            target: if target.is_null() { Some(own) } else { number(target) },
            node_port: number(&port["nodePort"]).filter(|port| *port > 0),
        })
    }
}

impl Published {
    fn of(text: &str) -> Option<Published> {
        let (ports, protocol) = text.trim().rsplit_once('/')?;
        let (rest, to) = ports.rsplit_once(':')?;
        let (address, port) = match rest.rsplit_once(':') {
            Some((address, port)) => {
                let address = address.trim_start_matches('[').trim_end_matches(']');
                (Some(address.parse().ok()?), port)
            }
            None => (None, rest),
        };
        Some(Published {
            address,
            port: port.parse().ok()?,
            to: to.parse().ok()?,
            protocol: if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
        })
    }
}

impl Slice {
    /// The slice of an object; `None` of one that belongs to no Service.
    pub(crate) fn of(object: &Value) -> Option<Slice> {
        let name = name_of(object);
        let service = text(&object["metadata"]["labels"]["kubernetes.io/service-name"]);
        if service.is_empty() {
            return None;
        }
        let port = |port: &Value| {
            let name = text(&port["name"]).to_owned();
            Some((name, Protocol::of(&port["protocol"]), number(&port["port"])?))
        };
        let ports = Arc::new(list(&object["ports"]).filter_map(port).collect());
        let endpoint = |endpoint: &Value| Endpoint::of(endpoint, &ports).map(Arc::new);
        let endpoints = list(&object["endpoints"]).filter_map(endpoint).collect();
        Some(Slice { service: (name.0.clone(), service.to_owned()), name, endpoints })
    }
}

impl Endpoint {
    fn of(endpoint: &Value, ports: &Arc<Vec<(String, Protocol, u16)>>) -> Option<Endpoint> {
        let conditions = &endpoint["conditions"];
        Some(Endpoint {
            uid: PodUid::parse(text(&endpoint["targetRef"]["uid"])).ok()?,
            address: some(&endpoint["addresses"][0])?,
            node: text(&endpoint["nodeName"]).to_owned(),
            ferry: some(&endpoint["ferry"]),
            hostname: some(&endpoint["hostname"]),
            ready: conditions["ready"] == true,
            serving: conditions["serving"] == true,
            terminating: conditions["terminating"] == true,
            ports: ports.clone(),
        })
    }

    /// Where a port of the Service leads in it.
    pub(crate) fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let mut ports = self.ports.iter();
        let found = ports.find(|(named, of, _)| named == name && *of == protocol);
        found.map(|(_, _, port)| *port)
    }
}

/// The namespace and name of an object.
pub(crate) fn name_of(object: &Value) -> Name {
    let metadata = &object["metadata"];
    (text(&metadata["namespace"]).to_owned(), text(&metadata["name"]).to_owned())
}

fn some(value: &Value) -> Option<String> {
    Some(text(value).to_owned()).filter(|text| !text.is_empty())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_read_as_the_api_tells_them() {
        let service = Service::of(&json!({
            "metadata": {"namespace": "default", "name": "web", "annotations": {
                PUBLISH: "8080:80/tcp, 127.0.0.1:53:53/udp,[::1]:81:80/tcp,broken"}},
            "spec": {"clusterIP": "127.96.1.2", "sessionAffinity": "ClientIP",
                "ports": [{"name": "http", "port": 80, "nodePort": 30_080},
                    {"name": "dns", "port": 53, "protocol": "UDP"}]},
        }));
        assert_eq!(service.address, Some(Ipv4Addr::new(127, 96, 1, 2)));
        assert_eq!(service.affinity, Some(Duration::from_secs(AFFINITY_SECONDS)));
        let ports: Vec<_> =
            service.ports.iter().map(|port| (port.number, port.protocol, port.node_port)).collect();
        assert_eq!(ports, [(80, Protocol::Tcp, Some(30_080)), (53, Protocol::Udp, None)]);
        let published: Vec<_> =
            service.published.iter().map(|p| (p.address, p.port, p.to, p.protocol)).collect();
        let local = |text: &str| Some(text.parse().expect("an address"));
        assert_eq!(
            published,
            [
                (None, 8080, 80, Protocol::Tcp),
                (local("127.0.0.1"), 53, 53, Protocol::Udp),
                (local("::1"), 81, 80, Protocol::Tcp),
            ]
        );

        let slice = json!({
            "metadata": {"namespace": "default", "name": "web-x",
                "labels": {"kubernetes.io/service-name": "web"}},
            "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
            "endpoints": [{"addresses": ["10.0.0.9"], "nodeName": "n1", "ferry": "10.0.0.1:7946",
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "targetRef": {"uid": "a"}}, {"addresses": []}],
        });
        let slice = Slice::of(&slice).expect("a slice");
        assert_eq!(slice.service, ("default".to_owned(), "web".to_owned()));
        let [endpoint] = slice.endpoints.as_slice() else { panic!("{slice:?}") };
        assert_eq!(endpoint.port("http", Protocol::Tcp), Some(8080));
        assert_eq!(endpoint.port("http", Protocol::Udp), None);
        assert_eq!((&*endpoint.address, endpoint.ready), ("10.0.0.9", true));
        assert_eq!(Slice::of(&json!({"metadata": {"name": "x"}})), None);
    }
}
