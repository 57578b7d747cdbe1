//! The names of Services and their pods, as records.
//!
//! Guarantee: an address is told only where a connection to it reaches the pod that is meant. What a
//! container of another node has for an address may be somebody else's here.
//!
//! Source: Kubernetes' DNS-Based Service Discovery, version 1.1.0.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::super::known::{Known, Now};
use super::super::objects::{Endpoint, Protocol, Service};
use super::message::{ANY, Data, Record, SRV};
use crate::ServicesOptions;

/// How long an answer may be kept, seconds: CoreDNS's. A pod that goes is asked for no longer than this.
const TTL_SECONDS: u32 = 5;
/// Kubernetes gives all records the same place.
const SRV_WEIGHT: u16 = 100;

/// The names that are ours.
pub(crate) struct Zone {
    domain: String,
    pub(super) upstreams: Vec<SocketAddr>,
}

/// What is said of a name.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// It has these records, and these belong to them.
    Records { answers: Vec<Record>, additionals: Vec<Record> },
    /// It is another name's: who asked goes on from there.
    Alias { name: String, record: Record },
    /// There is no such name.
    Absent,
    /// The name is not ours to answer.
    Elsewhere,
}

/// What a name is about: a Service, and what stands before it.
struct Meant {
    now: Arc<Now>,
    service: Arc<Service>,
    before: Vec<String>,
}

impl Zone {
    pub(crate) fn new(options: &ServicesOptions) -> Zone {
        let domain = options.domain.trim_matches('.').to_ascii_lowercase();
        Zone { domain, upstreams: options.upstreams.clone() }
    }

    /// What is said of a name, on this node.
    pub(super) fn answer(&self, known: &Known, name: &str, kind: u16) -> Answer {
        let Some(rest) = name.strip_suffix(&self.domain) else {
            return Answer::Elsewhere;
        };
        if !rest.is_empty() && !rest.ends_with('.') {
            return Answer::Elsewhere;
        }
        let rest = rest.trim_end_matches('.');
        let found = meant(known, rest).or_else(|| in_project(known, rest));
        let Some(meant) = found else { return Answer::Absent };
        if let Some(external) = &meant.service.external {
            return alias(name, external);
        }
        let found = match meant.before.as_slice() {
            [] if kind == SRV => self.ports(known, &meant, name, |_| true),
            [] => addresses(known, &meant, name),
            [port, protocol] if port.starts_with('_') && protocol.starts_with('_') => {
                let is_it = |(named, of): (&str, Protocol)| {
                    port[1..] == *named && protocol[1..] == *of.word()
                };
                self.ports(known, &meant, name, is_it)
            }
            [pod] => pod_addresses(known, &meant, pod, name),
            _ => None,
        };
        match found {
            None => Answer::Absent,
            Some((answers, additionals)) => {
                let asked = |record: &Record| kind == ANY || record.data.kind() == kind;
                let answers: Vec<Record> = answers.into_iter().filter(asked).collect();
                let additionals = if answers.is_empty() { Vec::new() } else { additionals };
                Answer::Records { answers, additionals }
            }
        }
    }

    /// The records of the ports that are meant, with the addresses of who has them.
    fn ports(
        &self,
        known: &Known,
        meant: &Meant,
        name: &str,
        is_meant: impl Fn((&str, Protocol)) -> bool,
    ) -> Option<(Vec<Record>, Vec<Record>)> {
        let (namespace, service) = &meant.service.name;
        let host = format!("{service}.{namespace}.svc.{}", self.domain);
        let mut found = (Vec::new(), Vec::new());
        let mut add = |host: &str, port: u16, address: Ipv4Addr| {
            let target = host.to_owned();
            found.0.push(record(name, Data::Service { weight: SRV_WEIGHT, port, target }));
            let address = address_record(host, address);
            if !found.1.contains(&address) {
                found.1.push(address);
            }
        };
        let ports = meant.service.ports.iter();
        let ports = ports.filter(|port| is_meant((port.name.as_str(), port.protocol)));
        for port in ports {
            if let Some(address) = meant.service.address {
                add(&host, port.number, address);
                continue;
            }
            for (endpoint, address) in reachable(known, &meant.now) {
                if let Some(to) = endpoint.port(&port.name, port.protocol) {
                    add(&format!("{}.{host}", label_of(endpoint, address)), to, address);
                }
            }
        }
        (!found.0.is_empty()).then_some(found)
    }
}

