//! What Kubernetes serves of a pod and we do not yet, and where it is meanwhile.

/// What a container's own process reads and writes.
pub const ATTACHED: &str = "the input of a container's own process is not served; read its output with \
     `setpoint logs --follow POD`, or give a command beside it with `setpoint exec`";
/// Ports of pods, asked for as kubectl asks.
pub const PORTS: &str = "ports are forwarded over WebSocket here, and this client speaks SPDY; use \
     `setpoint port-forward`";
/// What pods use.
pub const USAGE: &str = "what pods use is not served yet; `setpoint get nodes` tells what is requested, \
     `docker stats` on the node what is used";

/// Where a pod's subresource is; `None` for one that is served, or that nobody knows.
pub(crate) fn of_pod(subresource: &str) -> Option<&'static str> {
    match subresource {
        "attach" => Some(ATTACHED),
        _ => None,
    }
}
