//! Which pods of a workload keep it from running as asked, and why, in their own words.
//!
//! Absent: a failure of its own. Who is told of one already gets what can be had here, or nothing.

use serde_json::Value;

use crate::client::{KindPath, escape};
use crate::context::Context;
use crate::output::field::{condition, list, name, text};
use crate::verbs::subject::is_owned;

/// Pods that are named: what is the matter with one is mostly so with all.
const PODS_TOLD_MAX: usize = 3;

/// What a container says while nothing is wrong.
const HARMLESS: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

/// What is the matter with the pods of a workload, a sentence each.
pub(crate) async fn of(cx: &Context, path: &KindPath, home: &str, named: &str) -> Vec<String> {
    let pods = cx.client.get(&format!("/api/v1/namespaces/{}/pods", escape(home)), &[]).await;
    let Ok(pods) = pods else { return Vec::new() };
    let its = list(&pods, "/items").iter().filter(|pod| is_owned(pod, &path.kind, named));
    its.filter_map(trouble).take(PODS_TOLD_MAX).collect()
}

/// What is the matter with a pod: a container that waits or ended badly, or a place that it does not get.
fn trouble(pod: &Value) -> Option<String> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut each = statuses.into_iter().flat_map(|at| list(pod, at));
    if let Some(why) = each.find_map(of_container) {
        return Some(format!("pod/{}: {why}", name(pod)));
    }
    let unplaced = condition(pod, "PodScheduled").filter(|c| text(c, "/status") == "False");
    let own = match (text(pod, "/status/phase"), unplaced) {
        ("Pending", Some(unplaced)) => text(unplaced, "/message"),
        ("Failed", _) => text(pod, "/status/message"),
        _ => "",
    };
    (!own.is_empty()).then(|| format!("pod/{}: {own}", name(pod)))
}

fn of_container(status: &Value) -> Option<String> {
    let state = |field: &str| text(status, &format!("/state/{field}"));
    let (waits, ended) = (state("waiting/reason"), state("terminated/reason"));
    let (reason, message) = if !HARMLESS.contains(&waits) {
        (waits, state("waiting/message"))
    } else if !["", "Completed"].contains(&ended) {
        (ended, state("terminated/message"))
    } else {
        return None;
    };
    let colon = if message.is_empty() { "" } else { ": " };
    Some(format!("container {} is {reason}{colon}{message}", text(status, "/name")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_says_what_is_the_matter_with_it() {
        let waiting = |reason: &str, message: &str| {
            json!({"metadata": {"name": "web-1"}, "status": {"phase": "Pending",
                "containerStatuses": [{"name": "main",
                    "state": {"waiting": {"reason": reason, "message": message}}}]}})
        };
        let unplaced = json!({"metadata": {"name": "web-1"}, "status": {"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "no room"}]}});
        let evicted = json!({"metadata": {"name": "web-1"},
            "status": {"phase": "Failed", "message": "The node was low"}});
        let ended = json!({"metadata": {"name": "web-1"}, "status": {"initContainerStatuses": [
            {"name": "first", "state": {"terminated": {"reason": "Error"}}}]}});
        for (pod, told) in [
            (
                waiting("ErrImagePull", "no such image"),
                Some("container main is ErrImagePull: no such image"),
            ),
            (waiting("NoCommand", ""), Some("container main is NoCommand")),
            (waiting("ContainerCreating", ""), None),
            (unplaced, Some("no room")),
            (evicted, Some("The node was low")),
            (ended, Some("container first is Error")),
            (json!({"status": {"phase": "Running"}}), None),
        ] {
            let told = told.map(|told| format!("pod/web-1: {told}"));
            assert_eq!(trouble(&pod), told, "{pod}");
        }
    }
}
