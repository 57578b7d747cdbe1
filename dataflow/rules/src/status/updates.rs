//! What the status of a StatefulSet or a DaemonSet says of its updates. Kubernetes says nothing there, because it
//! judges none; the conditions are those of a Deployment, with revisions in the place of ReplicaSets.

use std::borrow::Cow;

use super::{Before, Condition, Said, WorkloadCounts, condition};

/// A revision that was left by going back, and is not taken again from a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pin {
    /// Its number.
    pub left: i64,
    /// The number of the one that was gone back to.
    pub stands: i64,
    /// Why it failed; empty where it was undone.
    pub why: String,
}

/// How an update proceeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Progress {
    /// It does, or has time left to.
    #[default]
    Proceeds,
    /// The current revision was complete once: what happens since is no update.
    Complete,
    /// It made no progress for longer than its deadline.
    Stuck,
    /// It is paused.
    Paused,
    /// Too many of its pods failed, and it stands still.
    Halted,
}

/// The conditions of one whose updates are judged, or of which a revision is pinned.
pub(super) fn conditions<'a>(
    kind: &str,
    counts: &'a WorkloadCounts,
    before: &Before<'a>,
    now: &'a str,
) -> Vec<Condition<'a>> {
    let mut conditions = Vec::new();
    if counts.is_judged {
        let words = ["RevisionUpdated", "NewRevisionAvailable", "UpdatePaused"];
        conditions.push(progressing(kind, words, counts, before, now));
    }
    if let Some(pin) = &counts.pinned {
        conditions.push(condition(pinned(pin), before, now));
    }
    conditions
}

/// How the update of a workload of this kind proceeds: while it does, since when it did last.
pub(super) fn progressing<'a>(
    kind: &str,
    [proceeds, complete, paused]: [&'static str; 3],
    counts: &'a WorkloadCounts,
    before: &Before<'a>,
    now: &'a str,
) -> Condition<'a> {
    let name = &counts.name;
    let (status, reason, message) = match counts.progress {
        Progress::Proceeds => ("True", proceeds, format!("{kind} {name:?} is progressing.")),
        Progress::Complete => {
            ("True", complete, format!("{kind} {name:?} has successfully progressed."))
        }
        Progress::Stuck => (
            "False",
            "ProgressDeadlineExceeded",
            format!("{kind} {name:?} has timed out progressing."),
        ),
        Progress::Paused => ("Unknown", paused, format!("{kind} is paused")),
        Progress::Halted => {
            let why = &counts.halted;
            ("False", "UpdateFailed", format!("{kind} {name:?} stands still: {why}"))
        }
    };
    let said: Said<'a> = ("Progressing", status, reason, Cow::Owned(message));
    let mut progressing = condition(said, before, now);
    if counts.progress == Progress::Proceeds && !counts.progressed.is_empty() {
        progressing.last_update_time = Cow::Borrowed(&counts.progressed);
    }
    progressing
}

/// That what was gone back to stays whatever the manifest says.
pub(super) fn pinned(pin: &Pin) -> Said<'static> {
    let Pin { left, stands, why } = pin;
    let (reason, message) = match why.as_str() {
        "" => ("Undone", format!("revision {left} was undone; revision {stands} stays")),
        why => ("Reverted", format!("revision {left} failed: {why}; revision {stands} stays")),
    };
    ("Pinned", "True", reason, Cow::Owned(message))
}

#[cfg(test)]
mod tests {
    use super::super::{daemon_set, stateful_set};
    use super::*;

    #[test]
    fn only_what_is_judged_or_pinned_has_conditions() {
        let plain = WorkloadCounts { name: "db".to_owned(), ..WorkloadCounts::default() };
        for status in [stateful_set(&plain, "{}", "t"), daemon_set(&plain, "{}", "t")] {
            assert!(!status.contains("conditions"), "{status}");
        }
        let judged = WorkloadCounts { is_judged: true, progress: Progress::Stuck, ..plain.clone() };
        let late = r#""message":"StatefulSet \"db\" has timed out progressing.","reason":"ProgressDeadlineExceeded","status":"False""#;
        let status = stateful_set(&judged, "{}", "t1");
        assert!(status.contains(late), "{status}");
        assert_eq!(stateful_set(&judged, &status, "t2"), status, "its times stay");
        let pin = Pin { left: 2, stands: 3, why: "no image".to_owned() };
        let status = daemon_set(&WorkloadCounts { pinned: Some(pin), ..plain }, "{}", "t");
        assert!(status.contains("revision 2 failed: no image; revision 3 stays"), "{status}");
        assert!(!status.contains("Progressing"), "{status}");
    }
}
