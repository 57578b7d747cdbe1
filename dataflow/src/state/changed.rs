//! The rows of the checkpoint that changed, as they were taken: pods are copied and not yet encoded, so
//! that whoever decides waits for a copy, and whoever writes them does the rest.
//!
//! Guarantee: the rows are as of when they were taken, whatever the engine does meanwhile.

use setpoint_schemas::{PodUid, RequestId, ResourceKey};

use super::observations::Record;
use super::rows::encode;
use super::{CheckpointRow, Pod, State, Subject, Table};

/// What a row takes in memory, roughly, beside what it points at: a pod, or the vectors of one that is
/// encoded.
const ROW_BYTES: usize = size_of::<ChangedRow>();

/// Rows that changed. Where a row is named twice the later one holds.
#[derive(Debug, Default)]
pub struct ChangedRows {
    rows: Vec<ChangedRow>,
    bytes: usize,
}

/// A row, or a pod's two.
#[derive(Debug)]
enum ChangedRow {
    /// A pod, with what was observed of it if that changed too; `None` inside: nothing of it is left.
    Pod(Pod, Option<Option<Record>>),
    /// What was observed of one that did not change.
    Observed(PodUid, Option<Record>),
    /// Any other.
    Encoded(CheckpointRow),
}

impl ChangedRows {
    /// What they take in memory, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, row: ChangedRow) {
        self.bytes += ROW_BYTES + row.pointed_at();
        self.rows.push(row);
    }

    fn encode(&mut self, table: Table, key: String, value: Option<Vec<u8>>) {
        self.push(ChangedRow::Encoded((table as u8, key.into_bytes(), value)));
    }

    /// The rows as they are written.
    #[must_use]
    pub fn encoded(self) -> Vec<CheckpointRow> {
        let mut rows = Vec::with_capacity(2 * self.rows.len());
        for row in self.rows {
            match row {
                ChangedRow::Pod(pod, observed) => {
                    rows.push(of_pod(Table::Pods, &pod.uid, Some(encode(&pod))));
                    rows.extend(observed.map(|record| of_record(&pod.uid, record)));
                }
                ChangedRow::Observed(uid, record) => rows.push(of_record(&uid, record)),
                ChangedRow::Encoded(row) => rows.push(row),
            }
        }
        rows
    }
}

impl ChangedRow {
    /// Bytes that it points at, without a look at them.
    fn pointed_at(&self) -> usize {
        let record = |record: &Option<Record>| record.as_ref().map_or(0, |record| record.len());
        match self {
            ChangedRow::Pod(_, observed) => observed.as_ref().map_or(0, record),
            ChangedRow::Observed(_, observed) => record(observed),
            ChangedRow::Encoded((_, key, value)) => key.len() + value.as_ref().map_or(0, Vec::len),
        }
    }
}

impl State {
    /// The rows that changed since this was last asked, and the engine's own. Where a row is named
    /// twice the later one holds.
    pub(crate) fn take_rows(&mut self) -> ChangedRows {
        let mut touched = std::mem::take(&mut self.touched);
        let mut rows = ChangedRows::default();
        rows.rows.reserve(touched.pods.len());
        rows.encode(Table::Meta, String::new(), Some(encode(&self.meta)));
        for uid in touched.pods_gone {
            rows.encode(Table::Pods, uid.to_string(), None);
            rows.encode(Table::Observed, uid.to_string(), None);
        }
        // In the order in which they lie in memory.
        touched.pods.sort_unstable();
        for id in touched.pods {
            if let Some(pod) = self.pods.get_mut(&id)
                && std::mem::take(&mut pod.is_touched)
            {
                rows.push(ChangedRow::Pod(pod.clone(), self.observations.take_unwritten_of(id)));
            }
        }
        for (id, observed) in self.observations.take_unwritten() {
            if let Some(pod) = self.pods.get(&id) {
                rows.push(ChangedRow::Observed(pod.uid.clone(), observed));
            }
        }
        let mut put = |table: Table, key: String, value: Option<Vec<u8>>| {
            rows.encode(table, key, value);
        };
        touched.workloads_gone.iter().for_each(|key| put(Table::Workloads, key.to_string(), None));
        for id in touched.workloads.take() {
            if let Some(workload) = self.workload.get(&id) {
                let row = encode(&(id, &workload.key, &workload.memo));
                put(Table::Workloads, workload.key.to_string(), Some(row));
            }
        }
        for id in touched.statuses.take() {
            if let Some(workload) = self.workload.get(&id)
                && let Some(resource) = self.resources.get(&workload.key)
            {
                let row = encode(resource.as_ref());
                put(Table::Resources, workload.key.to_string(), Some(row));
            }
        }
        touched.nodes_gone.iter().for_each(|name| put(Table::Nodes, name.to_string(), None));
        for id in touched.nodes.take() {
            if let Some(node) = self.node.get(&id) {
                let name = node.row.record.node.to_string();
                put(Table::Nodes, name, Some(encode(&(id, &node.row))));
            }
        }
        for remains in touched.remains {
            let row = self.remains.contains(&remains).then(|| encode(&remains));
            put(Table::Remains, remains.key(), row);
        }
        for (table, key) in touched.others {
            let value = self.row(table, &key);
            put(table, key, value);
        }
        rows
    }

    /// A row of a table whose rows have no numbers.
    fn row(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        match table {
            Table::Resources => {
                let key = ResourceKey::parse(key).ok()?;
                self.resources.get(&key).map(|resource| encode(resource.as_ref()))
            }
            Table::Orphans => self.orphans.by_text(key).map(|orphan| encode(&orphan.row)),
            Table::Answers => self.answered.row(&RequestId::parse(key).ok()?).map(encode),
            Table::Early => self.early.row(key).map(encode),
            Table::Owners => self.owners.row(&Subject::parse(key)?).map(encode),
            Table::Crons => self.crons.row(&ResourceKey::parse(key).ok()?).map(encode),
            Table::Devices => self.devices.row(&PodUid::parse(key).ok()?).map(|row| encode(&row)),
            Table::Meta
            | Table::Workloads
            | Table::Nodes
            | Table::Pods
            | Table::Observed
            | Table::Remains => None,
        }
    }
}

fn of_record(uid: &PodUid, record: Option<Record>) -> CheckpointRow {
    of_pod(Table::Observed, uid, record.as_deref().map(<[u8]>::to_vec))
}

fn of_pod(table: Table, uid: &PodUid, value: Option<Vec<u8>>) -> CheckpointRow {
    (table as u8, uid.to_string().into_bytes(), value)
}
