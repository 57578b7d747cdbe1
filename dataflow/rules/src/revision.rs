//! Revisions: a pod template's hash, and a workload's history of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpoint_schemas::HISTORY_BYTES_MAX;
use xxhash_rust::xxh3::xxh3_128;

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
pub fn advance(mut history: Vec<Revision>, template: &Value, limit: usize) -> Vec<Revision> {
    let hash = template_hash(template);
    if history.last().is_none_or(|last| last.hash != hash) {
        let number = history.last().map_or(0, |last| last.number) + 1;
        history.retain(|revision| revision.hash != hash);
        history.push(Revision { number, hash, template: template.to_string() });
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

/// The bytes of a JSON text as a string of another JSON text.
fn bytes_within_json(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// The revision to go back to: the numbered one, or with 0 the one before the current.
///
/// # Errors
/// A sentence in kubectl's words when there is no such revision.
pub fn undo_target(history: &[Revision], to: i64) -> Result<&Revision, String> {
    if to == 0 {
        let before = history.len().checked_sub(2).and_then(|index| history.get(index));
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
        let history = advance(Vec::new(), &json!({"a": 1}), 10);
        let history = advance(history, &json!({"a": 2}), 10);
        let history = advance(history, &json!({"a": 1}), 10);
        let numbers: Vec<i64> = history.iter().map(|r| r.number).collect();
        assert_eq!(numbers, [2, 3]);
    }

    #[test]
    fn a_history_of_large_templates_forgets_the_oldest_to_fit_into_its_record() {
        let mut history = Vec::new();
        for n in 0..20 {
            history = advance(history, &json!({"n": n, "env": "x".repeat(200_000)}), 10);
        }
        assert_eq!(history.iter().map(|r| r.number).collect::<Vec<_>>(), [17, 18, 19, 20]);
        let huge = advance(history, &json!("y".repeat(2 << 20)), 10);
        assert_eq!(huge.last().map(|r| r.number), Some(21), "the current one stays");
        let after = advance(huge, &json!("z"), 10);
        assert_eq!(after.iter().map(|r| r.number).collect::<Vec<_>>(), [22]);
    }

    #[test]
    fn history_is_bounded() {
        let mut history = Vec::new();
        for n in 0..20 {
            history = advance(history, &json!({ "a": n }), 3);
        }
        assert_eq!(history.len(), 4);
        assert!(undo_target(&history, 1).is_err());
        assert_eq!(undo_target(&history, 0).expect("one before").number, 19);
        let lower = advance(history, &json!({"a": 19}), 0);
        assert_eq!(lower.len(), 1, "a lower limit forgets at once");
        assert!(undo_target(&lower, 0).is_err());
    }
}
