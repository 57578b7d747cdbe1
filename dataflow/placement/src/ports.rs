//! Ports of the node itself that a pod binds.
//!
//! Source: kube-scheduler's `HostPortInfo`: a wildcard address conflicts with every address, TCP
//! never with UDP.

use setpoint_schemas::PodSpec;

use crate::CompileError;

/// A port on the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostPort {
    protocol: Protocol,
    port: u16,
    address: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

const WILDCARD: &str = "0.0.0.0";

impl HostPort {
    pub(crate) fn conflicts(&self, other: &HostPort) -> bool {
        let overlap =
            self.address == other.address || self.address == WILDCARD || other.address == WILDCARD;
        self.protocol == other.protocol && self.port == other.port && overlap
    }
}

/// The ports of the node that the pod binds, sorted. On the node's own network every container
/// port is one of them, as Kubernetes defaults it.
pub(crate) fn compile(spec: &PodSpec) -> Result<Vec<HostPort>, CompileError> {
    let own_network = spec.host_network == Some(true);
    let mut ports = Vec::new();
    for port in spec.lasting_containers().flat_map(|container| &container.ports) {
        let number = match port.host_port.filter(|number| *number != 0) {
            Some(number) => number,
            None if own_network => port.container_port,
            None => continue,
        };
        let fail = |why| CompileError::new("spec.containers.ports", why);
        let protocol = match port.protocol.as_deref() {
            None | Some("TCP" | "") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(_) => return Err(fail("the protocol is none of TCP, UDP and SCTP")),
        };
        ports.push(HostPort {
            protocol,
            port: u16::try_from(number).map_err(|_| fail("a host port is out of range"))?,
            address: match port.host_ip.as_deref() {
                None | Some("" | "::") => WILDCARD.to_owned(),
                Some(address) => address.to_owned(),
            },
        });
    }
    ports.sort();
    ports.dedup();
    Ok(ports)
}
