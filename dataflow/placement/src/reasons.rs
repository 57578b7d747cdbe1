//! Why a pod can be placed nowhere, in kube-scheduler's sentence.

use std::collections::BTreeMap;
use std::fmt;

/// How many nodes gave each reason. A node may give several, when several resources are short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons {
    /// How many nodes there are.
    pub nodes: usize,
    /// Nodes by reason, in kube-scheduler's phrases.
    pub counts: BTreeMap<String, usize>,
}

impl Reasons {
    pub(crate) fn count(&mut self, reason: String, nodes: usize) {
        *self.counts.entry(reason).or_insert(0) += nodes;
    }
}

impl fmt::Display for Reasons {
    /// Sorted as kube-scheduler sorts: by the text, number included (`FitError.Error`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        let mut parts: Vec<String> =
            self.counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        parts.sort();
        write!(f, "0/{} nodes are available: {}.", self.nodes, parts.join(", "))
    }
}
