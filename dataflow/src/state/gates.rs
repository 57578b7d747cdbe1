//! The readiness gates of a template's pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use setpoint_schemas::{
    COMPLETION_INDEX, FINISHED, INDEX_FAILURES, LEAVING, POD_CONDITIONS, PodSpec,
};

/// The annotations that a placement has beside its template's: what a template says there means nothing.
pub(crate) const OF_ONE_POD: [&str; 4] = [COMPLETION_INDEX, FINISHED, INDEX_FAILURES, LEAVING];

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
