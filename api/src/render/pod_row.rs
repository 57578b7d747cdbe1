//! A pod in a row: how many containers are ready, in one word how it is, how often it was restarted.
//!
//! Source: kubectl's and the server's printer, `printPod` in
//! `k8s.io/kubernetes/pkg/printers/internalversion`.

use serde_json::Value;

/// A pod in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRow {
    /// Containers and sidecars that are ready.
    pub ready: usize,
    /// All containers and sidecars.
    pub total: usize,
    /// One word, such as `Running`, `Init:0/2` or `CrashLoopBackOff`.
    pub status: String,
    /// How often its containers were restarted; while it begins, its init containers.
    pub restarts: i64,
}

impl PodRow {
    /// Of a Pod as the API serves it.
    #[must_use]
    pub fn of(pod: &Value) -> PodRow {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let sidecars = each(&spec["initContainers"]).filter(|init| is_sidecar(init)).count();
        let containers = each(&spec["containers"]).count();
        let shown = each(&status["containerStatuses"]).count();
        let begins = begins(spec, status);
        let mut row = PodRow {
            ready: begins.ready,
            total: containers.max(shown) + sidecars,
            status: own_word(status),
            restarts: begins.restarts,
        };
        match begins.word.filter(|_| !is_initialized(status)) {
            Some(word) => row.status = word,
            None => row.add_containers(&status["containerStatuses"], begins.sidecar_restarts),
        }
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            row.status = "Terminating".to_owned();
        }
        row
    }

    /// What the containers say, the first one that is in trouble last and so aloud.
    fn add_containers(&mut self, statuses: &Value, sidecar_restarts: i64) {
        self.restarts = sidecar_restarts;
        let mut any_runs = false;
        for container in each(statuses).collect::<Vec<_>>().into_iter().rev() {
            self.restarts += restarts(container);
            if let Some(reason) = trouble(container) {
                self.status = reason;
            } else if container["ready"] == true && !container["state"]["running"].is_null() {
                any_runs = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" && any_runs {
            self.status = "Running".to_owned();
        }
    }
}

/// What init containers say.
#[derive(Default)]
struct Begins {
    ready: usize,
    restarts: i64,
    sidecar_restarts: i64,
    /// How far the pod has begun; `None` when it has.
    word: Option<String>,
}

fn begins(spec: &Value, status: &Value) -> Begins {
    let mut begins = Begins::default();
    let total = each(&spec["initContainers"]).count();
    for (index, init) in each(&status["initContainerStatuses"]).enumerate() {
        begins.restarts += restarts(init);
        let mut specs = each(&spec["initContainers"]);
        let is_sidecar = specs.any(|spec| spec["name"] == init["name"] && is_sidecar(spec));
        if is_sidecar {
            begins.sidecar_restarts += restarts(init);
        }
        let state = &init["state"];
        if state["terminated"]["exitCode"] == 0 {
            continue;
        }
        if is_sidecar && init["started"] == true {
            begins.ready += usize::from(init["ready"] == true);
            continue;
        }
        let waits =
            state["waiting"]["reason"].as_str().filter(|reason| *reason != "PodInitializing");
        begins.word = Some(match (trouble(init), waits) {
            (Some(reason), _) if state["waiting"].is_null() => format!("Init:{reason}"),
            (_, Some(reason)) if !reason.is_empty() => format!("Init:{reason}"),
            _ => format!("Init:{index}/{total}"),
        });
        break;
    }
    begins
}

/// Why a pod with scheduling gates is not placed.
const GATED: &str = "SchedulingGated";

/// The pod's own word: that gates hold it back, its reason, otherwise its phase.
fn own_word(status: &Value) -> String {
    let is_gated =
        |condition: &Value| condition["reason"] == GATED && condition["type"] == "PodScheduled";
    if each(&status["conditions"]).any(is_gated) {
        return GATED.to_owned();
    }
    let phase = status["phase"].as_str().unwrap_or("Unknown");
    let reason = status["reason"].as_str().filter(|reason| !reason.is_empty());
    // What waits for a place says so elsewhere.
    let reason = reason.filter(|_| phase != "Pending");
    reason.unwrap_or(phase).to_owned()
}

