//! Decisions as Kubernetes events, listed and watched; those that say the same of the same object as one,
//! with how often. A list of one object's goes back as far as the log does.
//! Absent: writes; who watches and missed some of what the ring of decisions forgot gets `410 Expired`
//! and lists again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use setpoint_schemas::Decision;
use tokio::time::Instant;

use super::access::people_only;
use super::object::wants_table;
use super::watch::{WATCH_SECONDS, WATCH_SECONDS_MAX, expired_line};
use super::{Call, answer, version};
use crate::model::{Expired, Kept, ReadModel};
use crate::render::{self, Series};
use crate::state::now_ms;
use crate::status::ApiError;

/// Who lists events would rather have the latest soon than all of them late.
const LOOK_BACK_MAX: Duration = Duration::from_secs(3);
/// As many events as kubectl shows at once.
const EVENTS_LISTED_MAX: usize = 500;
/// Decisions that the counts of one answer speak of: what is said of one object for days, and few enough
/// that their words are written in some hundredths of a second.
const DECISIONS_COUNTED_MAX: usize = 5_000;
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
    let mut series = gathered(&model.decisions(usize::MAX, |_| true), &call, &wanted);
    add_forgotten(&mut series, &call, &wanted).await?;
    let events = series.events();
    if wants_table(&call.headers) {
        return Ok(answer(render::table("", "Event", events, &metadata, now_ms())));
    }
    Ok(answer(json!({
        "kind": "EventList", "apiVersion": "v1", "metadata": metadata, "items": events,
    })))
}

/// A watch of events: those behind an epoch, then each as it is decided.
struct Follow {
    call: Call,
    wanted: Vec<(String, String)>,
    /// What was told, and what a list as of its beginning tells.
    series: Series,
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
    let mut follow = Follow {
        series: Series::default(),
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
        let before = follow.call.app.state.parts.model.decisions(usize::MAX, |d| d.epoch() <= told);
        follow.series = gathered(&before, &follow.call, &follow.wanted);
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
        if self.told == 0 {
            self.told = epoch.max(newest);
            self.series = gathered(&decisions, &self.call, &self.wanted);
            let events = self.series.events().iter().rev();
            return events.map(|event| self.line("ADDED", event.clone())).collect();
        }
        self.told = self.told.max(epoch).max(newest);
        let mut chunk = String::new();
        for decision in decisions.iter().rev() {
            let Some(event) = event_of(&**decision, &self.call, &self.wanted) else { continue };
            let (event, is_new) = self.series.add_later(event);
            chunk += &self.line(if is_new { "ADDED" } else { "MODIFIED" }, event);
        }
        chunk
    }

    fn line(&self, change: &str, event: Value) -> String {
        let object = if wants_table(&self.call.headers) {
            let version = json!({"resourceVersion": event["metadata"]["resourceVersion"]});
            render::table("", "Event", &[event], &version, now_ms())
        } else {
            event
        };
        format!("{}\n", json!({"type": change, "object": object}))
    }
}

/// The events of decisions, the newest first, as far as the caller wants them.
fn gathered(decisions: &[Arc<dyn Kept>], call: &Call, wanted: &[(String, String)]) -> Series {
    let mut series = Series::default();
    let events = decisions.iter().filter_map(|decision| event_of(&**decision, call, wanted));
    for event in events.take(DECISIONS_COUNTED_MAX) {
        series.add_earlier(event);
        if series.len() >= EVENTS_LISTED_MAX {
            break;
        }
    }
    series
}

/// Adds what only the log still knows, for who asks about one object: the latest decisions of a large
/// fleet are those of some minutes.
async fn add_forgotten(
    series: &mut Series,
    call: &Call,
    wanted: &[(String, String)],
) -> Result<(), ApiError> {
    let parts = &call.app.state.parts;
    let asks_of_one = wanted.iter().any(|(pointer, _)| pointer == "/involvedObject/name");
    let Some(before) = parts.model.oldest_after_forgotten().filter(|_| asks_of_one) else {
        return Ok(());
    };
    let (namer, about) = (parts.model.clone(), (call.target.namespace.clone(), wanted.to_vec()));
    let is_wanted =
        move |decision: &Decision| involved_of(decision, &namer, &about.0, &about.1).is_some();
    // Without the log there is still what is known here.
    let look = parts.log.ledger(before, EVENTS_LISTED_MAX, Box::new(is_wanted));
    let Ok(Ok(earlier)) = tokio::time::timeout(LOOK_BACK_MAX, look).await else {
        return Ok(());
    };
    for decision in earlier {
        if let Some(event) = event_of(&decision, call, wanted) {
            series.add_earlier(event);
        }
    }
    Ok(())
}

/// The event of a decision, when the caller wants it.
fn event_of(decision: &dyn Kept, call: &Call, wanted: &[(String, String)]) -> Option<Value> {
    // A decision has many words, and most are about something else than the caller asks for.
    let model = &call.app.state.parts.model;
    let involved = involved_of(decision, model, &call.target.namespace, wanted)?;
    let event = render::event(&decision.record(), &involved)?;
    wanted.iter().all(|(pointer, value)| holds(&event, (pointer, value))).then_some(event)
}

/// What a decision is about, when the caller asks for that.
fn involved_of(
    decision: &dyn Kept,
    model: &ReadModel,
    namespace: &str,
    wanted: &[(String, String)],
) -> Option<Value> {
    let about = decision.about();
    let pod = about.pod.as_ref().and_then(|uid| model.pod_name(uid));
    let pod = pod.as_ref().map(|(namespace, name)| (&**namespace, &**name));
    let involved = render::involved(&about, pod)?;
    let inside = namespace.is_empty() || render::namespace_of(&involved) == namespace;
    let mut of_object = wanted
        .iter()
        .filter_map(|(pointer, value)| Some((pointer.strip_prefix("/involvedObject")?, value)));
    (inside && of_object.all(|term| holds(&involved, term))).then_some(involved)
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
