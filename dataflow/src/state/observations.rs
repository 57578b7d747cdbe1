//! What was observed of pods, in full: for the checkpoint, and for readers who were not shown it yet.
//!
//! Guarantee: the checkpoint holds the last observation of every pod that its node has. Absent:
//! anything that decides. Once readers were shown everything they keep it themselves.

use std::collections::HashMap;
use std::sync::Arc;

use setpoint_schemas::PodObserved;

/// Observations by the numbers of their pods.
#[derive(Debug)]
pub(crate) struct Observations {
    /// Those that the checkpoint is to be told; `None`: there is none any more.
    unwritten: HashMap<u32, Option<Arc<PodObserved>>>,
    /// All of them, until readers were shown them.
    all: Option<HashMap<u32, Arc<PodObserved>>>,
}

impl Default for Observations {
    fn default() -> Self {
        Observations { unwritten: HashMap::new(), all: Some(HashMap::new()) }
    }
}

impl Observations {
    /// A pod was observed.
    pub(crate) fn keep(&mut self, id: u32, observed: Arc<PodObserved>) {
        if let Some(all) = &mut self.all {
            all.insert(id, observed.clone());
        }
        self.unwritten.insert(id, Some(observed));
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
    pub(crate) fn load(&mut self, id: u32, observed: PodObserved) {
        if let Some(all) = &mut self.all {
            all.insert(id, Arc::new(observed));
        }
    }

    /// All that readers were not shown yet, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<PodObserved>> {
        self.all.iter().flat_map(HashMap::values)
    }

    /// Readers were shown all.
    pub(crate) fn shown(&mut self) {
        self.all = None;
    }

    /// The checkpoint is to be told all.
    pub(crate) fn touch_all(&mut self) {
        let all = self.all.iter().flatten();
        self.unwritten.extend(all.map(|(id, observed)| (*id, Some(observed.clone()))));
    }

    /// What the checkpoint is to be told, in no order.
    pub(crate) fn take_unwritten(&mut self) -> HashMap<u32, Option<Arc<PodObserved>>> {
        std::mem::take(&mut self.unwritten)
    }
}
