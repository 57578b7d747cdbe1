//! The annotations and labels by which an object says what Compose has words for and Kubernetes has
//! none.

/// The annotation that says that a workload's pods may end: they are not started anew.
pub const ANNOTATION_RUNS_ONCE: &str = "setpoint.dev/runs-once";
/// The annotation with the Compose source of a service, in JSON: variables replaced, `extends`
/// and `include` resolved, otherwise as written.
pub const ANNOTATION_SOURCE: &str = "setpoint.dev/compose-source";
/// The annotation that says which comes first in an update: `start-first` or `stop-first`.
pub const ANNOTATION_UPDATE_ORDER: &str = "setpoint.dev/update-order";
/// The annotation with the pause between batches of an update, in milliseconds.
pub const ANNOTATION_UPDATE_DELAY: &str = "setpoint.dev/update-delay-ms";
/// The label with the project's name.
pub const LABEL_PROJECT: &str = "setpoint.dev/compose-project";
/// The label with the service's name.
pub const LABEL_SERVICE: &str = "setpoint.dev/compose-service";
