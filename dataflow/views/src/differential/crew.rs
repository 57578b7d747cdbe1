//! The workers: the first in the engine's thread, the others beside it.
//!
//! Guarantee: the others run the same dataflows, hold no clock and no input, and sleep while nothing
//! reaches them. Absent: what is counted.

use std::num::NonZeroUsize;
use std::thread::JoinHandle;
use std::time::Duration;

use timely::WorkerConfig;
use timely::communication::allocator::{ProcessBuilder, thread};
use timely::communication::{Allocator, Hooks};
use timely::worker::Worker;

/// Steps of the first worker before it sleeps until another one wakes it: some ten microseconds,
/// about as long as waking up takes. An answer mostly comes within that.
const STEPS_AWAKE: usize = 64;
/// How long it sleeps at most: so soon it learns that another worker is gone.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// The first worker, and who works with it.
pub(super) struct Crew {
    pub(super) worker: Worker,
    others: Vec<JoinHandle<()>>,
}

impl Crew {
    /// This many workers; all but the first in threads of their own, where they make the same
    /// dataflows by `build` and serve until the first one's are complete.
    ///
    /// # Panics
    /// When the system gives no more threads.
    pub(super) fn of_threads(workers: NonZeroUsize, build: fn(&mut Worker)) -> Crew {
        if workers.get() == 1 {
            let alone = Allocator::Thread(thread::Thread::default());
            return Crew { worker: new_worker(alone), others: Vec::new() };
        }
        let refill = Hooks::default().refill;
        let mut builders = ProcessBuilder::new_typed_vector(workers.get(), refill, None);
        let others = builders.drain(1..).enumerate().map(|(index, builder)| {
            let thread = std::thread::Builder::new().name(format!("worker-{}", index + 1));
            let serve = move || serve(Allocator::Process(builder.build()), build);
            thread.spawn(serve).expect("the system gives a thread to each worker")
        });
        let others: Vec<JoinHandle<()>> = others.collect();
        let first = builders.remove(0).build();
        Crew { worker: new_worker(Allocator::Process(first)), others }
    }

    /// Works until this is so.
    ///
    /// # Panics
    /// When another worker is gone: what it counted is lost, and the log has it.
    pub(super) fn work_until(&mut self, is_done: impl Fn() -> bool) {
        for _ in 0..STEPS_AWAKE {
            if is_done() {
                return;
            }
            self.worker.step();
        }
        while !is_done() {
            assert!(!self.others.iter().any(JoinHandle::is_finished), "a worker is gone");
            self.worker.step_or_park(Some(SLEEP_MAX));
        }
    }

    /// Lets the others complete their dataflows and end. The inputs must be gone.
    pub(super) fn dismiss(&mut self) {
        if self.others.is_empty() || std::thread::panicking() {
            return;
        }
        while self.worker.has_dataflows() && !self.others.iter().all(JoinHandle::is_finished) {
            self.worker.step_or_park(Some(SLEEP_MAX));
        }
        for other in self.others.drain(..) {
            let _ = other.join();
        }
    }
}

/// Works until the first worker's inputs are gone.
fn serve(allocator: Allocator, build: fn(&mut Worker)) {
    let mut worker = new_worker(allocator);
    build(&mut worker);
    while worker.has_dataflows() {
        worker.step_or_park(None);
    }
}

fn new_worker(allocator: Allocator) -> Worker {
    Worker::new(WorkerConfig::default(), allocator, None)
}
