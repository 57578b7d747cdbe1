//! What was observed of pods, as the bytes that it came in: for the checkpoint, and for readers who
//! were not shown it yet.
//!
//! Guarantee: the checkpoint holds the last observation of every pod that its node has. Absent:
//! anything that decides. Once readers were shown everything they keep it themselves.

use std::collections::HashMap;
use std::sync::Arc;

use setpoint_schemas::Observation;

use super::Numbered;

/// The record of an observation.
pub(crate) type Record = Arc<[u8]>;

/// Pods whose observations share a map: one that grows moves these at most, while whoever waits to be
/// decided waits.
const PODS_TOGETHER: u32 = 4_096;

/// Observations by the numbers of their pods.
#[derive(Debug)]
pub(crate) struct Observations {
    /// Those that the checkpoint is to be told; `None`: there is none any more.
    unwritten: Vec<Numbered<Option<Record>>>,
    /// All of them, until readers were shown them.
    all: Option<HashMap<u32, Record>>,
}

impl Default for Observations {
    fn default() -> Self {
        Observations { unwritten: Vec::new(), all: Some(HashMap::new()) }
    }
}

impl Observations {
    /// A pod was observed.
    pub(crate) fn keep(&mut self, id: u32, observed: &Observation) {
        if let Some(all) = &mut self.all {
            all.insert(id, observed.record().clone());
        }
        self.write(id, Some(observed.record().clone()));
    }

    /// Nothing is left of a pod that stays placed.
    pub(crate) fn clear(&mut self, id: u32) {
        if let Some(all) = &mut self.all {
            all.remove(&id);
        }
        self.write(id, None);
    }

    /// A pod is forgotten, and its number given back.
    pub(crate) fn forget(&mut self, id: u32) {
        if let Some(all) = &mut self.all {
            all.remove(&id);
        }
        if let Some(together) = self.unwritten.get_mut(group(id)) {
            together.remove(&id);
        }
    }

    /// An observation that the checkpoint has.
    pub(crate) fn load(&mut self, id: u32, observed: &Observation) {
        if let Some(all) = &mut self.all {
            all.insert(id, observed.record().clone());
        }
    }

    /// All that readers were not shown yet, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Observation> {
        let records = self.all.iter().flat_map(HashMap::values);
        records.filter_map(|record| Observation::of_record(record.clone()))
    }

    /// Readers were shown all.
    pub(crate) fn shown(&mut self) {
        self.all = None;
    }

    /// The checkpoint is to be told all.
    pub(crate) fn touch_all(&mut self) {
        let all = self.all.iter().flatten();
        let all: Vec<_> = all.map(|(id, record)| (*id, record.clone())).collect();
        all.into_iter().for_each(|(id, record)| self.write(id, Some(record)));
    }

    /// What the checkpoint is to be told of one pod.
    pub(crate) fn take_unwritten_of(&mut self, id: u32) -> Option<Option<Record>> {
        self.unwritten.get_mut(group(id))?.remove(&id)
    }

    /// What the checkpoint is to be told, in no order.
    pub(crate) fn take_unwritten(&mut self) -> impl Iterator<Item = (u32, Option<Record>)> {
        std::mem::take(&mut self.unwritten).into_iter().flatten()
    }

    fn write(&mut self, id: u32, record: Option<Record>) {
        let group = group(id);
        if group >= self.unwritten.len() {
            self.unwritten.resize_with(group + 1, Numbered::default);
        }
        self.unwritten[group].insert(id, record);
    }
}

fn group(id: u32) -> usize {
    (id / PODS_TOGETHER) as usize
}
