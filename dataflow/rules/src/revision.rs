//! Revisions: a pod template's hash, and a workload's history of them: which was healthy, which failed,
//! and which one is barred, so that the template that was gone back to stays.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpoint_schemas::HISTORY_BYTES_MAX;
use xxhash_rust::xxh3::xxh3_128;

use crate::memory::Memory;

/// As long as Kubernetes' pod-template-hash.
const HASH_CHARS: usize = 10;

/// A pod template that a workload had, with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Rises by one with each change; an undo moves the old template to a new number.
    pub number: i64,
    /// The template's hash.
    pub hash: String,
    /// The template in JSON.
    pub template: String,
    /// Whether all pods that were wanted were available of it once.
    #[serde(default)]
    pub healthy: bool,
    /// Why its update failed, a sentence; empty when it did not, or when it was asked for again.
    #[serde(default)]
    pub failed: String,
    /// Whether it was left by going back, and is not taken again from a manifest that still states it.
    #[serde(default)]
    pub barred: bool,
    /// Whether it is the current one because it was gone back to.
    #[serde(default)]
    pub returned: bool,
}

/// How a template becomes the current one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// It is asked for.
    #[default]
    Asked,
    /// It is gone back to: the one that is left is barred, unless it is the barred one that is gone back to.
    Returned,
    /// Its manifest states the template that was gone back to: nothing is barred any more.
    CaughtUp,
}

/// What a template says only so that its pods are replaced by the same.
const AGAIN: [&str; 3] =
    ["kubectl.kubernetes.io/restartedAt", crate::sources::DIGEST, crate::dependencies::DIGEST];

/// A template without what only makes it another revision of the same.
#[must_use]
pub fn essence(template: &Value) -> Value {
    let mut template = template.clone();
    let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) else {
        return template;
    };
    if let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        AGAIN.iter().for_each(|note| drop(notes.remove(*note)));
        if notes.is_empty() {
            metadata.remove("annotations");
        }
    }
    let is_bare = metadata.is_empty();
    if is_bare && let Some(template) = template.as_object_mut() {
        template.remove("metadata");
    }
    template
}

/// The hash of a pod template: of its JSON with sorted keys, so that order does not matter.
#[must_use]
pub fn template_hash(template: &Value) -> String {
    let text = template.to_string();
    crate::identity::encode(xxh3_128(text.as_bytes()), HASH_CHARS)
}

/// The history after the current template became `template`: known ones get a new number, the
/// oldest beyond `limit` (plus the current one), or beyond [`HISTORY_BYTES_MAX`], are forgotten.
#[must_use]
pub fn advance(
    mut history: Vec<Revision>,
    template: &Value,
    limit: usize,
    way: Way,
) -> Vec<Revision> {
    let hash = template_hash(template);
    if history.last().is_none_or(|last| last.hash != hash) {
        follow(&mut history, template, hash, way);
    }
    if way == Way::CaughtUp {
        history.iter_mut().for_each(|revision| revision.barred = false);
    }
    let surplus = history.len().saturating_sub(limit + 1);
    history.drain(..surplus);
    let earlier = history.len().saturating_sub(1);
    let mut bytes = 0;
    let fitting = history[..earlier].iter().rev().take_while(|revision| {
        bytes += bytes_within_json(&revision.template);
        bytes <= HISTORY_BYTES_MAX
    });
    let surplus = earlier - fitting.count();
    history.drain(..surplus);
    history
}

/// Another template becomes the current one.
fn follow(history: &mut Vec<Revision>, template: &Value, hash: String, way: Way) {
    let number = history.last().map_or(0, |last| last.number) + 1;
    let known = history.iter().position(|revision| revision.hash == hash);
    let known = known.map(|at| history.remove(at));
    let is_again = history.last().is_some_and(|last| {
        serde_json::from_str(&last.template)
            .is_ok_and(|last: Value| essence(&last) == essence(template))
    });
    let was_returned = history.last().is_some_and(|last| last.returned);
    if !is_again {
        history.iter_mut().for_each(|revision| revision.barred = false);
        let goes_on = known.as_ref().is_some_and(|known| known.barred);
        if let (Way::Returned, false, Some(left)) = (way, goes_on, history.last_mut()) {
            left.barred = true;
        }
    }
    history.push(Revision {
        number,
        hash,
        template: template.to_string(),
        healthy: known.is_some_and(|known| known.healthy),
        failed: String::new(),
        barred: false,
        returned: way == Way::Returned || is_again && was_returned,
    });
}

