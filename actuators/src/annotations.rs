//! What a pod asks of its runtime that Kubernetes' pod spec has no field for: annotations of the
//! pod, which Compose files are translated to and manifests may carry.

/// `true`: a process of the runtime's own is the container's first and reaps what is left behind.
pub const INIT: &str = "setpoint.dev/init";
/// The user, and the group after a colon, by name; `runAsUser` takes only numbers. That field wins.
pub const USER: &str = "setpoint.dev/user";
/// The domain of the host name as a whole; `subdomain` is only within the fleet.
pub const DOMAIN: &str = "setpoint.dev/domainname";
/// `none`: the pod has no network but its loopback.
pub const NETWORK: &str = "setpoint.dev/network";
/// Before a volume's name: how a folder in memory is mounted, words of [`TMPFS_WORDS`] and `uid=` and
/// `gid=` with a number, joined by commas.
pub const TMPFS: &str = "tmpfs.setpoint.dev/";
/// What such a folder may be kept from.
pub const TMPFS_WORDS: &[&str] = &["noexec", "nosuid", "nodev"];
