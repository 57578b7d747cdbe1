//! The read model: what was committed, as served.
//!
//! Guarantee: one [`ReadModel::apply`] is seen whole or not at all; a list, a watch and a
//! placement list each speak of one epoch. Memory is bounded by what exists and two named rings.
//! Absent: anything that was not committed.

mod by_name;
mod change;
mod entry;
mod ring;
mod weight;
mod bounds;
mod names;
mod shared;
mod seen;
mod parts;
mod pods;
mod services;
mod inner;
mod endpoints;
mod kept;
mod query;
mod poll;
mod fresh;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

pub use bounds::DECISIONS_KEPT_MAX;
pub use change::{Change, DeviceServed, NodeServed, WaitingPod};
pub use kept::{About, Kept};
pub use query::Summary;
pub use ring::EVENTS_KEPT_MAX;
pub use seen::Progress;

pub(crate) use entry::{Entry, NodeView, PodView};
pub(crate) use ring::{Before, Cursor, Event, Expired};
pub(crate) use services::{Endpoint, Slice, SlicePort};

use fresh::Freshness;
use inner::Inner;

/// What was committed, as served. Shared between the committer, which applies, and the server.
pub struct ReadModel {
    inner: RwLock<Inner>,
    epoch: watch::Sender<i64>,
    fresh: Freshness,
}

impl Default for ReadModel {
    fn default() -> Self {
        ReadModel::new()
    }
}

impl ReadModel {
    /// An empty model that is not ready.
    #[must_use]
    pub fn new() -> Self {
        let (inner, fresh) = (RwLock::new(Inner::default()), Freshness::default());
        ReadModel { inner, epoch: watch::Sender::new(0), fresh }
    }

    /// Takes in what an epoch committed. `epoch` and `term` never fall; one call an epoch, so
    /// that whoever listed at an epoch misses nothing of it.
    pub fn apply(&self, changes: Vec<Change>, epoch: i64, term: i64, time_ms: i64) {
        self.write().apply(changes, epoch, term, time_ms);
        self.fresh.epoch();
        self.epoch.send_replace(epoch);
    }

    /// Forgets everything and is not ready: whoever fills it follows the log anew. What went away
    /// meanwhile would otherwise be served for ever.
    pub fn begin_anew(&self) {
        self.fresh.lost("");
        self.write().begin_anew();
    }

    /// Says whether the model holds all that is committed. While it does not, lists are not
    /// complete: agents get none and `/readyz` says so. Watches begin anew when it becomes ready.
    pub fn set_ready(&self, ready: bool) {
        self.write().set_ready(ready);
    }

    /// Says that the model is not up to date any more, and why; `/readyz` tells it to anyone.
    pub fn set_unready(&self, why: &str) {
        self.fresh.lost(why);
        self.set_ready(false);
    }

    /// Why answers are not current: the model is not ready, or no epoch came for some seconds.
    /// `None` when they are. Lists are given in the second case all the same: what was committed
    /// last still holds.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        self.fresh.doubt(self.is_ready(), std::time::Instant::now())
    }

    /// Whether the model was told that it is up to date.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.read().is_ready()
    }

    /// Says which role this process has: `leader`, `standby` or `starting`. Served in `/status`.
    pub fn set_role(&self, role: &str) {
        self.write().role = role.to_owned();
    }

    /// Says how many records on the log no epoch has taken yet. Served in `/status`.
    pub fn set_behind(&self, records: i64) {
        self.write().behind_records = records;
    }

    /// The epoch that was applied last.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        *self.epoch.borrow()
    }

    /// The epochs as they are applied.
    pub(crate) fn epochs(&self) -> watch::Receiver<i64> {
        self.epoch.subscribe()
    }

    /// Waits until this epoch is applied; `false` when patience ends first.
    pub async fn reached(&self, epoch: i64, patience: std::time::Duration) -> bool {
        let mut seen = self.epoch.subscribe();
        let arrived = seen.wait_for(|now| *now >= epoch);
        tokio::time::timeout(patience, arrived).await.is_ok_and(|seen| seen.is_ok())
    }

    /// A panic elsewhere leaves the maps whole: each write finishes or never began to be seen.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
