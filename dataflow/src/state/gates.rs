//! The readiness gates of a template's pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{POD_CONDITIONS, PodSpec};

/// What a placement says of a pod with gates of which nobody set anything.
pub(super) const NONE: &str = "[]";

/// The gates of a spec. The annotations of its template are made to say whether there are some: what the
/// conditions of a pod are is said of each by itself.
pub(super) fn gates(spec: &PodSpec, annotations: &mut BTreeMap<String, String>) -> Box<[Arc<str>]> {
    annotations.remove(POD_CONDITIONS);
    if !spec.readiness_gates.is_empty() {
        annotations.insert(POD_CONDITIONS.to_owned(), NONE.to_owned());
    }
    spec.readiness_gates.iter().map(|gate| Arc::from(&*gate.condition_type)).collect()
}
