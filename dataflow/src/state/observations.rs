//! What was observed of pods, as the bytes that it came in: for the checkpoint, and for readers who
//! were not shown it yet.
//!
//! Guarantee: the checkpoint holds the last observation of every pod that its node has. Absent:
//! anything that decides. Once readers were shown everything they keep it themselves.

use std::collections::HashMap;
use std::sync::Arc;

use setpoint_schemas::Observation;

/// The record of an observation.
pub(crate) type Record = Arc<[u8]>;

/// Observations by the numbers of their pods.
#[derive(Debug)]
pub(crate) struct Observations {
    /// Those that the checkpoint is to be told; `None`: there is none any more.
    unwritten: HashMap<u32, Option<Record>>,
    /// All of them, until readers were shown them.
    all: Option<HashMap<u32, Record>>,
}

impl Default for Observations {
    fn default() -> Self {
        Observations { unwritten: HashMap::new(), all: Some(HashMap::new()) }
    }
}

impl Observations {
    /// A pod was observed.
    pub(crate) fn keep(&mut self, id: u32, observed: &Observation) {
        if let Some(all) = &mut self.all {
            all.insert(id, observed.record().clone());
        }
        self.unwritten.insert(id, Some(observed.record().clone()));
    }

    /// Nothing is left of a pod that stays placed.
    pub(crate) fn clear(&mut self, id: u32) {
        if let Some(all) = &mut self.all {
            all.remove(&id);
        }
        self.unwritten.insert(id, None);
    }

    /// A pod is forgotten, and its number given back.
    pub(crate) fn forget(&mut self, id: u32) {
        if let Some(all) = &mut self.all {
            all.remove(&id);
        }
        self.unwritten.remove(&id);
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
        self.unwritten.extend(all.map(|(id, record)| (*id, Some(record.clone()))));
    }

    /// What the checkpoint is to be told, in no order.
    pub(crate) fn take_unwritten(&mut self) -> HashMap<u32, Option<Record>> {
        std::mem::take(&mut self.unwritten)
    }
}
