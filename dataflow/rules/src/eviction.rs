//! When a pod leaves a node for a taint of effect `NoExecute`.
//!
//! Kubernetes: the controller `tainteviction`. A taint that no toleration of the pod bears makes it leave
//! at once; tolerations with `tolerationSeconds` bear theirs so long, and the shortest counts; none above
//! zero is not at all, and what else the pod bears counts, as when it is placed: otherwise it would come
//! and go for ever. The time runs from when the taint was added, or from when the pod came, whichever is
//! later.

use serde::Deserialize;
use setpoint_schemas::{Taint, TaintEffect, Toleration};

/// A taint as a Node resource has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeTaint {
    /// The taint.
    #[serde(flatten)]
    pub taint: Taint,
    /// Since when the node bears it (RFC 3339); the leader writes it down where it is absent.
    #[serde(default)]
    pub time_added: Option<String>,
}

/// That a pod leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave<'t> {
    /// Engine time at which it has to, milliseconds since 1970.
    pub at_ms: i64,
    /// The taint that it bears no longer then.
    pub taint: &'t NodeTaint,
}

impl NodeTaint {
    /// Whether pods leave for it.
    #[must_use]
    pub fn is_no_execute(&self) -> bool {
        self.taint.effect == TaintEffect::NoExecute
    }

    /// Since when the node bears it, milliseconds since 1970; 0, for ever, where that does not read.
    #[must_use]
    pub fn since_ms(&self) -> i64 {
        let added = self.time_added.as_deref().and_then(|text| text.parse().ok());
        added.map_or(0, |added: jiff::Timestamp| added.as_millisecond())
    }
}

/// When a pod with these tolerations, placed then, has to leave a node with these taints; `None` when it
/// may stay for ever. Of two taints the one that it bears for a shorter time counts, of two borne for
/// as long the first.
#[must_use]
pub fn leave<'t>(
    taints: &'t [NodeTaint],
    tolerations: &[Toleration],
    placed_ms: i64,
) -> Option<Leave<'t>> {
    let leaves = taints.iter().filter(|taint| taint.is_no_execute()).filter_map(|borne| {
        let mut lasting = tolerations
            .iter()
            .filter(|toleration| toleration.toleration_seconds.is_none_or(|s| s > 0));
        let at_ms = match lasting.find(|toleration| toleration.bears(&borne.taint)) {
            Some(toleration) => {
                let ms = toleration.toleration_seconds?.saturating_mul(1_000);
                borne.since_ms().max(placed_ms).saturating_add(ms)
            }
            None => placed_ms,
        };
        Some(Leave { at_ms, taint: borne })
    });
    leaves.min_by_key(|leave| leave.at_ms)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ADDED_MS: i64 = 1_000_000;

    fn taint(key: &str, effect: &str) -> NodeTaint {
        let added = "1970-01-01T00:16:40Z";
        serde_json::from_value(json!({"key": key, "effect": effect, "timeAdded": added}))
            .expect("a taint")
    }

    fn bears(key: &str, seconds: Option<i64>) -> Toleration {
        let mut json = json!({"key": key, "operator": "Exists", "effect": "NoExecute"});
        json["tolerationSeconds"] = json!(seconds);
        serde_json::from_value(json).expect("a toleration")
    }

    #[test]
    fn a_pod_leaves_when_the_first_taint_is_borne_no_longer() {
        let gone = || taint("gone", "NoExecute");
        let full = || taint("full", "NoExecute");
        let table = [
            ("no taint", vec![], vec![], 0, None),
            ("another effect", vec![taint("gone", "NoSchedule")], vec![], 0, None),
            ("not borne", vec![gone()], vec![], 0, Some(0)),
            ("placed later", vec![gone()], vec![], ADDED_MS + 5, Some(ADDED_MS + 5)),
            ("for ever", vec![gone()], vec![bears("gone", None)], 0, None),
            (
                "for a minute",
                vec![gone()],
                vec![bears("gone", Some(60))],
                0,
                Some(ADDED_MS + 60_000),
            ),
            ("not a moment", vec![gone()], vec![bears("gone", Some(-1))], 7, Some(7)),
            (
                "of two the shorter",
                vec![gone(), full()],
                vec![bears("gone", Some(60)), bears("full", Some(5))],
                0,
                Some(ADDED_MS + 5_000),
            ),
            (
                "of two the first that bears it",
                vec![gone()],
                vec![bears("gone", Some(60)), bears("gone", Some(5))],
                0,
                Some(ADDED_MS + 60_000),
            ),
            (
                "not a moment by the first, for ever by the second",
                vec![gone()],
                vec![bears("gone", Some(0)), bears("gone", None)],
                0,
                None,
            ),
            ("one of two", vec![gone(), full()], vec![bears("gone", None)], 0, Some(0)),
        ];
        for (name, taints, tolerations, placed_ms, expected) in table {
            let leave = leave(&taints, &tolerations, placed_ms);
            assert_eq!(leave.map(|leave| leave.at_ms), expected, "{name}");
        }
    }

    #[test]
    fn a_time_that_does_not_read_is_taken_for_long_ago() {
        for text in [None, Some("yesterday".to_owned())] {
            assert_eq!(NodeTaint { time_added: text, ..taint("a", "NoExecute") }.since_ms(), 0);
        }
    }
}
