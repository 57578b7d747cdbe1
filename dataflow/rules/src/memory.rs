//! What is remembered of a workload's current revision, as its resource carries it beside its history: an
//! engine that has nothing but the compacted topics has no other memory of it.
//!
//! Guarantee: nothing is written of what is not remembered, so most resources carry none of it. It is as of
//! the status that was told last. Absent: what a status or a placement says already.

use serde::{Deserialize, Serialize};

use crate::reschedule::Rescheduled;

/// What is remembered of a revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    /// Engine time of the last progress of its update, milliseconds; 0 where none is under way that is judged.
    #[serde(skip_serializing_if = "is_zero")]
    pub progress_ms: i64,
    /// Whether the deadline of its update has passed.
    #[serde(skip_serializing_if = "is_not")]
    pub stuck: bool,
    /// Whether its update was complete, though it has not proved to be healthy yet.
    #[serde(skip_serializing_if = "is_not")]
    pub complete: bool,
    /// Why its update stands still; empty when it does not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub halted: String,
    /// No new pod before this engine time, milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_before_ms: i64,
    /// How often pods that ended were replaced, and where they failed.
    #[serde(skip_serializing_if = "is_blank")]
    pub rescheduled: Rescheduled,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_not(is: &bool) -> bool {
    !is
}

fn is_blank(rescheduled: &Rescheduled) -> bool {
    *rescheduled == Rescheduled::default()
}

impl Memory {
    /// Itself, where there is anything to remember.
    #[must_use]
    pub fn worth_telling(self) -> Option<Memory> {
        (self != Memory::default()).then_some(self)
    }

    /// As the history of a resource carries it with its current revision.
    #[must_use]
    pub fn in_history(text: &str) -> Memory {
        #[derive(Default, Deserialize)]
        struct Remembers {
            #[serde(default)]
            memory: Memory,
        }
        let all: Vec<Remembers> = serde_json::from_str(text).unwrap_or_default();
        all.into_iter().last().unwrap_or_default().memory
    }
}

#[cfg(test)]
mod tests {
    use setpoint_schemas::NodeName;

    use super::*;

    #[test]
    fn only_what_is_remembered_is_written_and_all_of_it_is_read_back() {
        assert_eq!(Memory::default().worth_telling(), None);
        let mut memory = Memory { progress_ms: 7, not_before_ms: 9, ..Memory::default() };
        let text = serde_json::to_string(&memory).expect("JSON");
        assert_eq!(text, r#"{"progressMs":7,"notBeforeMs":9}"#);
        memory.rescheduled.note_failed(NodeName::parse("a").expect("a name"), 5);
        (memory.stuck, memory.halted) = (true, "so".to_owned());
        let text = serde_json::to_string(&memory).expect("JSON");
        let history = format!(r#"[{{"number":1}},{{"number":2,"memory":{text}}}]"#);
        assert_eq!(Memory::in_history(&history), memory);
        for without in ["", "[]", r#"[{"number":1,"memory":{"stuck":true}},{"number":2}]"#] {
            assert_eq!(Memory::in_history(without), Memory::default(), "{without}");
        }
    }
}
