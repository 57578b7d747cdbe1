//! An input as the cause of what follows from it: kept in parts when it becomes one, put into words
//! when someone reads them.
//!
//! Guarantee: two equal causes have the same words. Absent: what else the input said.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use setpoint_rules::identity;
use setpoint_schemas::{
    self as schemas, CAUSE_BYTES_MAX, Lease, NodeName, NodeRecord, NodeSnapshot, PodPhase, PodUid,
    Position, Request, Topic, cut,
};

/// Causes kept of a decision: beyond this the latest ones tell enough.
pub(crate) const CAUSES_MAX: usize = 8;

/// A record of the log, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cause {
    pub(crate) at: Position,
    pub(crate) said: Said,
}

/// What a record said, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// In words: what few records say.
    Words(Arc<str>),
    /// A pod as its node observed it.
    Pod(PodSaid),
    /// A node renewed its lease, as its so many-th renewal.
    Renewal(NodeName, i64),
    /// A node has so many pods, by the snapshot of this sequence.
    Pods(NodeName, u64, i64),
}

/// What is told of an observed pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PodSaid {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: NameParts,
    pub(crate) node: NodeName,
    pub(crate) phase: PodPhase,
    pub(crate) ready: bool,
    /// One word, where there is something to say.
    pub(crate) reason: Option<Arc<str>>,
}

/// A pod's name by what it follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NameParts {
    /// Itself.
    Whole(Arc<str>),
    /// The stem, and the uid that the suffix follows from.
    Derived(Arc<str>, PodUid),
}

/// Causes, the oldest first. To copy them costs as much as one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Causes(Arc<[Cause]>);

impl Cause {
    /// In these words.
    pub(crate) fn told(at: Position, words: impl Into<Arc<str>>) -> Cause {
        Cause { at, said: Said::Words(words.into()) }
    }

    /// As it stands in the ledger; `None` for a topic that is not known.
    pub(crate) fn read(cause: &schemas::Cause) -> Option<Cause> {
        let topic = Topic::of_name(&cause.topic)?;
        let at = Position { topic, partition: cause.partition, offset: cause.offset };
        Some(Cause::told(at, cause.text.as_str()))
    }

    /// As it is written to the ledger.
    pub(crate) fn record(&self) -> schemas::Cause {
        let Position { topic, partition, offset } = self.at;
        let text = cut(self.said.to_string(), CAUSE_BYTES_MAX);
        schemas::Cause { topic: topic.name().to_owned(), partition, offset, text }
    }
}

/// A request as the cause of what follows from it.
pub(crate) fn cause_of_request(at: Position, request: &Request) -> Cause {
    let text = match request.items.as_slice() {
        [item] => {
            format!("{} asks to {:?} {} {}", request.actor, item.verb, item.kind, item.name)
        }
        items => format!("{} asks for {} changes", request.actor, items.len()),
    };
    Cause::told(at, text)
}

/// A node that reports itself.
pub(crate) fn cause_of_node(at: Position, record: &NodeRecord) -> Cause {
    let ready = if record.is_ready() { "ready" } else { "not ready" };
    Cause::told(at, format!("node {} reports itself {ready}", record.node))
}

/// A node that was removed.
pub(crate) fn cause_of_removal(at: Position, node: &NodeName) -> Cause {
    Cause::told(at, format!("node {node} was removed"))
}

/// A lease that is renewed.
pub(crate) fn cause_of_lease(at: Position, lease: &Lease) -> Cause {
    Cause { at, said: Said::Renewal(lease.node.clone(), lease.sequence) }
}

/// All that a node says it has.
pub(crate) fn cause_of_snapshot(at: Position, snapshot: &NodeSnapshot) -> Cause {
    let NodeSnapshot { node, uids, sequence, .. } = snapshot;
    Cause { at, said: Said::Pods(node.clone(), uids.len() as u64, *sequence) }
}

impl FromIterator<Cause> for Causes {
    fn from_iter<T: IntoIterator<Item = Cause>>(causes: T) -> Causes {
        Causes(causes.into_iter().collect())
    }
}

impl From<Cause> for Causes {
    fn from(cause: Cause) -> Causes {
        Causes(Arc::from([cause]))
    }
}

impl From<Option<Cause>> for Causes {
    fn from(cause: Option<Cause>) -> Causes {
        cause.map_or_else(Causes::default, Causes::from)
    }
}

impl Deref for Causes {
    type Target = [Cause];

    fn deref(&self) -> &[Cause] {
        &self.0
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Words(words) => f.write_str(words),
            Said::Pod(pod) => pod.fmt(f),
            Said::Renewal(node, sequence) => {
                write!(f, "node {node} renewed its lease (#{sequence})")
            }
            Said::Pods(node, pods, sequence) => {
                write!(f, "node {node} has {pods} pods (snapshot #{sequence})")
            }
        }
    }
}

impl fmt::Display for PodSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PodSaid { namespace, name, node, phase, ready, reason } = self;
        let ready = if *ready { ", ready" } else { "" };
        write!(f, "pod {namespace}/{name} is {phase:?}{ready}")?;
        if let Some(reason) = reason {
            write!(f, ", {reason}")?;
        }
        write!(f, " on {node}")
    }
}

impl fmt::Display for NameParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameParts::Whole(name) => f.write_str(name),
            NameParts::Derived(stem, uid) => f.write_str(&identity::with_suffix(stem, uid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Position {
        Position { topic: Topic::Pods, partition: 3, offset }
    }

    fn pod(ready: bool, reason: Option<&str>) -> Said {
        Said::Pod(PodSaid {
            namespace: Arc::from("default"),
            name: NameParts::Whole(Arc::from("web-x7k2p")),
            node: "node-1".parse().expect("a name"),
            phase: PodPhase::Running,
            ready,
            reason: reason.map(Arc::from),
        })
    }

    #[test]
    fn a_record_is_told_in_a_sentence() {
        let node: NodeName = "node-1".parse().expect("a name");
        for (said, text) in [
            (pod(true, None), "pod default/web-x7k2p is Running, ready on node-1"),
            (pod(false, Some("Error")), "pod default/web-x7k2p is Running, Error on node-1"),
            (Said::Renewal(node.clone(), 7), "node node-1 renewed its lease (#7)"),
            (Said::Pods(node, 12, 8), "node node-1 has 12 pods (snapshot #8)"),
            (Said::Words(Arc::from("as it is")), "as it is"),
        ] {
            assert_eq!(Cause { at: at(1), said }.record().text, text);
        }
    }
}
