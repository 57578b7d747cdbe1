//! A log in memory: the input topics, each with partitions, nothing ever forgotten.

use std::collections::{BTreeMap, BTreeSet};

use setpoint_dataflow::Remains;
use setpoint_schemas::{Cause, Cut, Input, NodeName, NodeRecord, PodUid, Position, Sourced, Topic};

/// More than one, so that the order across partitions is not the order of appending.
const PARTITIONS: u64 = 3;

/// The input topics of the log.
#[derive(Debug, Default)]
pub struct MemoryLog {
    partitions: BTreeMap<(Topic, i32), Vec<Input>>,
    /// How many records leaders have written to each of their topics.
    written: BTreeMap<Topic, i64>,
}

impl MemoryLog {
    /// Appends a record; its key and topic follow from what it says.
    pub fn append(&mut self, input: Input) -> Position {
        let (_, key) = address_of(&input);
        self.append_by(&key, input)
    }

    /// Appends the tombstone of what is gone for good, in its node's partition. A node's last
    /// snapshot is none of the inputs that this log knows to be removed.
    pub fn bury(&mut self, remains: &Remains) {
        match remains {
            Remains::Pod { uid, node } => {
                self.append_by(node.as_str(), Input::PodRemoved(uid.clone()))
            }
            Remains::Node(node) => self.append(Input::NodeRemoved(node.clone())),
        };
    }

    fn append_by(&mut self, key: &str, input: Input) -> Position {
        let (topic, _) = address_of(&input);
        let hash = key.bytes().fold(0u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        let count = if topic == Topic::Requests { 1 } else { PARTITIONS };
        let partition = i32::try_from(hash % count).expect("few partitions");
        let records = self.partitions.entry((topic, partition)).or_default();
        records.push(input);
        Position { topic, partition, offset: records.len() as i64 - 1 }
    }

    /// The end of every partition.
    #[must_use]
    pub fn ends(&self) -> Cut {
        self.partitions
            .iter()
            .map(|((topic, partition), r)| (*topic, *partition, r.len() as i64))
            .collect()
    }

    /// The records between two cuts, in (topic rank, partition, offset) order.
    #[must_use]
    pub fn between(&self, from: &Cut, to: &Cut) -> Vec<Sourced> {
        let mut records = Vec::new();
        for ((topic, partition), inputs) in &self.partitions {
            for offset in from.next(*topic, *partition)..to.next(*topic, *partition) {
                let position = Position { topic: *topic, partition: *partition, offset };
                let index = usize::try_from(offset).expect("offsets are not negative");
                records.push(Sourced { position, input: inputs[index].clone() });
            }
        }
        records
    }

    /// A leader writes a record to this topic; only its position is kept here.
    pub fn write(&mut self, topic: Topic) -> Position {
        let end = self.written.entry(topic).or_default();
        *end += 1;
        Position { topic, partition: 0, offset: *end - 1 }
    }

    /// What compaction leaves of the nodes and the pods before a cut: the latest of each key.
    #[must_use]
    pub fn compacted(&self, cut: &Cut) -> (Vec<(NodeRecord, Position)>, Vec<Sourced>) {
        let mut latest: BTreeMap<(Topic, String), Sourced> = BTreeMap::new();
        for sourced in self.between(&Cut::default(), cut) {
            let key = (sourced.position.topic, key_of(&sourced.input));
            if matches!(key.0, Topic::Nodes | Topic::Pods) {
                latest.insert(key, sourced);
            }
        }
        let (mut nodes, mut observed) = (Vec::new(), Vec::new());
        for sourced in latest.into_values() {
            match sourced.input {
                Input::Node(node) => nodes.push((*node, sourced.position)),
                Input::NodeRemoved(_) => {}
                input => observed.push(Sourced { position: sourced.position, input }),
            }
        }
        observed.sort_by_key(|sourced| sourced.position);
        (nodes, observed)
    }

    /// The observations that compaction leaves in the end: of which pod, on which node.
    #[must_use]
    pub fn observed_for_ever(&self) -> BTreeSet<(PodUid, NodeName)> {
        let pods = self.partitions.iter().filter(|((topic, _), _)| *topic == Topic::Pods);
        let mut left = BTreeSet::new();
        for (_, records) in pods {
            let mut latest: BTreeMap<String, &Input> = BTreeMap::new();
            latest.extend(records.iter().map(|input| (key_of(input), input)));
            left.extend(latest.into_values().filter_map(|input| match input {
                Input::Pod(pod) => Some((pod.uid().clone(), pod.node_name())),
                _ => None,
            }));
        }
        left
    }

    /// The nodes whose records compaction leaves in the end.
    #[must_use]
    pub fn registered_for_ever(&self) -> BTreeSet<NodeName> {
        let (nodes, _) = self.compacted(&self.ends());
        nodes.into_iter().map(|(record, _)| record.node).collect()
    }

    /// Whether a decision's cause stands on the log, before the cut.
    #[must_use]
    pub fn holds(&self, cause: &Cause, cut: &Cut) -> bool {
        let end = |topic| match self.written.get(&topic) {
            Some(end) => *end,
            None => cut.next(topic, cause.partition),
        };
        Topic::of_name(&cause.topic).is_some_and(|topic| (0..end(topic)).contains(&cause.offset))
    }

    /// How many requests it holds.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.partitions.get(&(Topic::Requests, 0)).map_or(0, Vec::len)
    }
}

/// The key under which a record is kept.
fn key_of(input: &Input) -> String {
    match input {
        Input::Pod(pod) => pod.uid().to_string(),
        Input::Snapshot(snapshot) => format!("node/{}", snapshot.node),
        other => address_of(other).1,
    }
}

fn address_of(input: &Input) -> (Topic, String) {
    match input {
        Input::Request(request) => (Topic::Requests, request.id.to_string()),
        Input::Node(record) => (Topic::Nodes, record.node.to_string()),
        Input::NodeRemoved(node) => (Topic::Nodes, node.to_string()),
        Input::Lease(lease) => (Topic::Leases, lease.node.to_string()),
        Input::Pod(pod) => (Topic::Pods, pod.node().to_owned()),
        Input::Snapshot(snapshot) => (Topic::Pods, snapshot.node.to_string()),
        Input::PodRemoved(uid) => (Topic::Pods, uid.to_string()),
    }
}