/// Why a container does not run.
fn trouble(container: &Value) -> Option<String> {
    let state = &container["state"];
    let said = [&state["waiting"]["reason"], &state["terminated"]["reason"]];
    let said = said.into_iter().filter_map(Value::as_str).find(|reason| !reason.is_empty());
    if let Some(reason) = said {
        return Some(reason.to_owned());
    }
    let ended = &state["terminated"];
    if ended.is_null() {
        return None;
    }
    Some(match ended["signal"].as_i64().unwrap_or(0) {
        0 => format!("ExitCode:{}", ended["exitCode"].as_i64().unwrap_or(0)),
        signal => format!("Signal:{signal}"),
    })
}

fn is_initialized(status: &Value) -> bool {
    each(&status["conditions"]).any(|c| c["type"] == "Initialized" && c["status"] == "True")
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn restarts(container: &Value) -> i64 {
    container["restartCount"].as_i64().unwrap_or(0)
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(phase: &str, inits: Value, mains: Value) -> (String, String) {
        let sidecar = json!({"name": "side", "restartPolicy": "Always"});
        let pod = json!({
            "spec": {"containers": [{"name": "main"}], "initContainers": [{"name": "init"}, sidecar]},
            "status": {"phase": phase, "initContainerStatuses": inits, "containerStatuses": mains},
        });
        let row = PodRow::of(&pod);
        (format!("{}/{}", row.ready, row.total), row.status)
    }

    #[test]
    fn a_pod_says_how_far_it_has_come_as_kubectl_does() {
        let container = |name: &str, state: Value| {
            let runs = state.get("running").is_some();
            json!({"name": name, "state": state, "ready": runs, "started": runs, "restartCount": 1})
        };
        let waits = |reason: &str| json!({"waiting": {"reason": reason}});
        let ended =
            |code: i64, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
        let runs = || json!({"running": {}});
        let idle = || json!([container("main", waits("PodInitializing"))]);
        let inits =
            |init: Value, side: Value| json!([container("init", init), container("side", side)]);
        let later = || waits("PodInitializing");
        let done = || ended(0, "Completed");
        let table = [
            ("Pending", inits(runs(), later()), idle(), "0/2", "Init:0/2"),
            ("Pending", inits(ended(3, "Error"), later()), idle(), "0/2", "Init:Error"),
            (
                "Pending",
                inits(waits("CrashLoopBackOff"), later()),
                idle(),
                "0/2",
                "Init:CrashLoopBackOff",
            ),
            ("Pending", inits(done(), later()), idle(), "0/2", "Init:1/2"),
            ("Pending", inits(done(), runs()), idle(), "1/2", "PodInitializing"),
            (
                "Running",
                inits(done(), runs()),
                json!([container("main", runs())]),
                "2/2",
                "Running",
            ),
            (
                "Running",
                inits(done(), runs()),
                json!([container("main", waits("CrashLoopBackOff"))]),
                "1/2",
                "CrashLoopBackOff",
            ),
            (
                "Succeeded",
                inits(done(), done()),
                json!([container("main", done())]),
                "0/2",
                "Completed",
            ),
            (
                "Failed",
                inits(done(), done()),
                json!([container("main", ended(137, "OOMKilled"))]),
                "0/2",
                "OOMKilled",
            ),
        ];
        for (phase, inits, mains, ready, status) in table {
            let context = format!("{inits} {mains}");
            assert_eq!(
                row(phase, inits, mains),
                (ready.to_owned(), status.to_owned()),
                "{context}"
            );
        }
    }

    #[test]
    fn a_pod_that_was_ended_says_why() {
        let status = json!({"phase": "Failed", "reason": "DeadlineExceeded"});
        assert_eq!(PodRow::of(&json!({"status": status})).status, "DeadlineExceeded");
        let status = json!({"phase": "Pending", "reason": "Unschedulable"});
        assert_eq!(PodRow::of(&json!({"status": status})).status, "Pending");
    }
}
