//! Claims and their volumes, by their phase.

use serde_json::Value;

use super::Health;
use super::field::{said, text};

pub(super) fn claim(object: &Value) -> Health {
    let status = &object["status"];
    match text(&status["phase"]) {
        "Bound" => Health::healthy(""),
        "Pending" => Health::progressing("it waits for its volume"),
        "Lost" => Health::degraded("its volume is gone"),
        _ => Health::unknown(said(status)),
    }
}

/// A volume that nobody has, or that nobody needs any more, is as it should be.
pub(super) fn volume(object: &Value) -> Health {
    let status = &object["status"];
    match text(&status["phase"]) {
        "Available" | "Bound" | "Released" => Health::healthy(""),
        "Pending" => Health::progressing(said(status)),
        "Failed" => Health::degraded(said(status)),
        _ => Health::unknown(said(status)),
    }
}
