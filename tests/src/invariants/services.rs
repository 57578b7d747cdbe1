//! No two Services have one address or one port of the nodes.

use std::collections::BTreeSet;

use serde_json::Value;
use setpoint_schemas::Resource;

/// Whether each Service has its own.
///
/// # Errors
/// What two of them have.
pub(super) fn each_has_its_own<'r>(
    resources: impl Iterator<Item = &'r Resource>,
) -> Result<(), String> {
    let mut given = BTreeSet::new();
    for service in resources.filter(|resource| resource.kind == "Service") {
        let body: Value = serde_json::from_str(&service.body).unwrap_or_default();
        let ports = body["spec"]["ports"].as_array().into_iter().flatten();
        let ports = ports.map(|port| port["nodePort"].clone());
        for one in ports.chain([body["spec"]["clusterIP"].clone()]) {
            if !one.is_null() && !given.insert(one.to_string()) {
                return Err(format!("{} and another Service both have {one}", service.key()));
            }
        }
        if body["spec"]["clusterIP"].is_null() {
            return Err(format!("{} has no address", service.key()));
        }
    }
    Ok(())
}
