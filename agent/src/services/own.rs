//! Pods that have this machine's own network, and whether they are in the way of who listens for their
//! Service, and that one in theirs: where both would have one port.
//!
//! Guarantee: nobody listens for a Service at a port that an endpoint of its own on this machine is yet to
//! listen at. A program that listens on every address has the Service's too and is reached there by itself;
//! for one that listens on some address alone somebody listens as for others.
//! Absent: pods of no Service or of another one. Nobody knows at which ports they will listen.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::dial::CONNECT_MAX;
use super::known::Now;
use super::objects::{Endpoint, Port, Protocol};

/// A program that has just started listens soon: nobody feels it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Who listens on every address is looked at seldom: it is news for it each time.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Who listens at a port of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listens {
    /// This agent.
    Agent,
    /// Nobody as yet: a pod of this machine may want the port, and nobody else is to be reached by it.
    Nobody,
    /// A pod of this machine, which is at this address of its own at least.
    Pod(SocketAddr),
}

/// Who listens for this port of a Service at this place, on the machine that has this address.
pub(super) fn listens(machine: Option<IpAddr>, port: &Port, now: &Now, place: u16) -> Listens {
    let lead = |endpoint: &Endpoint| endpoint.port(&port.name, port.protocol);
    let mut is_anyone = false;
    let mut starts = false;
    for endpoint in &now.endpoints {
        let Some(to) = lead(endpoint) else { continue };
        is_anyone = true;
        let address = endpoint.address.parse().ok();
        if to != place || machine.is_none() || address != machine {
            continue;
        }
        starts = true;
        if let Some(address) = address.filter(|_| endpoint.ready || endpoint.serving) {
            return match port.protocol {
                Protocol::Tcp => Listens::Pod(SocketAddr::from((address, place))),
                // Who listens for packets cannot be asked.
                Protocol::Udp => Listens::Nobody,
            };
        }
    }
    // The target of a name is known with the first endpoint.
    let may_be_same = port.target.is_none_or(|target| target == place);
    match starts || (!is_anyone && may_be_same) {
        true => Listens::Nobody,
        false => Listens::Agent,
    }
}

/// The ports of this machine that endpoints of a Service are to listen at, and are not ready.
pub(super) fn awaited(machine: Option<IpAddr>, now: &Now) -> BTreeSet<(u16, Protocol)> {
    let is_meant = |endpoint: &&Arc<Endpoint>| {
        !endpoint.ready && machine.is_some() && endpoint.address.parse().ok() == machine
    };
    let ports = now.endpoints.iter().filter(is_meant).flat_map(|endpoint| endpoint.ports.iter());
    ports.map(|(_, protocol, port)| (*port, *protocol)).collect()
}

/// Waits until a pod listens at its own address and not at this place, so that somebody has to.
pub(super) async fn is_needed(place: SocketAddr, pod: SocketAddr) {
    loop {
        if answers(place).await {
            sleep(LOOK_AGAIN).await;
        } else if answers(pod).await {
            return;
        } else {
            sleep(LOOK_EVERY).await;
        }
    }
}

async fn answers(address: SocketAddr) -> bool {
    matches!(timeout(CONNECT_MAX, TcpStream::connect(address)).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use setpoint_schemas::NodeName;

    use super::super::known::Known;
    use super::super::objects::{Service, Slice};
    use super::*;

    /// Who listens at port 80 of a Service whose endpoints are at these addresses and ports, with their flags.
    fn of(port: &Value, endpoints: &[(&str, u16, &str)]) -> Listens {
        let metadata = json!({"namespace": "d", "name": "web"});
        let known = Known::new(NodeName::parse("n1").expect("a name"));
        let service = json!({"metadata": metadata, "spec": {"ports": [port]}});
        known.set_service(Service::of(&service));
        for (number, (address, to, flags)) in endpoints.iter().enumerate() {
            let endpoint = json!({"addresses": [address], "nodeName": "n1",
                "targetRef": {"uid": format!("u{number}")},
                "conditions": {"ready": flags.contains('r'), "serving": flags.contains('s')}});
            let slice = json!({
                "metadata": {"namespace": "d", "name": format!("web-{number}"),
                    "labels": {"kubernetes.io/service-name": "web"}},
                "ports": [{"name": "", "protocol": port["protocol"], "port": to}],
                "endpoints": [endpoint],
            });
            known.set_slice(Slice::of(&slice).expect("a slice"));
        }
        let now = known.now(&("d".to_owned(), "web".to_owned())).expect("it is known");
        let machine = "10.0.0.1".parse().ok();
        let service = now.service.as_ref().expect("a service");
        listens(machine, &service.ports[0], &now, 80)
    }

    #[test]
    fn nobody_listens_where_a_pod_of_this_machine_is_to() {
        let same = json!({"port": 80, "protocol": "TCP"});
        let other = json!({"port": 80, "targetPort": 8080, "protocol": "TCP"});
        let named = json!({"port": 80, "targetPort": "http", "protocol": "TCP"});
        let udp = json!({"port": 80, "protocol": "UDP"});
        let pod = Listens::Pod(SocketAddr::from(([10, 0, 0, 1], 80)));
        for (port, endpoints, wanted) in [
            (&same, &[][..], Listens::Nobody),
            (&named, &[], Listens::Nobody),
            (&other, &[], Listens::Agent),
            (&same, &[("10.0.0.1", 80, "")], Listens::Nobody),
            (&same, &[("10.0.0.1", 80, "rs")], pod),
            (&udp, &[("10.0.0.1", 80, "rs")], Listens::Nobody),
            (&named, &[("10.0.0.1", 80, ""), ("10.0.0.1", 80, "rs")], pod),
            (&named, &[("10.0.0.1", 8080, "rs")], Listens::Agent),
            // Of another machine, or of a network of its own.
            (&same, &[("10.0.0.2", 80, "rs")], Listens::Agent),
            (&same, &[("10.0.0.2", 80, "rs"), ("10.0.0.1", 80, "")], Listens::Nobody),
        ] {
            assert_eq!(of(port, endpoints), wanted, "{port} {endpoints:?}");
        }
    }
}
