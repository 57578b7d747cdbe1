//! Events that say the same of the same object are one event, which says how often and from when to when.
//!
//! Guarantee: a series has the same name wherever and whenever it is told, so who watches finds again
//! what was listed.
//!
//! Source: the correlator of events of `k8s.io/client-go/tools/record`, without its time window: words
//! that come again are the same news.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Series that a watch knows by name: as many as a list shows, and kept whole. Beyond it it begins to count anew.
const SERIES_KNOWN_MAX: usize = 500;

/// Events by what they say.
#[derive(Default)]
pub(crate) struct Series {
    /// In the order in which they were told first.
    events: Vec<Value>,
    places: HashMap<String, usize>,
}

impl Series {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The events, in the order in which they came.
    pub(crate) fn events(&self) -> &[Value] {
        &self.events
    }

    /// Takes in an event that is earlier than all before.
    pub(crate) fn add_earlier(&mut self, event: Value) {
        let Some(known) = self.known(&event) else { return self.insert(event) };
        known["firstTimestamp"] = event["firstTimestamp"].clone();
        known["metadata"]["creationTimestamp"] = event["firstTimestamp"].clone();
        count_one_more(known);
    }

    /// Takes in an event that is later than all before: the series as it is now, and whether it is new.
    pub(crate) fn add_later(&mut self, event: Value) -> (Value, bool) {
        if let Some(known) = self.known(&event) {
            known["lastTimestamp"] = event["lastTimestamp"].clone();
            known["metadata"]["resourceVersion"] = event["metadata"]["resourceVersion"].clone();
            count_one_more(known);
            return (known.clone(), false);
        }
        if self.events.len() >= SERIES_KNOWN_MAX {
            *self = Series::default();
        }
        self.insert(event.clone());
        (event, true)
    }

    fn known(&mut self, event: &Value) -> Option<&mut Value> {
        let place = *self.places.get(name_of(event))?;
        self.events.get_mut(place)
    }

    fn insert(&mut self, event: Value) {
        self.places.insert(name_of(&event).to_owned(), self.events.len());
        self.events.push(event);
    }
}

fn name_of(event: &Value) -> &str {
    event["metadata"]["uid"].as_str().unwrap_or_default()
}

fn count_one_more(event: &mut Value) {
    let count = event["count"].as_i64().unwrap_or(1) + 1;
    // Of this field Kubernetes' clients read nothing that has no fraction of a second.
    let last = event["lastTimestamp"].as_str().unwrap_or_default().replace('Z', ".000000Z");
    event["count"] = json!(count);
    event["series"] = json!({"count": count, "lastObservedTime": last});
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, time: &str) -> Value {
        let metadata = json!({"uid": name, "name": name, "resourceVersion": time,
            "creationTimestamp": time});
        json!({"metadata": metadata, "firstTimestamp": time, "lastTimestamp": time, "count": 1})
    }

    fn told(event: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let times = (text(&event["firstTimestamp"]), text(&event["lastTimestamp"]));
        let version = text(&event["metadata"]["resourceVersion"]);
        format!("{} of {} to {} at {version}", event["count"], times.0, times.1)
    }

    #[test]
    fn events_of_the_same_words_are_one_from_whichever_end_they_are_told() {
        let mut series = Series::default();
        for (name, time) in [("a", "t4Z"), ("b", "t3Z"), ("a", "t2Z"), ("a", "t1Z")] {
            series.add_earlier(event(name, time));
        }
        let all: Vec<String> = series.events().iter().map(told).collect();
        assert_eq!(all, ["3 of t1Z to t4Z at t4Z", "1 of t3Z to t3Z at t3Z"]);
        let (again, is_new) = series.add_later(event("a", "t5Z"));
        assert_eq!((told(&again), is_new), ("4 of t1Z to t5Z at t5Z".to_owned(), false));
        assert_eq!(again["series"], json!({"count": 4, "lastObservedTime": "t5.000000Z"}));
        let (first, is_new) = series.add_later(event("c", "t6Z"));
        assert_eq!((told(&first), is_new), ("1 of t6Z to t6Z at t6Z".to_owned(), true));
        assert!(first["series"].is_null());
    }

    #[test]
    fn a_watch_that_has_seen_too_many_counts_anew() {
        let mut series = Series::default();
        for number in 0..SERIES_KNOWN_MAX {
            series.add_later(event(&number.to_string(), "tZ"));
        }
        assert_eq!(series.len(), SERIES_KNOWN_MAX);
        assert!(!series.add_later(event("0", "tZ")).1);
        assert!(series.add_later(event("more", "tZ")).1);
        assert_eq!(series.len(), 1);
    }
}
