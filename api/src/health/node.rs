//! A node, by its own word and by whether it may be used.

use serde_json::Value;

use super::Health;
use super::field::{condition, said, text};

pub(super) fn node(object: &Value) -> Health {
    let ready = condition(object, "Ready");
    let why = ready.map(said).unwrap_or_default();
    match ready.map_or("", |ready| text(&ready["status"])) {
        "True" if object["spec"]["unschedulable"] == true => Health::suspended("it is cordoned"),
        "True" => Health::healthy(""),
        "False" => Health::degraded(why),
        _ => Health::unknown(why),
    }
}
