//! What a container asks for and may use at most.

use serde_json::Value;
use setpoint_schemas::Quantity;

use super::cursor::{Checker, Cursor};
use super::names;

/// Resources without a domain that a container may ask for.
const PLAIN: &[&str] = &["cpu", "memory", "ephemeral-storage"];

pub(crate) fn check(checker: &mut Checker, at: &Cursor<'_>) {
    let (requests, limits) = (at.field("requests"), at.field("limits"));
    for (name, amount) in requests.entries().into_iter().chain(limits.entries()) {
        check_name(checker, name, &amount);
        if let Some(quantity) = quantity(&amount).filter(Quantity::is_negative) {
            checker.refuse(&amount, format!("is {quantity} and must not be negative"));
        }
    }
    for (name, request) in requests.entries() {
        let limit = limits.get(name);
        let (Some(request_amount), Some(limit_amount)) =
            (quantity(&request), limit.as_ref().and_then(quantity))
        else {
            if limit.is_none() && is_extended(name) {
                checker.refuse(&request, "an extended resource needs a limit");
            }
            continue;
        };
        let amounts = (request_amount.milli(), limit_amount.milli());
        if amounts.0 > amounts.1 {
            checker.refuse(&request, format!("is above its limit {limit_amount}"));
        } else if is_extended(name) && amounts.0 != amounts.1 {
            checker.refuse(&request, "an extended resource is requested exactly as limited");
        }
    }
}

/// Whether this is a resource that a container may ask for.
pub(super) fn check_name(checker: &mut Checker, name: &str, at: &Cursor<'_>) {
    if PLAIN.contains(&name) {
        return;
    }
    if !name.contains('/') {
        if !name.starts_with("hugepages-") {
            let plain = PLAIN.join(", ");
            checker.refuse(at, format!("is none of {plain}, nor a resource with a domain"));
        }
    } else if let Err(reason) = names::qualified(name) {
        checker.refuse(at, reason);
    }
}

/// Whether a resource is one of a domain of its own, of which nobody has more than he asked for.
pub(super) fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.starts_with("kubernetes.io/")
}

/// The quantity that stands there.
pub(super) fn quantity(at: &Cursor<'_>) -> Option<Quantity> {
    match at.value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}
