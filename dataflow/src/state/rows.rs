//! The checkpoint's rows: what is written of the state, and how it is read back.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    AnsweredRow, CronRow, DevicesRow, EarlyRow, Meta, NodeRow, OrphanRow, OwnersRow, Pod, Remains,
    WorkloadMemo,
};
use setpoint_schemas::avro::{Codec, DecodeError};
use setpoint_schemas::{NodeName, Observation, PodUid, Resource, ResourceKey};

/// The tables of the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The engine's own row.
    Meta = 0,
    /// Resources by key.
    Resources = 1,
    /// What is remembered of workloads, by key.
    Workloads = 2,
    /// Nodes by name.
    Nodes = 3,
    /// Placed pods by uid.
    Pods = 4,
    /// Pods without a placement, by node and uid.
    Orphans = 5,
    /// Answers to requests, by request id.
    Answers = 6,
    /// Words that came before their session's record, by node, session and uid.
    Early = 7,
    /// What the compacted topics still say of pods and nodes that are gone for good.
    Remains = 8,
    /// The devices that pods have, by uid.
    Devices = 9,
    /// What was observed last of placed pods, by uid: the record itself.
    Observed = 10,
    /// When each CronJob is looked at, by key.
    Crons = 11,
    /// What is still to be looked at for owners and namespaces that go, by subject.
    Owners = 12,
}

/// A row of the checkpoint: table, key, value; no value: the row is gone.
pub type CheckpointRow = (u8, Vec<u8>, Option<Vec<u8>>);

/// A checkpoint that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A table that this version does not know.
    #[error("unknown checkpoint table {0}; it was written by a newer version")]
    Table(u8),
    /// A row that does not decode.
    #[error("failed to decode checkpoint row {key:?} of table {table}")]
    Row {
        /// The table.
        table: u8,
        /// The key as text.
        key: String,
        /// Why.
        source: postcard::Error,
    },
    /// An observation that is none.
    #[error("failed to read what was observed of pod {uid}")]
    Observed {
        /// The uid as text.
        uid: String,
        /// Why.
        source: DecodeError,
    },
    /// A row that does not fit the others.
    #[error("checkpoint row {key:?} does not fit: {why}")]
    Unfit {
        /// The key as text.
        key: String,
        /// Why.
        why: String,
    },
}

/// The rows of a checkpoint, decoded.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) meta: Meta,
    pub(crate) resources: Vec<Resource>,
    /// With their numbers, by which pods name them.
    pub(crate) workloads: Vec<(u32, ResourceKey, WorkloadMemo)>,
    /// With their numbers, by which pods name them.
    pub(crate) nodes: Vec<(u32, NodeRow)>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) observed: Vec<Observation>,
    pub(crate) orphans: Vec<OrphanRow>,
    pub(crate) answers: Vec<AnsweredRow>,
    pub(crate) early: Vec<EarlyRow>,
    pub(crate) remains: Vec<Remains>,
    pub(crate) devices: Vec<DevicesRow>,
    pub(crate) crons: Vec<CronRow>,
    pub(crate) owners: Vec<OwnersRow>,
}

impl Rows {
    /// Takes in one row.
    pub(crate) fn take(&mut self, table: u8, key: &[u8], value: &[u8]) -> Result<(), RestoreError> {
        match table {
            0 => self.meta = decode(table, key, value)?,
            1 => self.resources.push(decode(table, key, value)?),
            2 => self.workloads.push(decode(table, key, value)?),
            3 => self.nodes.push(decode(table, key, value)?),
            4 => self.pods.push(decode(table, key, value)?),
            5 => self.orphans.push(decode(table, key, value)?),
            6 => self.answers.push(decode(table, key, value)?),
            7 => self.early.push(decode(table, key, value)?),
            8 => self.remains.push(decode(table, key, value)?),
            9 => self.devices.push(decode(table, key, value)?),
            10 => self.observed.push(observation(key, value)?),
            11 => self.crons.push(decode(table, key, value)?),
            12 => self.owners.push(decode(table, key, value)?),
            other => return Err(RestoreError::Table(other)),
        }
        Ok(())
    }
}

/// A placed pod, as a checkpoint's rows tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodInRows {
    /// Its uid.
    pub uid: PodUid,
    /// The node that it has its place on.
    pub node: NodeName,
    /// The workload that it belongs to.
    pub workload: ResourceKey,
    /// The uid of that workload; empty when the rows do not have it.
    pub workload_uid: String,
    /// Which of its workload's pods it is, counted from 0.
    pub counter: u64,
}

/// The placed pods of a checkpoint: all its rows decoded, and no engine made of them.
///
/// # Errors
/// [`RestoreError`] when a row does not decode.
pub fn pods_in<B: AsRef<[u8]>>(
    rows: impl IntoIterator<Item = (u8, B, B)>,
) -> Result<Vec<PodInRows>, RestoreError> {
    let mut decoded = Rows::default();
    for (table, key, value) in rows {
        decoded.take(table, key.as_ref(), value.as_ref())?;
    }
    let uids: BTreeMap<ResourceKey, String> =
        decoded.resources.into_iter().map(|resource| (resource.key(), resource.uid)).collect();
    let nodes: HashMap<u32, NodeName> =
        decoded.nodes.into_iter().map(|(id, row)| (id, row.record.node.clone())).collect();
    let workloads: HashMap<u32, ResourceKey> =
        decoded.workloads.into_iter().map(|(id, key, _)| (id, key)).collect();
    let pod = |row: Pod| {
        let workload = workloads.get(&row.workload)?.clone();
        Some(PodInRows {
            uid: row.uid,
            node: nodes.get(&row.node)?.clone(),
            workload_uid: uids.get(&workload).cloned().unwrap_or_default(),
            workload,
            counter: row.counter,
        })
    };
    Ok(decoded.pods.into_iter().filter_map(pod).collect())
}

fn decode<T: DeserializeOwned>(table: u8, key: &[u8], value: &[u8]) -> Result<T, RestoreError> {
    let key = String::from_utf8_lossy(key).into_owned();
    postcard::from_bytes(value).map_err(|source| RestoreError::Row { table, key, source })
}

fn observation(key: &[u8], value: &[u8]) -> Result<Observation, RestoreError> {
    Codec::single_object().observation(value).map_err(|source| {
        let uid = String::from_utf8_lossy(key).into_owned();
        RestoreError::Observed { uid, source }
    })
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("rows hold nothing that postcard cannot write")
}
