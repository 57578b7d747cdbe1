//! A log in memory: the input topics, each with partitions, nothing ever forgotten.

use std::collections::BTreeMap;

use setpoint_schemas::{Cause, Cut, Input, Position, Sourced, Topic};

/// More than one, so that the order across partitions is not the order of appending.
const PARTITIONS: u64 = 3;

/// The input topics of the log.
#[derive(Debug, Default)]
pub struct MemoryLog {
    partitions: BTreeMap<(Topic, i32), Vec<Input>>,
}

impl MemoryLog {
    /// Appends a record; its key and topic follow from what it says.
    pub fn append(&mut self, input: Input) -> Position {
        let (topic, key) = address_of(&input);
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

    /// Whether a decision's cause stands on the log, before the cut.
    #[must_use]
    pub fn holds(&self, cause: &Cause, cut: &Cut) -> bool {
        Topic::of_name(&cause.topic)
            .is_some_and(|topic| (0..cut.next(topic, cause.partition)).contains(&cause.offset))
    }

    /// How many requests it holds.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.partitions.get(&(Topic::Requests, 0)).map_or(0, Vec::len)
    }
}

fn address_of(input: &Input) -> (Topic, String) {
    match input {
        Input::Request(request) => (Topic::Requests, request.id.to_string()),
        Input::Node(record) => (Topic::Nodes, record.node.to_string()),
        Input::NodeRemoved(node) => (Topic::Nodes, node.to_string()),
        Input::Lease(lease) => (Topic::Leases, lease.node.to_string()),
        Input::Pod(pod) => (Topic::Pods, pod.node.to_string()),
        Input::Snapshot(snapshot) => (Topic::Pods, snapshot.node.to_string()),
        Input::PodRemoved(uid) => (Topic::Pods, uid.to_string()),
    }
}
