//! Services and slices as they change: two watches of the API, each of which lists first and goes on from
//! there.
//!
//! Guarantee: what is known follows the API's order; after a gap all is listed again, and what is no longer
//! there is forgotten only then. A watch from before an outage of the API is not waited for after it. Memory:
//! one object at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::known::Known;
use super::objects::{Name, Service, Slice, name_of};
use crate::client::{Api, Backoff, Outage};

/// The API marks its place every 30 s; one that is silent for longer than two of them is gone, whatever
/// other calls say.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// The longest wait between two watches.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A line is one object; a slice of all pods that a fleet has is smaller.
const LINE_BYTES_MAX: usize = 256 << 20;
/// Who watches first wants all that there is, and to hear where it ends.
const FROM_THE_BEGINNING: &str =
    "resourceVersion=0&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

/// Follows Services until the task ends.
pub(super) async fn services(api: Arc<Api>, known: Arc<Known>) {
    follow(api, "/api/v1/services", |word| match word {
        Word::Is(object) => known.set_service(Service::of(object)),
        Word::Gone(name) => known.drop_service(name),
        Word::All(names) => known.keep_services(names),
    })
    .await;
}

/// Follows slices until the task ends.
pub(super) async fn slices(api: Arc<Api>, known: Arc<Known>) {
    follow(api, "/apis/discovery.k8s.io/v1/endpointslices", |word| match word {
        Word::Is(object) => {
            if let Some(slice) = Slice::of(object) {
                known.set_slice(slice);
            }
        }
        Word::Gone(name) => known.drop_slice(name),
        Word::All(names) => known.keep_slices(names),
    })
    .await;
}

/// What a watch says.
enum Word<'a> {
    /// An object is this.
    Is(&'a Value),
    /// An object is gone.
    Gone(&'a Name),
    /// All that there was at the beginning was told.
    All(&'a BTreeSet<Name>),
}

/// Where a watch goes on.
#[derive(Default)]
struct Place {
    /// The version that was seen; 0 before everything was.
    version: i64,
    /// What was told since the beginning, until all is.
    listed: Option<BTreeSet<Name>>,
}

async fn follow(api: Arc<Api>, path: &str, mut hear: impl FnMut(Word<'_>)) {
    api.greeted().await;
    let mut backoff = Backoff::new(RETRY_MAX);
    let mut place = Place::default();
    loop {
        let from = match place.version {
            0 => FROM_THE_BEGINNING.to_owned(),
            version => format!("resourceVersion={version}"),
        };
        if place.version == 0 {
            place.listed = Some(BTreeSet::new());
        }
        let path = format!("{path}?watch=true&allowWatchBookmarks=true&{from}");
        match api.stream(&path).await {
            Ok(answer) => {
                if read(answer, api.outage(), &mut place, &mut hear).await {
                    backoff.reset();
                }
            }
            Err(error) => {
                // What is asked for may be forgotten: all is listed again.
                place.version = 0;
                api.tell("Services are not followed", &error);
            }
        }
        backoff.wait().await;
    }
}

/// Reads a watch to its end, or that of an outage; whether it said anything.
async fn read(
    mut answer: reqwest::Response,
    mut outage: Outage,
    place: &mut Place,
    hear: &mut impl FnMut(Word<'_>),
) -> bool {
    let (mut pending, mut said) = (Vec::new(), false);
    loop {
        let chunk = tokio::select! {
            chunk = timeout(SILENCE_MAX, answer.chunk()) => chunk,
            _ = outage.over() => return said,
        };
        let Ok(Ok(Some(chunk))) = chunk else { return said };
        let mut rest: &[u8] = &chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            pending.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = serde_json::from_slice(&pending).unwrap_or_default();
            pending.clear();
            said = true;
            if !place.take(&line, hear) {
                return said;
            }
        }
        pending.extend_from_slice(rest);
        if pending.len() > LINE_BYTES_MAX {
            return said;
        }
    }
}

impl Place {
    /// Takes in a line; `false` where the watch is of no use any more.
    fn take(&mut self, line: &Value, hear: &mut impl FnMut(Word<'_>)) -> bool {
        let object = &line["object"];
        let version = object["metadata"]["resourceVersion"].as_str();
        let version: i64 = version.and_then(|version| version.parse().ok()).unwrap_or(0);
        match line["type"].as_str() {
            Some("ADDED" | "MODIFIED") => {
                hear(Word::Is(object));
                if let Some(listed) = &mut self.listed {
                    listed.insert(name_of(object));
                }
            }
            Some("DELETED") => hear(Word::Gone(&name_of(object))),
            Some("BOOKMARK") => {
                let ends = object.pointer("/metadata/annotations/k8s.io~1initial-events-end");
                if let Some(listed) = self.listed.take_if(|_| ends.is_some()) {
                    hear(Word::All(&listed));
                }
            }
            // It has forgotten what we ask for, or says something that we do not know.
            _ => {
                self.version = 0;
                return false;
            }
        }
        if self.listed.is_none() {
            self.version = self.version.max(version);
        }
        true
    }
}

#[cfg(test)]
#[path = "feed_silence_tests.rs"]
mod silence;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is heard of these lines, and the version that is gone on from.
    fn heard(lines: &[Value]) -> (Vec<String>, i64) {
        let mut told = Vec::new();
        let mut place = Place { version: 0, listed: Some(BTreeSet::new()) };
        for line in lines {
            let mut hear = |word: Word<'_>| {
                told.push(match word {
                    Word::Is(object) => format!("is {}", name_of(object).1),
                    Word::Gone(name) => format!("gone {}", name.1),
                    Word::All(names) => format!("all {}", names.len()),
                });
            };
            if !place.take(line, &mut hear) {
                break;
            }
        }
        (told, place.version)
    }

    #[test]
    fn a_watch_lists_first_and_goes_on_from_what_it_saw() {
        let line = |kind: &str, name: &str, version: &str| {
            json!({"type": kind, "object": {"metadata":
                {"namespace": "d", "name": name, "resourceVersion": version}}})
        };
        let mut end = line("BOOKMARK", "", "7");
        end["object"]["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        let listed = [line("ADDED", "a", "3"), line("ADDED", "b", "5")];
        assert_eq!(heard(&listed), (vec!["is a".into(), "is b".into()], 0), "not all was told");
        let all = [&listed[..], &[end, line("DELETED", "a", "9")]].concat();
        let told = ["is a", "is b", "all 2", "gone a"].map(str::to_owned).to_vec();
        assert_eq!(heard(&all), (told, 9));
        let error = json!({"type": "ERROR", "object": {"code": 410}});
        assert_eq!(heard(&[&all[..], &[error]].concat()).1, 0, "listed again");
    }
}