fn alias(name: &str, external: &str) -> Answer {
    let target = external.trim_end_matches('.').to_ascii_lowercase();
    let record = record(name, Data::Alias(target.clone()));
    Answer::Alias { name: target, record }
}

/// `before…service.namespace.svc`, where there is such a Service.
fn meant(known: &Known, text: &str) -> Option<Meant> {
    let mut labels: Vec<String> = text.split('.').map(str::to_owned).collect();
    if labels.pop()? != "svc" {
        return None;
    }
    let (namespace, service) = (labels.pop()?, labels.pop()?);
    let now = known.now(&(namespace, service))?;
    let service = now.service.clone()?;
    Some(Meant { now, service, before: labels })
}

/// `alias.project.namespace.project`: a Service by a name that its Compose project gives it.
fn in_project(known: &Known, text: &str) -> Option<Meant> {
    let (rest, namespace) = text.strip_suffix(".project")?.rsplit_once('.')?;
    let (alias, project) = rest.rsplit_once('.')?;
    let now = known.known_as(namespace, project, alias)?;
    let service = now.service.clone()?;
    Some(Meant { now, service, before: Vec::new() })
}

fn addresses(known: &Known, meant: &Meant, name: &str) -> Option<(Vec<Record>, Vec<Record>)> {
    let own = meant.service.address.map(|address| vec![address_record(name, address)]);
    let records = own.unwrap_or_else(|| {
        let all = reachable(known, &meant.now);
        all.into_iter().map(|(_, address)| address_record(name, address)).collect()
    });
    // Without a ready pod a headless Service has no name.
    (!records.is_empty()).then(|| (records, Vec::new()))
}

fn pod_addresses(
    known: &Known,
    meant: &Meant,
    pod: &str,
    name: &str,
) -> Option<(Vec<Record>, Vec<Record>)> {
    if meant.service.address.is_some() {
        return None;
    }
    let all = reachable(known, &meant.now).into_iter();
    let of_pod = all.filter(|(endpoint, address)| label_of(endpoint, *address) == pod);
    let records: Vec<Record> = of_pod.map(|(_, address)| address_record(name, address)).collect();
    (!records.is_empty()).then(|| (records, Vec::new()))
}

/// The ready endpoints that are reached by their own address from this node, each address once.
fn reachable<'n>(known: &Known, now: &'n Now) -> Vec<(&'n Endpoint, Ipv4Addr)> {
    let is_here = |endpoint: &Endpoint| known.is_here(endpoint) || is_nodes_own(endpoint);
    let ready = now.endpoints.iter().filter(|endpoint| endpoint.ready && is_here(endpoint));
    let mut found: Vec<(&Endpoint, Ipv4Addr)> =
        ready.filter_map(|endpoint| Some((&**endpoint, endpoint.address.parse().ok()?))).collect();
    found.sort_by_key(|(endpoint, address)| (*address, endpoint.hostname.clone()));
    found.dedup_by_key(|(endpoint, address)| (*address, endpoint.hostname.clone()));
    found
}

/// Whether a pod has the address of its node, where every node reaches it.
fn is_nodes_own(endpoint: &Endpoint) -> bool {
    let ferry = endpoint.ferry.as_deref().and_then(|ferry| ferry.parse::<SocketAddr>().ok());
    ferry.is_some_and(|ferry| ferry.ip().to_string() == endpoint.address)
}

/// A pod's label below its Service: its host name, or its address with hyphens.
fn label_of(endpoint: &Endpoint, address: Ipv4Addr) -> String {
    endpoint.hostname.clone().unwrap_or_else(|| address.to_string().replace('.', "-"))
}

fn address_record(name: &str, address: Ipv4Addr) -> Record {
    record(name, Data::Address(address))
}