/// The revision to go back to when the current one fails: the last that was healthy, and did not fail
/// since.
#[must_use]
pub fn healthy_target(history: &[Revision]) -> Option<&Revision> {
    let (_, earlier) = history.split_last()?;
    earlier.iter().rev().find(|revision| revision.healthy && revision.failed.is_empty())
}

/// The revision that is not taken from a manifest, where there is one: then the current one is pinned.
#[must_use]
pub fn barred(history: &[Revision]) -> Option<&Revision> {
    history.iter().find(|revision| revision.barred)
}

/// The history as a resource carries it, with what is remembered of the current revision: its template is the
/// body's and stands there once.
#[must_use]
pub fn text(history: &[Revision], memory: Option<&Memory>) -> String {
    let earlier = &history[..history.len().saturating_sub(1)];
    let current =
        history.last().map(|current| Written { template: "", memory, ..written(current) });
    let written: Vec<Written<'_>> = earlier.iter().map(written).chain(current).collect();
    serde_json::to_string(&written).unwrap_or_else(|_| "[]".to_owned())
}

/// Whether this text tells of the current revision what this history does, and remembers the same. Of the others nothing changes
/// unless the current one becomes another.
#[must_use]
pub fn is_told(text: &str, history: &[Revision], memory: Option<&Memory>) -> bool {
    let Some(last) = history.last() else { return true };
    let last = Written { template: "", memory, ..written(last) };
    let last = serde_json::to_string(&last).unwrap_or_default();
    text.strip_suffix(']').is_some_and(|text| text.ends_with(&last))
}

fn written(revision: &Revision) -> Written<'_> {
    Written {
        number: revision.number,
        hash: &revision.hash,
        template: &revision.template,
        healthy: revision.healthy.then_some(true),
        failed: Some(&*revision.failed).filter(|why| !why.is_empty()),
        barred: revision.barred.then_some(true),
        returned: revision.returned.then_some(true),
        memory: None,
    }
}

/// A revision in JSON: what it is not is left out.
#[derive(Serialize)]
struct Written<'a> {
    number: i64,
    hash: &'a str,
    template: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    barred: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<&'a Memory>,
}

