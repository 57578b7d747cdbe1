//! Which devices pods have: a table of its own, since most pods have none.
//!
//! Guarantee: who is in it is placed. Absent: what is left of a device; the placer counts that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use setpoint_schemas::{PodUid, TakenDevice};

/// The devices of all pods that have any.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    taken: BTreeMap<PodUid, Vec<TakenDevice>>,
}

/// What the checkpoint keeps of a pod's devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DevicesRow {
    pub(crate) uid: PodUid,
    pub(crate) taken: Vec<TakenDevice>,
}

impl Devices {
    /// The devices of this pod, by container.
    pub(crate) fn of(&self, uid: &PodUid) -> &[TakenDevice] {
        self.taken.get(uid).map_or(&[], Vec::as_slice)
    }

    /// The pod has these from now on; whether it had others before.
    pub(crate) fn set(&mut self, uid: &PodUid, taken: Vec<TakenDevice>) -> bool {
        if self.of(uid) == taken {
            return false;
        }
        match taken.is_empty() {
            true => self.taken.remove(uid),
            false => self.taken.insert(uid.clone(), taken),
        };
        true
    }

    /// Every pod that has any.
    pub(crate) fn pods(&self) -> impl Iterator<Item = &PodUid> {
        self.taken.keys()
    }

    pub(crate) fn load(&mut self, row: DevicesRow) {
        self.taken.insert(row.uid, row.taken);
    }

    pub(crate) fn row(&self, uid: &PodUid) -> Option<DevicesRow> {
        let taken = self.taken.get(uid)?.clone();
        Some(DevicesRow { uid: uid.clone(), taken })
    }
}
