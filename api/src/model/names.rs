//! Names, and those of pods that are gone, for whoever reads what was decided about them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use setpoint_schemas::PodUid;

use super::bounds::DECISIONS_KEPT_MAX;

/// Namespace and name.
pub(crate) type Name = (Arc<str>, Arc<str>);

/// As many as decisions are kept: a decision is about one pod at most.
const NAMES_KEPT_MAX: usize = DECISIONS_KEPT_MAX;

/// Names by uid, the latest.
#[derive(Default)]
pub(crate) struct Names {
    by_uid: HashMap<PodUid, Name>,
    order: VecDeque<PodUid>,
}

impl Names {
    /// Remembers a name; the oldest is forgotten when there are too many.
    pub(crate) fn remember(&mut self, uid: PodUid, name: Name) {
        if self.by_uid.insert(uid.clone(), name).is_some() {
            return;
        }
        self.order.push_back(uid);
        if self.order.len() > NAMES_KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_uid.remove(&oldest);
        }
    }

    /// The name of a uid.
    pub(crate) fn of(&self, uid: &PodUid) -> Option<&Name> {
        self.by_uid.get(uid)
    }

    /// All uids with their names, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PodUid, &Name)> {
        self.by_uid.iter()
    }
}
