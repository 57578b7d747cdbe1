//! The latest decisions as Kubernetes events, listed and watched. Absent: writes, and what the ring
//! of decisions forgot; who watches and missed some of that gets `410 Expired` and lists again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::people_only;
use super::object::wants_table;
use super::watch::{WATCH_SECONDS, WATCH_SECONDS_MAX, expired_line};
use super::{Call, answer, version};
use crate::model::{Expired, Kept};
use crate::render;
use crate::state::now_ms;
use crate::status::ApiError;

/// As many events as kubectl shows at once.
const EVENTS_LISTED_MAX: usize = 500;
/// Events come in bursts; a watcher is told of them together.
const GATHER: Duration = Duration::from_millis(100);

/// Lists or watches the events of a namespace or of an object.
pub(crate) async fn list(call: Call) -> Result<Response, ApiError> {
    people_only(&call.actor)?;
    if !call.target.name.is_empty() {
        return Err(ApiError::no_such_path());
    }
    let version = version::awaited(&call).await?;
    let wanted = terms(call.params.get("fieldSelector"));
    if call.target.watch || call.params.flag("watch") {
        return watch(call, wanted, version);
    }
    let model = &call.app.state.parts.model;
    // Before the decisions: what is decided meanwhile is told twice to who watches from here, not never.
    let metadata = json!({"resourceVersion": model.epoch().to_string()});
    let mut events: Vec<Value> = Vec::new();
    for decision in model.decisions(usize::MAX, |_| true) {
        events.extend(event_of(&*decision, &call, &wanted));
        if events.len() >= EVENTS_LISTED_MAX {
            break;
        }
    }
    if wants_table(&call.headers) {
        return Ok(answer(render::table("", "Event", &events, &metadata, now_ms())));
    }
    Ok(answer(json!({
        "kind": "EventList", "apiVersion": "v1", "metadata": metadata, "items": events,
    })))
}

/// A watch of events: those behind an epoch, then each as it is decided.
struct Follow {
    call: Call,
    wanted: Vec<(String, String)>,
    /// The epoch up to which all was told; 0 when nothing was.
    told: i64,
    /// Whether it ends with what was said last.
    ended: bool,
    epochs: tokio::sync::watch::Receiver<i64>,
    deadline: Instant,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

fn watch(call: Call, wanted: Vec<(String, String)>, told: i64) -> Result<Response, ApiError> {
    let permit = super::watch::permit(&call)?;
    let seconds = call.params.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let seconds = seconds.unwrap_or(WATCH_SECONDS).min(WATCH_SECONDS_MAX).unsigned_abs();
    let follow = Follow {
        epochs: call.app.state.parts.model.epochs(),
        deadline: Instant::now() + Duration::from_secs(seconds),
        told,
        ended: false,
        wanted,
        call,
        _permit: permit,
    };
    if told > 0 {
        follow.unheard().map_err(|Expired| ApiError::expired())?;
    }
    let lines = stream::unfold(follow, |mut follow| async move {
        let chunk = follow.next().await?;
        Some((Ok::<_, Infallible>(chunk), follow))
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            let chunk = self.chunk();
            if !chunk.is_empty() {
                return Some(Bytes::from(chunk));
            }
            tokio::select! {
                () = self.call.app.closing.cancelled() => return None,
                () = tokio::time::sleep_until(self.deadline) => return None,
                changed = self.epochs.changed() => changed.ok()?,
            }
            tokio::time::sleep(GATHER).await;
        }
        None
    }

    /// What was decided since what was told last, the newest first.
    fn unheard(&self) -> Result<Vec<Arc<dyn Kept>>, Expired> {
        let model = &self.call.app.state.parts.model;
        match self.told {
            0 => Ok(model.decisions(usize::MAX, |_| true)),
            told => model.decisions_since(told),
        }
    }

    /// What was decided since the last piece, the oldest first; an error when some of it was forgotten.
    fn chunk(&mut self) -> String {
        let epoch = *self.epochs.borrow_and_update();
        let Ok(decisions) = self.unheard() else {
            self.ended = true;
            return expired_line();
        };
        let newest = decisions.first().map_or(0, |decision| decision.epoch());
        self.told = self.told.max(epoch).max(newest);
        let events =
            decisions.iter().rev().filter_map(|d| event_of(&**d, &self.call, &self.wanted));
        events.map(|event| self.line(event)).collect()
    }

    fn line(&self, event: Value) -> String {
        let object = if wants_table(&self.call.headers) {
            let version = json!({"resourceVersion": event["metadata"]["resourceVersion"]});
            render::table("", "Event", &[event], &version, now_ms())
        } else {
            event
        };
        format!("{}\n", json!({"type": "ADDED", "object": object}))
    }
}

/// The event of a decision, when the caller wants it.
fn event_of(decision: &dyn Kept, call: &Call, wanted: &[(String, String)]) -> Option<Value> {
    let about = decision.about();
    let pod = about.pod.as_ref().and_then(|uid| call.app.state.parts.model.pod_name(uid));
    let pod = pod.as_ref().map(|(namespace, name)| (&**namespace, &**name));
    let involved = render::involved(&about, pod)?;
    // A decision has many words, and most are about something else than the caller asks for.
    let namespace = &call.target.namespace;
    let inside = namespace.is_empty() || render::namespace_of(&involved) == namespace;
    let mut of_object = wanted
        .iter()
        .filter_map(|(pointer, value)| Some((pointer.strip_prefix("/involvedObject")?, value)));
    if !inside || !of_object.all(|term| holds(&involved, term)) {
        return None;
    }
    let event = render::event(&decision.record(), &involved)?;
    wanted.iter().all(|(pointer, value)| holds(&event, (pointer, value))).then_some(event)
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

/// Whether what is at this place in an object is this.
fn holds(object: &Value, (pointer, value): (&str, &String)) -> bool {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default() == value
}
