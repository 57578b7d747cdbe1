//! The rows of the checkpoint that changed, as they were taken: pods are copied and not yet encoded, so
//! that whoever decides waits for a copy, and whoever writes them does the rest.
//!
//! Guarantee: the rows are as of when they were taken, whatever the engine does meanwhile.

use setpoint_schemas::PodUid;

use super::observations::Record;
use super::rows::encode;
use super::{CheckpointRow, Pod, Table};

/// What a pod's two rows take in memory, roughly: keys and values as they are encoded.
const POD_BYTES: usize = 256;

/// Rows that changed. Where a row is named twice the later one holds.
#[derive(Debug, Default)]
pub struct ChangedRows(pub(super) Vec<ChangedRow>);

/// A row, or a pod's two.
#[derive(Debug)]
pub(super) enum ChangedRow {
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
        let row = |row: &ChangedRow| match row {
            ChangedRow::Pod(..) | ChangedRow::Observed(..) => POD_BYTES,
            ChangedRow::Encoded((_, key, value)) => key.len() + value.as_ref().map_or(0, Vec::len),
        };
        self.0.iter().map(row).sum()
    }

    /// The rows as they are written.
    #[must_use]
    pub fn encoded(self) -> Vec<CheckpointRow> {
        let mut rows = Vec::with_capacity(2 * self.0.len());
        for row in self.0 {
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

fn of_record(uid: &PodUid, record: Option<Record>) -> CheckpointRow {
    of_pod(Table::Observed, uid, record.as_deref().map(<[u8]>::to_vec))
}

fn of_pod(table: Table, uid: &PodUid, value: Option<Vec<u8>>) -> CheckpointRow {
    (table as u8, uid.to_string().into_bytes(), value)
}
