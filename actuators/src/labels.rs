//! The labels on everything that a runtime keeps for us. What lacks [`FLEET`] with our fleet's id
//! is not ours and is never touched.

/// The fleet.
pub const FLEET: &str = "setpoint.dev/fleet";
/// The pod's uid.
pub const POD_UID: &str = "setpoint.dev/pod-uid";
/// The restart generation, in decimal.
pub const GENERATION: &str = "setpoint.dev/generation";
/// The term that placed it, in decimal.
pub const TERM: &str = "setpoint.dev/term";
/// The pod's namespace.
pub const NAMESPACE: &str = "setpoint.dev/namespace";
/// The pod's name.
pub const NAME: &str = "setpoint.dev/name";
/// The container's name within the pod.
pub const CONTAINER: &str = "setpoint.dev/container";
