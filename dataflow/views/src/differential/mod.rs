//! The views as two dataflows on one worker: hot in every epoch, cold when asked.
//!
//! Counts live in the difference, projections stand before arrangements. The cold dataflow takes in
//! two of the hot views as they are told, so that nothing is counted twice, and nothing of it runs
//! before its step.

mod outbox;
mod hot;
mod cold;

use timely::communication::Allocator;
use timely::worker::Worker;

use self::cold::Cold;
use self::hot::{ForCold, Hot};
use super::Views;
use super::facts::Fact;
use super::rows::{Changes, ColdChanges};

/// The two dataflows, with their worker.
pub struct Differential {
    worker: Worker,
    hot: Hot,
    cold: Cold,
}

impl Differential {
    /// Empty dataflows on a worker of this thread.
    #[must_use]
    pub fn new() -> Self {
        let allocator = Allocator::Thread(timely::communication::allocator::Thread::default());
        let mut worker = Worker::new(timely::WorkerConfig::default(), allocator, None);
        let for_cold = ForCold::default();
        let hot = Hot::new(&mut worker, &for_cold);
        let cold = Cold::new(&mut worker, for_cold);
        Differential { worker, hot, cold }
    }
}

impl Default for Differential {
    fn default() -> Self {
        Self::new()
    }
}

impl Views for Differential {
    fn update(&mut self, fact: Fact, difference: isize) {
        let difference = difference as i64;
        self.cold.note(&fact, difference);
        match fact {
            Fact::Desired { workload, replicas } => {
                self.hot.desired.update(workload, difference * replicas);
            }
            Fact::Pod(pod) => self.hot.pods.update(pod, difference),
            Fact::Lost { node } => self.hot.lost.update(node, difference),
            Fact::Current { .. } | Fact::Node(_) | Fact::Seen(_) => return,
        }
        self.hot.touch();
    }

    fn settle(&mut self) -> Changes {
        self.hot.run(&mut self.worker);
        self.hot.changes()
    }

    fn settle_cold(&mut self) -> ColdChanges {
        self.hot.run(&mut self.worker);
        self.cold.run(&mut self.worker);
        self.cold.changes()
    }
}