/// The bytes of a JSON text as a string of another JSON text.
fn bytes_within_json(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// The revision to go back to: the numbered one, or with 0 the one before the current that did not fail.
///
/// # Errors
/// A sentence in kubectl's words when there is no such revision.
pub fn undo_target(history: &[Revision], to: i64) -> Result<&Revision, String> {
    if to == 0 {
        let earlier = history.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let before = earlier.iter().rev().find(|revision| revision.failed.is_empty());
        return before.ok_or_else(|| "no rollout history found before this revision".to_owned());
    }
    let found = history.iter().find(|revision| revision.number == to);
    found.ok_or_else(|| format!("unable to find specified revision {to} in history"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_undo_moves_the_old_template_to_a_new_number() {
        let history = advance(Vec::new(), &json!({"a": 1}), 10, Way::Asked);
        let history = advance(history, &json!({"a": 2}), 10, Way::Asked);
        let history = advance(history, &json!({"a": 1}), 10, Way::Asked);
        let numbers: Vec<i64> = history.iter().map(|r| r.number).collect();
        assert_eq!(numbers, [2, 3]);
    }

    #[test]
    fn a_history_of_large_templates_forgets_the_oldest_to_fit_into_its_record() {
        let mut history = Vec::new();
        for n in 0..20 {
            history =
                advance(history, &json!({"n": n, "env": "x".repeat(200_000)}), 10, Way::Asked);
        }
        assert_eq!(history.iter().map(|r| r.number).collect::<Vec<_>>(), [17, 18, 19, 20]);
        let huge = advance(history, &json!("y".repeat(2 << 20)), 10, Way::Asked);
        assert_eq!(huge.last().map(|r| r.number), Some(21), "the current one stays");
        let after = advance(huge, &json!("z"), 10, Way::Asked);
        assert_eq!(after.iter().map(|r| r.number).collect::<Vec<_>>(), [22]);
    }

    #[test]
    fn history_is_bounded() {
        let mut history = Vec::new();
        for n in 0..20 {
            history = advance(history, &json!({ "a": n }), 3, Way::Asked);
        }
        assert_eq!(history.len(), 4);
        assert!(undo_target(&history, 1).is_err());
        assert_eq!(undo_target(&history, 0).expect("one before").number, 19);
        let lower = advance(history, &json!({"a": 19}), 0, Way::Asked);
        assert_eq!(lower.len(), 1, "a lower limit forgets at once");
        assert!(undo_target(&lower, 0).is_err());
    }

    fn one(number: i64, template: &Value) -> Revision {
        Revision {
            number,
            hash: template_hash(template),
            template: template.to_string(),
            healthy: false,
            failed: String::new(),
            barred: false,
            returned: false,
        }
    }

    /// Numbers, each with the letters of what is true of it.
    fn told(history: &[Revision]) -> String {
        let letters = |r: &Revision| {
            let marks = [(r.healthy, 'h'), (!r.failed.is_empty(), 'f'), (r.barred, 'b')];
            let marks = marks.into_iter().chain([(r.returned, 'r')]);
            marks.filter(|(is, _)| *is).map(|(_, letter)| letter).collect::<String>()
        };
        let all: Vec<String> =
            history.iter().map(|r| format!("{}{}", r.number, letters(r))).collect();
        all.join(" ")
    }

    fn template(image: &str) -> Value {
        json!({"spec": {"containers": [{"image": image}]}})
    }

    fn again(image: &str) -> Value {
        let mut template = template(image);
        template["metadata"]["annotations"][AGAIN[0]] = json!("now");
        template
    }

    #[test]
    fn who_is_gone_back_to_bars_the_one_that_is_left_until_something_else_is_asked_for() {
        let (a, b, c) = (template("a"), template("b"), template("c"));
        let (a_again, b_again) = (again("a"), again("b"));
        let start = vec![Revision { healthy: true, ..one(1, &a) }, one(2, &b)];
        let cases = [
            (vec![(&a, Way::Returned)], "2b 3hr"),
            (vec![(&a, Way::Returned), (&a, Way::Asked)], "2b 3hr"),
            (vec![(&a, Way::Returned), (&a, Way::CaughtUp)], "2 3hr"),
            (vec![(&a, Way::Returned), (&c, Way::Asked)], "2 3hr 4"),
            (vec![(&a, Way::Returned), (&a_again, Way::Asked)], "2b 3hr 4r"),
            (vec![(&a, Way::Returned), (&b, Way::Returned)], "3hr 4r"),
            (vec![(&c, Way::Asked), (&a, Way::Asked)], "2 3 4h"),
            (vec![(&b_again, Way::Asked), (&b, Way::Returned)], "1h 3 4r"),
        ];
        for (steps, expected) in cases {
            let history = steps
                .into_iter()
                .fold(start.clone(), |history, (to, way)| advance(history, to, 10, way));
            assert_eq!(told(&history), expected);
        }
    }

    #[test]
    fn what_fails_goes_back_to_the_last_that_was_healthy_and_an_undo_passes_over_what_failed() {
        let healthy = |number| Revision { healthy: true, ..one(number, &json!(number)) };
        let failed = |number| Revision { failed: "so".to_owned(), ..healthy(number) };
        let plain = |number| one(number, &json!(number));
        let cases = [
            (vec![], None, None),
            (vec![healthy(1)], None, None),
            (vec![healthy(1), plain(2)], Some(1), Some(1)),
            (vec![healthy(1), plain(2), plain(3)], Some(1), Some(2)),
            (vec![healthy(1), failed(2), plain(3)], Some(1), Some(1)),
            (vec![failed(1), plain(2)], None, None),
        ];
        for (history, reverts_to, undone_to) in cases {
            assert_eq!(healthy_target(&history).map(|r| r.number), reverts_to);
            assert_eq!(undo_target(&history, 0).ok().map(|r| r.number), undone_to);
        }
    }

    #[test]
    fn a_history_is_written_without_what_is_not_so_and_read_back() {
        let marked = Revision { failed: "so".to_owned(), barred: true, ..one(1, &json!("a")) };
        let mut history = vec![marked, one(2, &json!("b"))];
        let before = text(&history, None);
        assert_eq!(before.matches("barred").count(), 1);
        assert!(before.contains(r#""template":""}]"#), "{before}");
        assert!(is_told(&before, &history, None));
        history[1].healthy = true;
        assert!(!is_told(&before, &history, None));
        let memory = Memory { not_before_ms: 5, ..Memory::default() };
        assert!(!is_told(&text(&history, None), &history, Some(&memory)));
        let after = text(&history, Some(&memory));
        assert!(is_told(&after, &history, Some(&memory)));
        assert_eq!(Memory::in_history(&after), memory);
        let mut read: Vec<Revision> = serde_json::from_str(&after).expect("a history");
        read[1].template = history[1].template.clone();
        assert_eq!(read, history);
    }

    #[test]
    fn the_essence_of_a_template_is_the_same_after_a_restart() {
        assert_eq!(essence(&again("a")), template("a"));
        assert_ne!(essence(&again("a")), template("b"));
        let mut noted = again("a");
        noted["metadata"]["annotations"]["note"] = json!("mine");
        assert_eq!(essence(&noted)["metadata"], json!({"annotations": {"note": "mine"}}));
    }
}
