//! GPUs that a service reserves: `deploy.resources.reservations.devices`.
//!
//! In a fleet which devices a pod has is the placer's to choose, so of `device_ids` only the number
//! is taken, and `count: all` has no meaning.

use serde_json::{Value, json};
use setpoint_schemas::GPU;

use super::fields;
use super::making::Making;
use super::units::whole;
use crate::gate::cursor::Cursor;

/// Adds the devices to a container's limits.
pub(crate) fn reserve(making: &mut Making<'_>, at: &Cursor<'_>, amounts: &mut Value) {
    let counts = at.items().into_iter().map(|entry| count(making, &entry));
    let total: i64 = counts.sum();
    if total > 0 {
        amounts["limits"][GPU] = json!(total.to_string());
    }
}

/// How many devices an entry is for; 0 when it is not acted on, or wrong.
fn count(making: &mut Making<'_>, entry: &Cursor<'_>) -> i64 {
    making.check(entry, fields::DEVICE);
    let capabilities = entry.field("capabilities");
    if !capabilities.items().iter().any(|capability| capability.text() == "gpu") {
        making.ignore(entry, "only devices with the capability gpu are known");
        return 0;
    }
    let driver = entry.field("driver");
    if !["", "nvidia"].contains(&driver.text()) {
        making.refuse(&driver, "must be nvidia");
        return 0;
    }
    let (count, ids) = (entry.field("count"), entry.field("device_ids"));
    match (count.value.is_null(), ids.items().len()) {
        (false, 1..) => making.refuse(&ids, "is not allowed with count"),
        (true, 1..) => {
            let why = "which devices a pod has is chosen where it is placed; as many are reserved";
            making.ignore(&ids, why);
            return i64::try_from(ids.items().len()).unwrap_or(0);
        }
        (_, 0) => match whole(count.value) {
            Some(number) if number > 0 => return number,
            _ => making.refuse(&count, "must be a number of at least 1"),
        },
    }
    0
}
