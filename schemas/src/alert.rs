//! Alerts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An alert, firing or resolved. On the log under its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The hash of its labels.
    pub fingerprint: String,
    /// Firing or resolved.
    pub state: AlertState,
    /// Its labels, `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Engine time, milliseconds since 1970.
    pub starts_ms: i64,
    /// Engine time, milliseconds since 1970; 0 while it fires.
    pub ends_ms: i64,
}

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertState {
    /// Its condition holds.
    Firing,
    /// Its condition no longer holds.
    Resolved,
}
