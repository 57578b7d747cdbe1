//! What Kubernetes serves of a pod and we do not yet, and where it is meanwhile.

/// The output of containers.
pub const LOGS: &str = "the output of containers is not served yet; read it on the pod's node: with \
     `docker logs` of its container (label setpoint.dev/name=POD), or with the process runtime in \
     DATA_DIR/agents/NODE/process/FLEET/pods/pod-UID/c0/out.log";
/// Commands in containers.
pub const EXEC: &str = "commands in containers are not served yet; give them on the pod's node, with \
     `docker exec` in its container (label setpoint.dev/name=POD)";
/// Ports of pods.
pub const PORTS: &str = "ports are not forwarded yet; publish one with hostPort in the manifest and \
     call the pod's node";
/// What pods use.
pub const USAGE: &str = "what pods use is not served yet; `setpoint get nodes` tells what is requested, \
     `docker stats` on the node what is used";

/// Where a pod's subresource is; `None` for one that is served, or that nobody knows.
pub(crate) fn of_pod(subresource: &str) -> Option<&'static str> {
    match subresource {
        "log" => Some(LOGS),
        "exec" | "attach" => Some(EXEC),
        "portforward" => Some(PORTS),
        _ => None,
    }
}