fn record(name: &str, data: Data) -> Record {
    Record { name: name.to_owned(), ttl_seconds: TTL_SECONDS, data }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use serde_json::{Value, json};
    use setpoint_schemas::NodeName;

    use super::super::super::objects::Slice;
    use super::super::message::{A, AAAA};
    use super::*;

    fn known() -> Known {
        let known = Known::new(NodeName::parse("n1").expect("a name"));
        let service = |name: &str, spec: Value| {
            let metadata = json!({"namespace": "shop", "name": name,
                "labels": {"setpoint.dev/compose-project": "p"},
                "annotations": {"setpoint.dev/aliases": format!("{name},{name}.alias")}});
            known.set_service(Service::of(&json!({"metadata": metadata, "spec": spec})));
        };
        let ports =
            json!([{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
        service("web", json!({"clusterIP": "127.96.0.20", "ports": ports}));
        service("db", json!({"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]}));
        service("empty", json!({"clusterIP": "None"}));
        service("out", json!({"type": "ExternalName", "externalName": "db.example.org"}));
        let endpoint = |uid: &str, address: &str, node: &str, hostname: Option<&str>| {
            json!({"addresses": [address], "nodeName": node, "hostname": hostname,
                "ferry": "10.0.0.2:7946", "targetRef": {"uid": uid},
                "conditions": {"ready": uid != "unready"}})
        };
        let slice = json!({
            "metadata": {"namespace": "shop", "name": "db-x",
                "labels": {"kubernetes.io/service-name": "db"}},
            "ports": [{"name": "sql", "protocol": "TCP", "port": 5432}],
            "endpoints": [
                endpoint("a", "172.17.0.2", "n1", Some("db-0")),
                endpoint("b", "10.0.0.2", "n2", None),
                endpoint("c", "172.17.0.9", "n2", Some("db-1")),
                endpoint("unready", "172.17.0.3", "n1", Some("db-2")),
            ],
        });
        known.set_slice(Slice::of(&slice).expect("a slice"));
        known
    }

    fn told(name: &str, kind: u16) -> String {
        let options = ServicesOptions {
            ferry_port: 0,
            publish: IpAddr::from(Ipv4Addr::LOCALHOST),
            names: None,
            domain: "cluster.local".to_owned(),
            upstreams: Vec::new(),
            resolver: None,
            searches: Vec::new(),
        };
        match Zone::new(&options).answer(&known(), name, kind) {
            Answer::Records { answers, additionals } => {
                let data = |record: &Record| match &record.data {
                    Data::Address(address) => address.to_string(),
                    Data::Service { port, target, .. } => format!("{port} {target}"),
                    other => format!("{other:?}"),
                };
                let answers: Vec<String> = answers.iter().map(data).collect();
                let more: Vec<String> = additionals.iter().map(data).collect();
                format!("{} | {}", answers.join(", "), more.join(", "))
            }
            Answer::Alias { name, .. } => format!("alias {name}"),
            Answer::Absent => "absent".to_owned(),
            Answer::Elsewhere => "elsewhere".to_owned(),
        }
    }

    #[test]
    fn names_are_answered_as_kubernetes_says() {
        let table = [
            ("web.shop.svc.cluster.local", A, "127.96.0.20 | "),
            ("web.shop.svc.cluster.local", AAAA, " | "),
            ("web.other.svc.cluster.local", A, "absent"),
            ("db.shop.svc.cluster.local", A, "10.0.0.2, 172.17.0.2 | "),
            ("db-0.db.shop.svc.cluster.local", A, "172.17.0.2 | "),
            ("10-0-0-2.db.shop.svc.cluster.local", A, "10.0.0.2 | "),
            ("db-1.db.shop.svc.cluster.local", A, "absent"),
            ("db-2.db.shop.svc.cluster.local", A, "absent"),
            ("empty.shop.svc.cluster.local", A, "absent"),
            ("out.shop.svc.cluster.local", A, "alias db.example.org"),
            (
                "_http._tcp.web.shop.svc.cluster.local",
                SRV,
                "80 web.shop.svc.cluster.local | 127.96.0.20",
            ),
            ("_http._udp.web.shop.svc.cluster.local", SRV, "absent"),
            (
                "_sql._tcp.db.shop.svc.cluster.local",
                SRV,
                "5432 10-0-0-2.db.shop.svc.cluster.local, \
                 5432 db-0.db.shop.svc.cluster.local | 10.0.0.2, 172.17.0.2",
            ),
            ("web.p.shop.project.cluster.local", A, "127.96.0.20 | "),
            ("web.alias.p.shop.project.cluster.local", A, "127.96.0.20 | "),
            ("web.q.shop.project.cluster.local", A, "absent"),
            ("example.org", A, "elsewhere"),
            ("notcluster.local", A, "elsewhere"),
            ("svc.cluster.local", A, "absent"),
        ];
        for (name, kind, expected) in table {
            assert_eq!(told(name, kind), expected, "{name} {kind}");
        }
    }
}
