//! Watches: JSON lines, first what there is (when asked for), then every change.
//!
//! Guarantee: an object enters with `ADDED`, changes with `MODIFIED` and leaves with `DELETED`, as
//! seen through the watch's own selectors. Who is too slow gets `410 Expired` and lists again. Who goes on
//! from a version misses nothing behind it: where several objects have that version, they are told again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::Call;
use super::object::{chosen, shown, wants_table};
use crate::KindInfo;
use crate::model::{Before, Cursor, Entry, Event};
use crate::render;
use crate::select::Selection;
use crate::state::now_ms;
use crate::status::ApiError;

/// How long a watch lasts when the client does not say.
pub(crate) const WATCH_SECONDS: i64 = 30 * 60;
/// The longest watch; a client begins another one.
pub(crate) const WATCH_SECONDS_MAX: i64 = 2 * 60 * 60;
/// Between two bookmarks, so that a client that resumes need not list again.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(30);
/// Objects rendered into one piece of the answer.
const CHUNK_EVENTS_MAX: usize = 500;
/// Bytes rendered into one piece, but for one object: five hundred pods of four kilobytes. Each watch may
/// hold a piece that its client does not take.
const CHUNK_BYTES_MAX: usize = 2 << 20;

/// The last line of a watch whose client missed changes that are no longer kept.
pub(super) fn expired_line() -> String {
    format!("{}\n", json!({"type": "ERROR", "object": ApiError::expired().body()}))
}

/// Answers a watch from this version, which this server has; from 0 with all that there is first.
pub(crate) fn watch(call: Call, kind: Arc<KindInfo>, version: i64) -> Result<Response, ApiError> {
    let permit = permit(&call)?;
    let mut selection = call.params.selection()?;
    if !call.target.name.is_empty() {
        selection = selection.named(&call.target.name);
    }
    let seconds = call.params.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let seconds = seconds.unwrap_or(WATCH_SECONDS).min(WATCH_SECONDS_MAX).unsigned_abs();
    let initial = version == 0 || call.params.flag("sendInitialEvents");
    let group_kind = kind.group_kind();
    let model = &call.app.state.parts.model;
    let (pending, from, begun) = if initial {
        let keep = |entry: &Entry| chosen(&call, &selection, entry);
        let page = model.list(&group_kind, None, usize::MAX, keep);
        (page.entries, page.epoch, model.watch(&group_kind, page.epoch))
    } else {
        (Vec::new(), version, model.resume(&group_kind, version))
    };
    let (cursor, bell) = begun.map_err(|_| ApiError::expired())?;
    let watch = Watch {
        bookmarks: call.params.flag("allowWatchBookmarks"),
        marks_end: call.params.flag("sendInitialEvents"),
        table: wants_table(&call.headers),
        deadline: Instant::now() + Duration::from_secs(seconds),
        bookmark_at: Instant::now() + BOOKMARK_PERIOD,
        pending: pending.into_iter(),
        epoch: from,
        ended: false,
        call,
        kind,
        selection,
        cursor,
        bell,
        _permit: permit,
    };
    let lines = stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, Infallible>(chunk), watch))
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
}

/// Room for one more watch.
pub(crate) fn permit(call: &Call) -> Result<OwnedSemaphorePermit, ApiError> {
    call.app.state.watches.clone().try_acquire_owned().map_err(|_| {
        let message = "too many watches at once: try again later";
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
    })
}

