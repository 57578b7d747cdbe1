//! A pod, by its phase and its containers.

use serde_json::Value;

use super::Health;
use super::field::{condition, each, held, said, text};

/// With the value `true`, a pod that runs to its end is judged as one that runs on; Argo CD's.
const JUDGED_BY_READINESS: &str = "argocd.argoproj.io/ignore-restart-policy";
/// A pod with this annotation is a step of a deployment, and done when it has ended; Argo CD's.
const HOOK: &str = "argocd.argoproj.io/hook";

pub(super) fn pod(object: &Value) -> Health {
    let restarts_always = matches!(text(&object["spec"]["restartPolicy"]), "" | "Always");
    // What may run to its end may try as often as it likes: it has failed when it says so.
    if restarts_always && let Some(why) = waits(object, is_trouble) {
        return Health::degraded(why);
    }
    if let Some(why) = waits(object, is_for_good) {
        return Health::degraded(why);
    }
    match text(&object["status"]["phase"]) {
        "Pending" => Health::progressing(pending(object)),
        "Running" if restarts_always || is_judged_by_readiness(object) => running(object),
        "Running" => Health::progressing("it has not ended yet"),
        "Succeeded" => Health::healthy(own_word(object)),
        "Failed" => Health::degraded(end(object)),
        _ => Health::unknown(own_word(object)),
    }
}

/// One that should go on running.
fn running(object: &Value) -> Health {
    if held(object, "Ready").is_some() {
        return Health::healthy("");
    }
    let containers = each(&object["status"]["containerStatuses"]);
    let ended = |container: &&Value| {
        ["state", "lastState"].iter().any(|state| !container[*state]["terminated"].is_null())
    };
    let why = condition(object, "Ready").map(said).unwrap_or_default();
    match containers.into_iter().find(ended) {
        Some(container) => {
            let name = text(&container["name"]);
            Health::degraded(format!("container {name} has ended and is not ready again"))
        }
        None => Health::progressing(why),
    }
}

/// What the first container waits for whose reason is of these.
fn waits(object: &Value, is_meant: fn(&str) -> bool) -> Option<String> {
    let status = &object["status"];
    let statuses = each(&status["initContainerStatuses"]).chain(each(&status["containerStatuses"]));
    statuses.into_iter().find_map(|container| {
        let waiting = &container["state"]["waiting"];
        let reason = Some(text(&waiting["reason"])).filter(|reason| is_meant(reason))?;
        let message = text(&waiting["message"]);
        let colon = if message.is_empty() { "" } else { ": " };
        Some(format!("container {}: {reason}{colon}{message}", text(&container["name"])))
    })
}

/// What keeps a container from running that will not pass by waiting.
fn is_trouble(reason: &str) -> bool {
    let begins = ["Err", "Invalid"].iter().any(|start| reason.starts_with(start));
    begins || ["Error", "BackOff"].iter().any(|end| reason.ends_with(end))
}

/// What a runtime refuses for good: it is not tried again.
fn is_for_good(reason: &str) -> bool {
    matches!(reason, "NoCommand" | "Unsupported")
}

/// What is not said of a container that is only on its way.
fn is_told(reason: &str) -> bool {
    !matches!(reason, "" | "ContainerCreating" | "PodInitializing")
}

fn is_judged_by_readiness(object: &Value) -> bool {
    let annotations = &object["metadata"]["annotations"];
    annotations[JUDGED_BY_READINESS] == "true" && annotations[HOOK].is_null()
}

/// What one that has not begun says of itself, or what the first of its containers waits for.
fn pending(object: &Value) -> String {
    let own = own_word(object);
    if own.is_empty() { waits(object, is_told).unwrap_or_default() } else { own }
}

/// What the pod says of itself.
fn own_word(object: &Value) -> String {
    said(&object["status"])
}

/// Why it failed: its own word, or how its first container that failed ended.
fn end(object: &Value) -> String {
    let own = own_word(object);
    if !own.is_empty() {
        return own;
    }
    let failed = each(&object["status"]["containerStatuses"]).find_map(|container| {
        let ended = &container["state"]["terminated"];
        let code = ended["exitCode"].as_i64().filter(|code| *code != 0)?;
        let (name, reason) = (text(&container["name"]), text(&ended["reason"]));
        Some(format!("container {name} ended with exit code {code} ({reason})"))
    });
    failed.unwrap_or_default()
}
