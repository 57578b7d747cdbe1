//! When the lives of a container began and ended.
//!
//! The engine keeps one log a container, whatever its lives, and tells of the present one only; of the
//! lives before its events tell, of which it keeps the latest few hundred.
//! Absent: certainty. The engine notes a start a moment after the first line may have come, and an end a
//! moment before the last one was read; so a border lies between the two.

use std::collections::VecDeque;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, EventMessage};
use bollard::query_parameters::EventsOptionsBuilder;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use tokio::time::sleep;

use crate::observe::is_running;

/// What a start may be noted after the container's first line, where its former end is not known.
const NOTED_WITHIN_NS: i64 = 1_000_000_000;
/// More lives than these are not told apart, of which the latest count: Docker keeps about as many
/// events, Podman all of them.
const EVENTS_MAX: usize = 512;
/// The engine reads its events from memory or a file. Where its clock was set back it waits for the time
/// that is asked for, and what has come by then is what there is.
const EVENTS_WITHIN: Duration = Duration::from_secs(3);
const NS_PER_MS: i64 = 1_000_000;

/// The lines of one life: those since the first time and before the second one, nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) since_ns: i64,
    pub(crate) until_ns: i64,
    /// Whether it is known that there was one.
    pub(crate) is_known: bool,
}

/// Starts and ends, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Start(i64),
    End(i64),
}

/// The present or last life of a container, or the one before.
pub(crate) async fn life(
    docker: &Docker,
    container: &ContainerInspectResponse,
    is_former: bool,
) -> Life {
    let state = container.state.clone().unwrap_or_default();
    let started = nanos(state.started_at.as_deref());
    let ended = nanos(state.finished_at.as_deref());
    let mut turns = turns(docker, container.id.as_deref().unwrap_or_default(), started).await;
    // While it runs, the end that the engine tells is the former life's.
    if is_running(container) && ended > 0 && !turns.iter().any(|turn| matches!(turn, Turn::End(_)))
    {
        turns.push(Turn::End(ended));
    }
    if is_former { former(&turns, started) } else { present(&turns, started) }
}

/// Nanoseconds since 1970 of an engine's time; 0 when it has not come.
pub(crate) fn nanos(time: Option<&str>) -> i64 {
    let time = time.filter(|text| !text.starts_with("0001-")).and_then(|text| text.parse().ok());
    time.map_or(0, |time: Timestamp| i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
}

/// What became of the container before this start.
async fn turns(docker: &Docker, id: &str, started_ns: i64) -> Vec<Turn> {
    let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let filters = [
        ("container".to_owned(), of(&[id])),
        ("type".to_owned(), of(&["container"])),
        ("event".to_owned(), of(&["start", "die"])),
    ];
    // Whole seconds are rounded up: the present start is told too, and left out below.
    let until = (started_ns / NS_PER_MS / 1_000).saturating_add(1).to_string();
    let options = EventsOptionsBuilder::new().since("1").until(&until).filters(&filters.into());
    let events = docker.events(Some(options.build())).take_until(sleep(EVENTS_WITHIN));
    let mut turns = latest(events.filter_map(|event| async { turn(&event.ok()?) })).await;
    let present =
        turns.iter().rposition(|turn| matches!(turn, Turn::Start(at) if near(*at, started_ns)));
    if let Some(present) = present {
        turns.truncate(present);
    }
    turns
}

/// The last ones, in their order.
async fn latest<T>(all: impl Stream<Item = T>) -> Vec<T> {
    let kept = all.fold(VecDeque::new(), |mut kept, one| async {
        if kept.len() >= EVENTS_MAX {
            kept.pop_front();
        }
        kept.push_back(one);
        kept
    });
    kept.await.into()
}

fn turn(event: &EventMessage) -> Option<Turn> {
    let at = event.time_nano?;
    match event.action.as_deref()? {
        "start" => Some(Turn::Start(at)),
        "die" => Some(Turn::End(at)),
        _ => None,
    }
}

/// The event of a start comes a moment after the start is noted.
fn near(event_ns: i64, started_ns: i64) -> bool {
    event_ns.abs_diff(started_ns) < NOTED_WITHIN_NS.unsigned_abs()
}

fn present(turns: &[Turn], started: i64) -> Life {
    let is_known = true;
    Life { since_ns: border(turns.last(), started), until_ns: i64::MAX, is_known }
}

fn former(turns: &[Turn], started: i64) -> Life {
    let until_ns = border(turns.last(), started);
    let begun = turns.iter().rposition(|turn| matches!(turn, Turn::Start(_)));
    let since_ns = begun.map_or(0, |at| match (turns[at], at.checked_sub(1)) {
        (Turn::Start(start), Some(before)) => border(turns.get(before), start),
        _ => 0,
    });
    Life { since_ns, until_ns, is_known: !turns.is_empty() }
}

/// Between the end of a life and the start of the next one.
fn border(before: Option<&Turn>, started: i64) -> i64 {
    match before {
        Some(Turn::End(ended)) if *ended < started => ended + (started - ended) / 2,
        _ => started.saturating_sub(NOTED_WITHIN_NS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn a_border_lies_between_an_end_and_the_next_start() {
        let turns =
            [Turn::Start(10 * S), Turn::End(20 * S), Turn::Start(30 * S), Turn::End(40 * S)];
        let life =
            |since: i64, until_ns, is_known| Life { since_ns: since * S, until_ns, is_known };
        assert_eq!(present(&turns, 50 * S), life(45, i64::MAX, true));
        assert_eq!(former(&turns, 50 * S), life(25, 45 * S, true));
        assert_eq!(
            former(&turns[2..], 50 * S),
            life(0, 45 * S, true),
            "what was before is not known"
        );
        assert_eq!(present(&[], 50 * S), life(49, i64::MAX, true));
        assert_eq!(former(&[], 50 * S), life(0, 49 * S, false));
    }

    #[tokio::test]
    async fn of_many_events_the_latest_count() {
        let latest = latest(futures::stream::iter(0..EVENTS_MAX * 3)).await;
        assert_eq!(latest, (EVENTS_MAX * 2..EVENTS_MAX * 3).collect::<Vec<_>>());
    }

    #[test]
    fn a_time_that_has_not_come_is_none() {
        assert_eq!(nanos(Some("0001-01-01T00:00:00Z")), 0);
        assert_eq!(nanos(Some("1970-01-01T00:00:02.5Z")), 2_500_000_000);
        assert_eq!(nanos(None), 0);
    }
}
