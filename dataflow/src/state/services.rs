//! Who holds which address and which port of the nodes, of all Services.
//!
//! Guarantee: follows from the resources.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;
use setpoint_rules::service::{Claims, NodePort};
use setpoint_schemas::{Resource, ResourceKey};

use super::Keyed;

/// Whether a resource is a Service.
pub(crate) fn is_service(key: &ResourceKey) -> bool {
    &*key.kind.kind == "Service" && key.kind.group.is_empty()
}

/// What Services hold.
#[derive(Debug, Default)]
pub(crate) struct Services {
    by_address: BTreeMap<Ipv4Addr, ResourceKey>,
    by_port: BTreeMap<NodePort, ResourceKey>,
    claims: Keyed<Claims>,
}

impl Services {
    /// A Service is this now, or gone.
    pub(crate) fn set(&mut self, key: &ResourceKey, resource: Option<&Resource>) {
        if let Some(former) = self.claims.remove(key) {
            former.address.map(|address| self.by_address.remove(&address));
            former.node_ports.iter().for_each(|port| drop(self.by_port.remove(port)));
        }
        let Some(resource) = resource else { return };
        let body: Value = serde_json::from_str(&resource.body).unwrap_or_default();
        let claims = Claims::of(&body);
        if let Some(address) = claims.address {
            self.by_address.insert(address, key.clone());
        }
        for port in &claims.node_ports {
            self.by_port.insert(*port, key.clone());
        }
        if claims != Claims::default() {
            self.claims.insert(key.clone(), claims);
        }
    }

    /// Whether another one has this address.
    pub(crate) fn has_address(&self, address: Ipv4Addr, than: &ResourceKey) -> bool {
        self.by_address.get(&address).is_some_and(|holder| holder != than)
    }

    /// Whether another one has this port of the nodes.
    pub(crate) fn has_port(&self, port: NodePort, than: &ResourceKey) -> bool {
        self.by_port.get(&port).is_some_and(|holder| holder != than)
    }
}
