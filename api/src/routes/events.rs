//! The latest decisions as Kubernetes events. Absent: watches, writes, and what the ring forgot.

use axum::response::Response;
use serde_json::{Value, json};
use setpoint_schemas::PodUid;

use super::access::people_only;
use super::read::wants_table;
use super::{Call, answer};
use crate::render;
use crate::state::now_ms;
use crate::status::ApiError;

/// As many events as kubectl shows at once.
const EVENTS_LISTED_MAX: usize = 500;

/// Lists the events of a namespace or of an object.
pub(crate) fn list(call: &Call) -> Result<Response, ApiError> {
    people_only(&call.actor)?;
    if !call.target.name.is_empty() {
        return Err(ApiError::no_such_path());
    }
    let wanted = terms(call.params.get("fieldSelector"));
    let model = &call.app.state.parts.model;
    let mut events: Vec<Value> = Vec::new();
    for decision in model.decisions(usize::MAX, |_| true) {
        let uid = PodUid::parse(&decision.pod).ok();
        let pod = uid.and_then(|uid| model.pod_name(&uid));
        let pod = pod.as_ref().map(|(namespace, name)| (&**namespace, &**name));
        let event = render::event(&decision, pod).filter(|event| matches(event, call, &wanted));
        events.extend(event);
        if events.len() >= EVENTS_LISTED_MAX {
            break;
        }
    }
    let metadata = json!({"resourceVersion": model.epoch().to_string()});
    if wants_table(&call.headers) {
        return Ok(answer(render::table("", "Event", &events, &metadata, now_ms())));
    }
    Ok(answer(json!({
        "kind": "EventList", "apiVersion": "v1", "metadata": metadata, "items": events,
    })))
}

/// Field terms as JSON pointers and values. A uid is left out: ours are not kubectl's.
fn terms(selector: &str) -> Vec<(String, String)> {
    let term = |term: &str| {
        let (path, value) = term.split_once('=')?;
        let known = !path.ends_with("uid") && !path.ends_with('!');
        known.then(|| (format!("/{}", path.replace('.', "/")), value.trim_matches('=').to_owned()))
    };
    selector.split(',').filter_map(term).collect()
}

fn matches(event: &Value, call: &Call, wanted: &[(String, String)]) -> bool {
    let namespace = &call.target.namespace;
    let inside = namespace.is_empty() || event["metadata"]["namespace"] == namespace.as_str();
    let holds = |(pointer, value): &(String, String)| {
        let found = event.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default() == value
    };
    inside && wanted.iter().all(holds)
}
