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
/// The annotation that says what becomes of an update that fails: `continue`, `pause` or `rollback`.
pub const ANNOTATION_FAILURE_ACTION: &str = "setpoint.dev/update-failure-action";
/// The annotation with the time for which a new pod is watched from its beginning, in milliseconds.
pub const ANNOTATION_MONITOR: &str = "setpoint.dev/update-monitor-ms";
/// The annotation with the share of new pods that may fail, from 0 to 1.
pub const ANNOTATION_FAILURE_RATIO: &str = "setpoint.dev/update-max-failure-ratio";
/// What [`ANNOTATION_FAILURE_ACTION`] says, of an update that goes back: `continue` or `pause`.
pub const ROLLBACK_FAILURE_ACTION: &str = "setpoint.dev/rollback-failure-action";
/// What [`ANNOTATION_MONITOR`] says, of an update that goes back.
pub const ROLLBACK_MONITOR: &str = "setpoint.dev/rollback-monitor-ms";
/// What [`ANNOTATION_FAILURE_RATIO`] says, of an update that goes back.
pub const ROLLBACK_FAILURE_RATIO: &str = "setpoint.dev/rollback-max-failure-ratio";
/// What [`ANNOTATION_UPDATE_ORDER`] says, of an update that goes back.
pub const ROLLBACK_ORDER: &str = "setpoint.dev/rollback-order";
/// The annotation with the pods of a batch of an update that goes back; 0: all at once.
pub const ROLLBACK_PARALLELISM: &str = "setpoint.dev/rollback-parallelism";
/// What [`ANNOTATION_UPDATE_DELAY`] says, of an update that goes back.
pub const ROLLBACK_DELAY: &str = "setpoint.dev/rollback-delay-ms";
/// The annotation of a pod, `true`, that asks for a process of the runtime's own as the first of each
/// container: `init`.
pub const ANNOTATION_INIT: &str = "setpoint.dev/init";
/// The annotation of a pod with the user of its containers by name, and the group after a colon;
/// `runAsUser` takes only numbers, and wins.
pub const ANNOTATION_USER: &str = "setpoint.dev/user";
/// The annotation of a pod with the domain of its host name as a whole; `subdomain` is only within the
/// fleet.
pub const ANNOTATION_DOMAIN: &str = "setpoint.dev/domainname";
/// The annotation of a pod, `none`, that asks for no network but the loopback.
pub const ANNOTATION_NETWORK: &str = "setpoint.dev/network";
/// Before a volume's name, an annotation of a pod that says how a folder in memory is mounted: `noexec`,
/// `nosuid`, `nodev`, `uid=` and `gid=`, joined by commas.
pub const ANNOTATION_TMPFS: &str = "tmpfs.setpoint.dev/";
/// The label with the project's name.
pub const LABEL_PROJECT: &str = "setpoint.dev/compose-project";
/// The label with the service's name.
pub const LABEL_SERVICE: &str = "setpoint.dev/compose-service";
/// The annotation of a Service with the ports that nodes listen on for it:
/// `[address:]port:port-of-the-service/protocol`, joined by commas.
pub const ANNOTATION_PUBLISH: &str = "setpoint.dev/publish";
/// The annotation of a Service with the names by which the others of its project find it, joined by commas.
pub const ANNOTATION_ALIASES: &str = "setpoint.dev/aliases";
