//! The views as two dataflows, on one worker or several: hot in every epoch, cold when asked.
//!
//! Counts live in the difference, projections stand before arrangements. The cold dataflow takes in
//! one of the hot views as it is told, so that nothing is counted twice, and nothing of it runs
//! before its step. Facts go in and changes come out at the first worker, which is in the caller's
//! thread; how many others there are changes no answer.

mod seat;
mod crew;
mod outbox;
mod noted;
mod net;
mod turns;
mod shard;
mod hot;
mod cold;

use std::io;
use std::num::NonZeroUsize;

use timely::worker::Worker;

use self::cold::Cold;
use self::crew::Crew;
use self::hot::{ForCold, Hot};
pub use self::seat::{Gone, Seat};
use super::Views;
use super::facts::Fact;
use super::rows::{Changes, ColdChanges};

/// The two dataflows, with their workers.
pub struct Differential {
    /// Gone only while this is dropped: the inputs go before the workers.
    parts: Option<(Dataflows, Crew)>,
}

struct Dataflows {
    hot: Hot,
    cold: Cold,
}

impl Differential {
    /// Empty dataflows on a worker of this thread.
    #[must_use]
    pub fn new() -> Self {
        Differential::with_workers(NonZeroUsize::MIN)
    }

    /// Empty dataflows on so many workers: one of this thread, and a thread for each of the others.
    #[must_use]
    pub fn with_workers(workers: NonZeroUsize) -> Self {
        Differential::led_by(Crew::of_threads(workers, without_inputs))
    }

    /// Empty dataflows on the workers of several processes; this one has the first seat.
    ///
    /// # Errors
    /// When a line to another process cannot be used.
    pub fn in_cluster(seat: Seat) -> io::Result<Self> {
        Ok(Differential::led_by(Crew::of_processes(seat, without_inputs)?))
    }

    fn led_by(mut crew: Crew) -> Self {
        let dataflows = Dataflows::new(&mut crew.worker);
        Differential { parts: Some((dataflows, crew)) }
    }

    fn parts(&mut self) -> &mut (Dataflows, Crew) {
        self.parts.as_mut().expect("they are there until this is dropped")
    }
}

impl Default for Differential {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Differential {
    fn drop(&mut self) {
        let Some((dataflows, crew)) = self.parts.take() else { return };
        if std::thread::panicking() || crew.is_broken() {
            // Who is gone would be waited for.
            return std::mem::forget((dataflows, crew));
        }
        drop(dataflows);
        crew.dismiss();
    }
}

/// Counts for the views of process 0, in any other seat, until those are dropped.
///
/// # Errors
/// When a line to another process cannot be used.
///
/// # Panics
/// When another process is gone.
pub fn serve(seat: Seat) -> io::Result<()> {
    crew::serve_beside(seat, without_inputs)
}

/// The dataflows as every worker but the first has them.
fn without_inputs(worker: &mut Worker) {
    drop(Dataflows::new(worker));
}

impl Dataflows {
    fn new(worker: &mut Worker) -> Dataflows {
        let for_cold = ForCold::default();
        let hot = Hot::new(worker, &for_cold);
        Dataflows { hot, cold: Cold::new(worker, for_cold) }
    }
}

impl Views for Differential {
    fn update(&mut self, fact: Fact, difference: isize) {
        let difference = difference as i64;
        let (dataflows, _) = self.parts();
        dataflows.cold.note(&fact, difference);
        match fact {
            Fact::Pod(pod) => dataflows.hot.pod(pod, difference),
            Fact::Lost { node } => dataflows.hot.lost(node, difference),
            Fact::Desired { .. } | Fact::Current { .. } | Fact::Node(_) | Fact::Seen(_) => {}
        }
    }

    fn settle(&mut self) -> Changes {
        let (dataflows, crew) = self.parts();
        dataflows.hot.run(crew);
        dataflows.hot.changes()
    }

    fn settle_cold(&mut self) -> ColdChanges {
        self.settle_cold_some(usize::MAX).0
    }

    fn settle_cold_some(&mut self, workloads_max: usize) -> (ColdChanges, bool) {
        let (dataflows, crew) = self.parts();
        dataflows.hot.run(crew);
        let is_left = dataflows.cold.run(crew, workloads_max);
        (dataflows.cold.changes(), is_left)
    }
}
