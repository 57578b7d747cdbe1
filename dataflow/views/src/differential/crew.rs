//! The workers: the first in the engine's thread, the others beside it or in other processes.
//!
//! Guarantee: the others run the same dataflows, hold no clock and no input, and sleep while nothing
//! reaches them. Absent: what is counted.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use timely::WorkerConfig;
use timely::communication::allocator::zero_copy::allocator::TcpBuilder;
use timely::communication::allocator::zero_copy::initialize::{
    CommsGuard, initialize_networking_from_sockets,
};
use timely::communication::allocator::{ProcessBuilder, thread};
use timely::communication::{Allocator, Hooks};
use timely::worker::Worker;

use super::seat::{Gone, Seat};

/// Steps of the first worker before it sleeps until another one wakes it: some ten microseconds,
/// about as long as waking up takes. An answer mostly comes within that.
const STEPS_AWAKE: usize = 64;
/// How long it sleeps at most: so soon it learns that another worker is gone.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// Sleeps or steps in which the rest must end once a line is closed: some seconds.
const SLEEPS_TO_END_MAX: usize = 100;

/// Makes the dataflows on a worker, and lets go of their inputs.
pub(super) type Build = fn(&mut Worker);

/// The first worker, and who works with it.
pub(super) struct Crew {
    pub(super) worker: Worker,
    others: Vec<JoinHandle<()>>,
    /// What carries messages between processes; ends after the worker.
    carriers: Option<CommsGuard>,
    gone: Arc<Gone>,
}

impl Crew {
    /// This many workers; all but the first in threads of their own, where they make the same
    /// dataflows by `build` and serve until the first one's are complete.
    ///
    /// # Panics
    /// When the system gives no more threads.
    pub(super) fn of_threads(workers: NonZeroUsize, build: Build) -> Crew {
        if workers.get() == 1 {
            let alone = Allocator::Thread(thread::Thread::default());
            return Crew::led_by(alone, Vec::new(), None, Arc::default());
        }
        let refill = Hooks::default().refill;
        let mut builders = ProcessBuilder::new_typed_vector(workers.get(), refill, None);
        let first = builders.remove(0);
        let others = beside(builders, build, |builder| Allocator::Process(builder.build()));
        Crew::led_by(Allocator::Process(first.build()), others, None, Arc::default())
    }

    /// The workers of all processes, the first one here in process 0.
    ///
    /// # Errors
    /// When a line cannot be used.
    pub(super) fn of_processes(seat: Seat, build: Build) -> io::Result<Crew> {
        let gone = seat.gone.clone();
        let (first, others, carriers) = seated(seat, build)?;
        Ok(Crew::led_by(Allocator::Tcp(first.build()), others, Some(carriers), gone))
    }

    fn led_by(
        first: Allocator,
        others: Vec<JoinHandle<()>>,
        carriers: Option<CommsGuard>,
        gone: Arc<Gone>,
    ) -> Crew {
        Crew { worker: new_worker(first), others, carriers, gone }
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
            self.look_round();
            self.worker.step();
        }
        while !is_done() {
            self.look_round();
            self.worker.step_or_park(Some(SLEEP_MAX));
        }
    }

    /// Whether another process is gone.
    pub(super) fn is_broken(&self) -> bool {
        self.gone.why().is_some()
    }

    fn look_round(&self) {
        if let Some(why) = self.gone.why() {
            panic!("{why}");
        }
        assert!(!self.others.iter().any(JoinHandle::is_finished), "a worker thread is gone");
    }

    /// Lets the others complete their dataflows and end. The inputs must be gone.
    pub(super) fn dismiss(mut self) {
        let mut sleeps = 0;
        while self.worker.has_dataflows() && !self.is_alone() {
            // A line that closes now is another one's that was ready first, or one that is gone: then
            // this never ends, and the carriers would wait too.
            sleeps += usize::from(self.is_broken());
            if sleeps > SLEEPS_TO_END_MAX {
                return std::mem::forget(self);
            }
            self.worker.step_or_park(Some(SLEEP_MAX));
        }
        drop(self.worker);
        for other in self.others {
            let _ = other.join();
        }
        drop(self.carriers);
    }

    fn is_alone(&self) -> bool {
        self.carriers.is_none() && self.others.iter().all(JoinHandle::is_finished)
    }
}

/// Serves in another process than the first until that one's dataflows are complete.
///
/// # Errors
/// When a line cannot be used.
///
/// # Panics
/// When another process is gone.
pub(super) fn serve_beside(seat: Seat, build: Build) -> io::Result<()> {
    let (first, others, carriers) = seated(seat, build)?;
    // When this panics nothing is left to carry, and the carriers would wait for who is gone.
    let carriers = std::mem::ManuallyDrop::new(carriers);
    serve(Allocator::Tcp(first.build()), build);
    for other in others {
        let _ = other.join();
    }
    drop(std::mem::ManuallyDrop::into_inner(carriers));
    Ok(())
}

/// The builder of this process's first worker; its other workers are at work.
fn seated(
    mut seat: Seat,
    build: Build,
) -> io::Result<(TcpBuilder, Vec<JoinHandle<()>>, CommsGuard)> {
    let (hooks, workers) = (Hooks::default(), seat.workers.get());
    let within = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), None);
    let lines = seat.lines()?;
    let (mut builders, carriers) =
        initialize_networking_from_sockets(within, lines, seat.process, workers, hooks)?;
    let first = builders.remove(0);
    let others = beside(builders, build, |builder| Allocator::Tcp(builder.build()));
    Ok((first, others, carriers))
}

/// A thread for each of these workers.
fn beside<B: Send + 'static>(
    builders: Vec<B>,
    build: Build,
    allocator: fn(B) -> Allocator,
) -> Vec<JoinHandle<()>> {
    let threads = builders.into_iter().enumerate().map(|(index, builder)| {
        let thread = std::thread::Builder::new().name(format!("worker-{}", index + 1));
        let serve = move || serve(allocator(builder), build);
        thread.spawn(serve).expect("the system gives a thread to each worker")
    });
    threads.collect()
}

/// Works until the first worker's inputs are gone.
fn serve(allocator: Allocator, build: Build) {
    let mut worker = new_worker(allocator);
    build(&mut worker);
    while worker.has_dataflows() {
        worker.step_or_park(None);
    }
}

/// A worker with a timer: one without never sleeps (`Activations::empty_for` of timely), and takes a
/// whole core from those it waits for. Nothing that is counted goes by that timer.
#[allow(clippy::disallowed_methods, reason = "how long to sleep is no part of an answer")]
fn new_worker(allocator: Allocator) -> Worker {
    Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()))
}
