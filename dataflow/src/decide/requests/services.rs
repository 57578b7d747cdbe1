//! Services get their addresses and node ports where they are accepted.
//!
//! Guarantee: no two Services have one address or one node port, within one request either.

use serde_json::Value;
use setpoint_rules::admission::{Owned, Refusal};
use setpoint_rules::service::{self, Others};
use setpoint_schemas::{RequestItem, Resource, ResourceKey};

use super::judge::Judge;
use crate::state::is_service;

impl Judge<'_> {
    /// Gives a Service what it needs of the ranges; any other resource is left as it is.
    pub(super) fn addressed(
        &self,
        item: &RequestItem,
        key: &ResourceKey,
        present: Option<&Resource>,
        put: &mut Owned,
    ) -> Result<(), Refusal> {
        if !is_service(key) {
            return Ok(());
        }
        let before: Option<Value> = present.and_then(|p| serde_json::from_str(&p.body).ok());
        let (state, given) = (&self.state.services, self.given.borrow());
        let others = Others {
            has_address: &|address| {
                state.has_address(address, key) || given.has_address(address, key)
            },
            has_port: &|port| state.has_port(port, key) || given.has_port(port, key),
        };
        let text = key.to_string();
        let range = self.state.meta.policy.service_range;
        let done = service::give(&mut put.object, before.as_ref(), (&text, &range), &others);
        done.map_err(|why| Refusal {
            code: 422,
            message: format!("{} {:?} is invalid: {why}", item.kind, item.name),
        })
    }

    /// The next items of the request know what this Service was given.
    pub(super) fn gave(&self, key: &ResourceKey, resource: &Resource) {
        if is_service(key) {
            self.given.borrow_mut().set(key, Some(resource));
        }
    }
}
