//! What of a node's words can be true.
//!
//! Guarantee: a node says nothing of a pod that is placed on another. Records of pods stand under
//! the pod's uid in a compacted topic, where the last word displaces the true one.
//! Absent: pods that are placed nowhere; orphans and pods of watched engines are told of too.

use axum::http::StatusCode;
use setpoint_schemas::{NodeName, NodeReport, PodObserved};

use crate::model::ReadModel;
use crate::status::ApiError;

/// No session says more: a million words a second for nine years.
const SEQUENCE_MAX: i64 = 1 << 48;
/// The year 2109 in milliseconds since 1970: a clock that is wrong is allowed, a number that later
/// sums overflow with is not.
const TIME_MS_MAX: i64 = 1 << 42;

/// Whether a sequence and a time can be those of a session.
pub(crate) fn possible(node: &NodeName, sequence: i64, time_ms: i64) -> Result<(), ApiError> {
    for (what, said, max) in [("sequence", sequence, SEQUENCE_MAX), ("time", time_ms, TIME_MS_MAX)]
    {
        if !(0..=max).contains(&said) {
            return Err(refused(format!(
                "node {node} says the {what} {said}, which is not between 0 and {max}"
            )));
        }
    }
    Ok(())
}

/// Takes out what is said of pods that are placed on other nodes, and says which; what else the
/// node saw is true all the same, so one strange pod on its engine does not make it mute.
pub(crate) fn without_others(
    model: &ReadModel,
    node: &NodeName,
    report: &mut NodeReport,
) -> Result<(), ApiError> {
    let mut others = Vec::new();
    report.observed.retain(|pod| match holder(model, node, pod) {
        None => true,
        Some(holder) => {
            others.push(format!("pod {} is placed on node {holder}", pod.uid));
            false
        }
    });
    if others.is_empty() {
        return Ok(());
    }
    others.truncate(NAMED_MAX);
    Err(refused(format!("node {node} may not speak of these: {}", others.join("; "))))
}

/// As many as fit into a line of a log.
const NAMED_MAX: usize = 10;

/// The other node that holds the pod.
fn holder(model: &ReadModel, node: &NodeName, pod: &PodObserved) -> Option<NodeName> {
    model.node_of(&pod.uid).filter(|holder| holder != node)
}

fn refused(message: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}