/// One watch, between two pieces of its answer.
struct Watch {
    call: Call,
    kind: Arc<KindInfo>,
    selection: Selection,
    bookmarks: bool,
    /// Whether the client wants to hear where the initial objects end.
    marks_end: bool,
    table: bool,
    deadline: Instant,
    bookmark_at: Instant,
    pending: std::vec::IntoIter<Entry>,
    cursor: Cursor,
    bell: watch::Receiver<u64>,
    /// Up to here the client has seen everything.
    epoch: i64,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(chunk) = self.initial() {
            return Some(chunk);
        }
        while !self.ended {
            let chunk = self.changes();
            if !chunk.is_empty() {
                return Some(Bytes::from(chunk));
            }
            tokio::select! {
                () = self.call.app.closing.cancelled() => return None,
                () = tokio::time::sleep_until(self.deadline) => return None,
                () = tokio::time::sleep_until(self.bookmark_at), if self.bookmarks => {
                    self.bookmark_at = Instant::now() + BOOKMARK_PERIOD;
                    return Some(Bytes::from(self.bookmark(false)));
                }
                rung = self.bell.changed() => rung.ok()?,
            }
        }
        None
    }

    /// What there was at the beginning, piece by piece, and then its end if that is asked for.
    fn initial(&mut self) -> Option<Bytes> {
        let (mut chunk, mut pending) = (String::new(), std::mem::take(&mut self.pending));
        let some = pending.by_ref().take(CHUNK_EVENTS_MAX);
        fill(&mut chunk, some, |entry| self.line("ADDED", shown(&self.call, &entry)));
        self.pending = pending;
        if chunk.is_empty() && self.marks_end {
            self.marks_end = false;
            chunk = self.bookmark(true);
        }
        (!chunk.is_empty()).then(|| Bytes::from(chunk))
    }

    /// What changed since the last piece; an error as the last line when it is too much.
    fn changes(&mut self) -> String {
        let mut chunk = String::new();
        loop {
            let model = &self.call.app.state.parts.model;
            let changes = model.changes(&self.kind.group_kind(), self.cursor, CHUNK_EVENTS_MAX);
            let Ok((events, epoch)) = changes else {
                self.ended = true;
                return chunk + &expired_line();
            };
            let told =
                fill(&mut chunk, events.iter(), |event| self.rendered(event).unwrap_or_default());
            self.cursor = self.cursor.past(told);
            let is_all = told == events.len() && told < CHUNK_EVENTS_MAX;
            let last = events[..told].last().map_or(self.epoch, |event| event.epoch);
            self.epoch = if is_all { epoch } else { last };
            if is_all || !chunk.is_empty() {
                return chunk;
            }
        }
    }

    /// One change as seen through the selectors; `None` when it is not seen.
    fn rendered(&self, event: &Event) -> Option<String> {
        let seen = |entry: &&Entry| chosen(&self.call, &self.selection, entry);
        let after = event.after.as_ref().filter(seen);
        let before = match &event.before {
            Before::Nothing => None,
            Before::SeenAlike => after,
            Before::Was(before) => Some(before).filter(seen),
        };
        match (before, after) {
            (None, Some(after)) => Some(self.line("ADDED", shown(&self.call, after))),
            (Some(_), Some(after)) => Some(self.line("MODIFIED", shown(&self.call, after))),
            (Some(before), None) => {
                let mut object = shown(&self.call, before);
                object["metadata"]["resourceVersion"] = json!(event.epoch.to_string());
                Some(self.line("DELETED", object))
            }
            (None, None) => None,
        }
    }

    fn line(&self, kind: &str, object: Value) -> String {
        let object = if self.table {
            let version = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            render::table(&self.kind.group, &self.kind.kind, &[object], &version, now_ms())
        } else {
            object
        };
        format!("{}\n", json!({"type": kind, "object": object}))
    }

    fn bookmark(&self, end_of_initial: bool) -> String {
        let mut metadata = json!({"resourceVersion": self.epoch.to_string()});
        if end_of_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({
            "kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata,
        });
        let object = if self.table {
            render::table(&self.kind.group, &self.kind.kind, &[], &metadata_of(&object), now_ms())
        } else {
            object
        };
        format!("{}\n", json!({"type": "BOOKMARK", "object": object}))
    }
}

fn metadata_of(object: &Value) -> Value {
    object["metadata"].clone()
}

/// Renders into a piece until it has its bytes; how many were rendered.
fn fill<T>(
    chunk: &mut String,
    items: impl Iterator<Item = T>,
    render: impl Fn(T) -> String,
) -> usize {
    let mut rendered = 0;
    for item in items {
        *chunk += &render(item);
        rendered += 1;
        if chunk.len() >= CHUNK_BYTES_MAX {
            break;
        }
    }
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_with_its_bytes_and_an_object_that_is_larger_is_one() {
        let half = "x".repeat(CHUNK_BYTES_MAX / 2);
        let filled = |line: &str| fill(&mut String::new(), 0..10, |_| line.to_owned());
        assert_eq!(filled(&half), 2);
        assert_eq!(filled(&half.repeat(3)), 1);
        assert_eq!(filled(""), 10);
    }
}
